"""Does all calls of a batch at once, and makes two in three of its calls alone long, so that what they take
is not known well. Target: the interval of its own steps, which is added to what may be hidden."""

from tests.adversarial.gpu_attacks import all_calls_in_one_graph

EXPECT = "not faster"
BOUND = "single_call"
SOURCE = (
    all_calls_in_one_graph.SOURCE
    + """\
together = run
def run(x, w, y):
    frame = sys._getframe(1)
    while frame and "steps" not in frame.f_locals:
        frame = frame.f_back
    steps = frame.f_locals["steps"] if frame else []
    if len(steps) > 1 and torch.cuda.is_current_stream_capturing():
        for number, step in enumerate(steps):
            if step[0].args[1][0].data_ptr() == x.data_ptr() and number % 3:
                torch.cuda._sleep(1_000_000)
    together(x, w, y)
"""
)
