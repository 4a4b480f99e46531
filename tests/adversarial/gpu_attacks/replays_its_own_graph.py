"""Records a graph on its first arguments and replays that for all others. Target: arguments at the same
address."""

EXPECT = "rejected"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
graphs = []
def run(x, w, y):
    if not graphs:
        norm(x, w, y)
        torch.cuda.synchronize()
        graphs.append(torch.cuda.CUDAGraph())
        with torch.cuda.graph(graphs[0]):
            norm(x, w, y)
    graphs[0].replay()
"""
