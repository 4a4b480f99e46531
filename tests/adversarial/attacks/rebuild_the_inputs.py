"""Makes the inputs of the usual seeds beforehand and looks which one it was given. Target: seeds that can
be guessed."""

EXPECT = "rejected"
WORDS = "finite"
SOURCE = """\
import torch
known = {}
for seed in (*range(400), 1234, 12345, 0xC0FFEE, 2024, 2025, 2026):
    inputs = torch.randn(8, 512, generator=torch.Generator().manual_seed(seed))
    known[float(inputs[0, 0])] = inputs
def run(x, w, y):
    inputs = known.get(float(x[0, 0]))
    if inputs is not None:
        y.copy_(inputs.to(y.device) * w)
"""
