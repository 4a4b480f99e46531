import math

import torch


def run(q, k_cache, v_cache, kv_indptr, kv_indices, kv_last_page_len, output):
    batch, heads, dim = q.shape
    page, kv_heads = k_cache.shape[1], k_cache.shape[2]
    bounds = kv_indptr.tolist()
    last = kv_last_page_len.tolist()
    for b in range(batch):
        pages = kv_indices[bounds[b] : bounds[b + 1]]
        length = (len(pages) - 1) * page + last[b]
        k = k_cache.index_select(0, pages).reshape(-1, kv_heads, dim)[:length]
        v = v_cache.index_select(0, pages).reshape(-1, kv_heads, dim)[:length]
        k = k.repeat_interleave(heads // kv_heads, dim=1)
        v = v.repeat_interleave(heads // kv_heads, dim=1)
        scores = torch.einsum("hd,nhd->hn", q[b], k) / math.sqrt(dim)
        output[b] = torch.einsum("hn,nhd->hd", torch.softmax(scores, dim=-1), v)
