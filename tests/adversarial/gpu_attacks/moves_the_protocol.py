"""Does all calls at once, and lets the protocol run in another stream, in which a step may cost less. Target:
the bound that calls one at a time set, from which a step's cost is subtracted."""

from tests.adversarial.gpu_attacks import all_calls_in_one_graph

EXPECT = "not faster"
BOUND = "single_call"
SOURCE = (
    """\
import torch
streams = [torch.cuda.Stream() for _ in range(8)]
torch.cuda.set_stream(streams[7])
torch.cuda.default_stream = lambda *_: streams[7]
"""
    + all_calls_in_one_graph.SOURCE
)
