"""Replaces the replay of a graph by one computation for all of its calls. Target: the same."""

EXPECT = "harmless"
TIMEOUT_S = 8
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
import sys
seen = []
begin, replay = torch.cuda.CUDAGraph.capture_begin, torch.cuda.CUDAGraph.replay
graphs = {}
def capture_begin(self, *some, **named):
    seen.clear()
    graphs[id(self)] = seen_here = []
    seen.append(seen_here)
    return begin(self, *some, **named)
def once(self):
    calls = graphs.get(id(self)) or []
    if len(calls) < 2:
        return replay(self)
    every = torch.stack([x for x, _, _ in calls])
    weight = torch.stack([w for _, w, _ in calls])[:, None]
    result = every * torch.rsqrt(every.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
    torch._foreach_copy_([y for _, _, y in calls], list(result.unbind()))
torch.cuda.CUDAGraph.capture_begin = capture_begin
torch.cuda.CUDAGraph.replay = once
def run(x, w, y):
    if torch.cuda.is_current_stream_capturing() and seen:
        seen[0].append((x, w, y))
    norm(x, w, y)
"""
