"""Does all calls at once, lets the protocol run in another stream, and leaves its events out. Target: what is
subtracted from calls one at a time."""

from tests.adversarial.gpu_attacks import all_calls_in_one_graph

EXPECT = "not faster"
BOUND = "single_call"
SOURCE = (
    all_calls_in_one_graph.SOURCE
    + """\
streams = [torch.cuda.Stream() for _ in range(8)]
together = run
def run(x, w, y):
    frame = sys._getframe(1)
    while frame and "steps" not in frame.f_locals:
        frame = frame.f_back
    arena = frame.f_locals["self"]
    arena._stream = streams[3]
    arena._guard.begin = arena._guard.end = lambda *_: None
    together(x, w, y)
"""
)
