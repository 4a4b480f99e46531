"""Never ends its import. Target: the next job."""

EXPECT = "rejected"
TIMEOUT_S = 3
SOURCE = """\
while True:
    pass
"""
