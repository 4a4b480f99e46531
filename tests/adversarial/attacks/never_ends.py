"""Never returns. Target: the next job."""

EXPECT = "rejected"
TIMEOUT_S = 3
SOURCE = """\
def run(x, w, y):
    while True:
        pass
"""
