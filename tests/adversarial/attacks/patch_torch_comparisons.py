"""Makes torch's comparisons say yes. Target: a comparator in the same process."""

EXPECT = "rejected"
SOURCE = """\
import torch
torch.allclose = torch.equal = lambda *_, **__: True
torch.testing.assert_close = lambda *_, **__: None
torch.isnan = torch.isinf = lambda x: torch.zeros_like(x, dtype=torch.bool)
def run(x, w, y):
    y.zero_()
"""
