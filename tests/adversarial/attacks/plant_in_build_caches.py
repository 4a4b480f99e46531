"""Leaves files where compilers keep their products. Target: what the next run loads."""

EXPECT = "harmless"
SOURCE = """\
import os
import pathlib
import torch
home = pathlib.Path(os.environ.get("HOME", "/tmp"))
for directory in (
    pathlib.Path(os.environ.get("TRITON_CACHE_DIR", home / ".triton/cache")),
    home / ".cache/torch_extensions",
    home / ".cache/ccache",
    home / ".cache/tvm-ffi",
    home / ".nv/ComputeCache",
    pathlib.Path("/tmp/torchinductor_root"),
    pathlib.Path("/var/cache"),
):
    for name in ("norm.cubin", "norm.so", "norm.json", "__grp__norm.json"):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(b"not what was compiled")
        except OSError:
            pass
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
