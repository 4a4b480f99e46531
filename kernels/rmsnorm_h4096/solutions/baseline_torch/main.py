import torch


def run(hidden_states, weight, output):
    inverse = torch.rsqrt(hidden_states.pow(2).mean(dim=-1, keepdim=True) + 1e-6)
    output.copy_(hidden_states * inverse * weight)
