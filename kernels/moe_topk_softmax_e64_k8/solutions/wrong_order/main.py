import torch


def run(router_logits, topk_weights, topk_indices):
    values, indices = torch.topk(router_logits, k=8, dim=-1)
    topk_weights.copy_(torch.softmax(values, dim=-1))
    indices[:, [6, 7]] = indices[:, [7, 6]]
    topk_indices.copy_(indices)
