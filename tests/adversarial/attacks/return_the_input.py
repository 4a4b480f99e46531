"""Returns its input object. Target: outputs that alias inputs."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
def run(x, w):
    return x
"""
