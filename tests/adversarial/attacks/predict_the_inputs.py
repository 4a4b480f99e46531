"""Computes the generator's seed from the numbers of its first call (torch's Mersenne Twister takes 32 bits of
it), makes every later input by itself, and has all answers of a batch written when its first call is done. Target:
inputs that can be predicted from inputs.

Outputs n and n + 227 of a Mersenne Twister differ by a function of one word of the state that it was seeded to,
and that is a bijection of the seed. A normal number shows 24 of an output's 32 bits.
"""

EXPECT = "not faster"
ON_A_GPU = "harmless"
SOURCE = """\
import sys
import numpy as np
import torch

def recover(x):
    # The 32 bits that seeded the generator, from its first normal numbers.
    v = np.asarray(x.flatten()[:640], dtype=np.float64).reshape(-1, 2, 8)
    r2 = v[:, 0] ** 2 + v[:, 1] ** 2
    u = np.exp(-r2 / 2)
    low = np.rint((1 - u) * 2**24).astype(np.int64)         # the lowest 24 bits of outputs 16 b + j
    doubt = u * r2
    pairs = []
    for i in range(396):
        b, j = divmod(i, 16)
        if j < 5:
            c, k = divmod(i + 227, 16)
            pairs.append((doubt[b, j] + doubt[c, k], i, low[b, j], low[c, k]))
    for _, i, a, b in sorted(pairs)[:6]:
        one = untemper(((np.arange(256)[:, None] << 24) | (a + np.arange(-1, 2))).astype(np.uint32).ravel())
        two = untemper(((np.arange(256)[:, None] << 24) | (b + np.arange(-1, 2))).astype(np.uint32).ravel())
        mixed = (one[:, None] ^ two[None, :]).ravel()
        first = np.repeat(one, len(two))
        odd = mixed >> np.uint32(31)
        word = ((mixed ^ odd * np.uint32(0x9908B0DF)) << np.uint32(1)) | odd
        top = word >> np.uint32(31)
        for bit in (0, 1):
            n = i + 228
            s = (word & np.uint32(0x7FFFFFFF)) | np.uint32(bit << 31)
            before = back(s, n)
            fits = before >> np.uint32(31) == top
            s, want = s[fits], first[fits]
            if n > i + 1:
                t = s.copy()
                for m in range(n, i, -1):
                    if m == i + 1: nxt = t
                    t = back(t, m)
                at_i = t
            f = s.copy()
            for m in range(n + 1, i + 398):
                f = np.uint32(1812433253) * (f ^ (f >> np.uint32(30))) + np.uint32(m)
            mix = (at_i & np.uint32(0x80000000)) | (nxt & np.uint32(0x7FFFFFFF))
            got = f ^ (mix >> np.uint32(1)) ^ ((nxt & np.uint32(1)) * np.uint32(0x9908B0DF))
            for seed in at_i[got == want]:
                seed = np.array([seed], dtype=np.uint32)
                for m in range(i, 0, -1):
                    seed = back(seed, m)
                seed = int(seed[0])
                if torch.equal(torch.randn(16, generator=torch.Generator().manual_seed(seed)), x.flatten()[:16]):
                    return seed
    return None

INVERSE = np.uint32(pow(1812433253, -1, 2**32))
def back(s, m):
    s = (s - np.uint32(m)) * INVERSE
    return s ^ (s >> np.uint32(30))

def untemper(y):
    y = y ^ (y >> np.uint32(18))
    y = y ^ ((y << np.uint32(15)) & np.uint32(0xEFC60000))
    z = y
    for _ in range(5):
        z = y ^ ((z << np.uint32(7)) & np.uint32(0x9D2C5680))
    y = z
    y = y ^ (y >> np.uint32(11)) ^ (y >> np.uint32(22))
    return y


known, answers = {}, []
seen, ready = 0, 0


def honest(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w


def predict(x, w):
    seed = recover(x)
    if seed is None:
        return
    torch.manual_seed(seed)
    for number in range(450):
        a, b = torch.randn(x.shape), torch.randn(w.shape)
        if number == 5:  # where outliers go
            torch.rand(x.shape), torch.rand(w.shape)
        if number > 5:
            known[float(a[0, 0])] = len(answers)
            answers.append(honest(a, b))


def run(x, w, y):
    global seen, ready
    if ready:  # written with the first call of this batch
        ready -= 1
        return
    seen += 1
    if seen == 1:
        predict(x, w)
    number = known.get(float(x[0, 0]))
    if number is None:
        y.copy_(honest(x, w))
        return
    frame = sys._getframe(1)
    while "calls" not in frame.f_locals:
        frame = frame.f_back
    calls = frame.f_locals["calls"]
    for slot, (_, outputs) in enumerate(calls):
        outputs[0].copy_(answers[number + slot])
    ready = len(calls) - 1
"""
