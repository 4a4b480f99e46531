import torch


def run(q, k_cache, v_cache, kv_indptr, kv_indices, kv_last_page_len, output):
    batch, heads, dim = q.shape
    kv_heads = k_cache.shape[2]
    for b in range(batch):
        pages = kv_indices[int(kv_indptr[b]) : int(kv_indptr[b + 1])]
        k = k_cache.index_select(0, pages).reshape(-1, kv_heads, dim)
        v = v_cache.index_select(0, pages).reshape(-1, kv_heads, dim)
        k = k.repeat_interleave(heads // kv_heads, dim=1)
        v = v.repeat_interleave(heads // kv_heads, dim=1)
        scores = torch.einsum("hd,nhd->hn", q[b], k) * dim**-0.5
        output[b] = torch.einsum("hn,nhd->hd", torch.softmax(scores, dim=-1), v)
