"""Uses the expected mean square instead of computing it. Target: no scaled inputs."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * 0.99951 * w)
"""
