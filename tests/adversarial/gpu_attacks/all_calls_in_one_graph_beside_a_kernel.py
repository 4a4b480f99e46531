"""Does all calls at once, and keeps the GPU busy while the baseline's are taken singly. Target: the bound."""

from tests.adversarial.gpu_attacks import all_calls_in_one_graph, slows_the_protocol_down

EXPECT = "not faster"
BOUND = "single_call"
LEAVES_A_KERNEL, _, _ = slows_the_protocol_down.SOURCE.partition("def run")
SOURCE = LEAVES_A_KERNEL + all_calls_in_one_graph.SOURCE
