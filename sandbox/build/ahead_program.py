"""Triton and CuTe DSL kernels compiled ahead of time, without a GPU: the part inside the sandbox.

    python ahead_program.py JOB.json

Such a kernel is compiled when it is launched, for the types of its arguments and the constants that the
host code chose. So the solution is run once, on tensors of a workload's shapes in host memory, with a
target but no device: what is launched is compiled, and nothing is launched. What comes out lies where
the compilers keep it, and is copied out. Nothing here is trusted by the outside.
"""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SOURCES = "/sandbox/in/src"
OUT = Path("/sandbox/out")
TRITON, CUTE = Path("/tmp/triton"), Path("/tmp/cute")  # noqa: S108 - inside, private and empty
ERROR = "error.json"


def main(job: dict[str, Any]) -> None:
    """Run the solution once and keep what Triton compiled, or what went wrong."""
    sys.path.insert(0, job["library"])
    CUTE.mkdir(exist_ok=True)  # it is not made by whoever writes there
    import torch

    _pretend(torch, job)
    if job["language"] == "triton":
        import triton

        triton.runtime.driver.set_active(_triton_driver(job))
    else:
        _launch_no_cute_kernel()
    from sandbox.runner.load import load

    try:
        entry = load(job)
        arguments = [_argument(torch, spec) for spec in job["inputs"]]
        if job["in_place"]:
            arguments += [_argument(torch, spec) for spec in job["outputs"]]
        entry(*arguments)
    except BaseException as error:
        (OUT / ERROR).write_text(json.dumps(_describe(error)))
    _keep()


def _triton_driver(job: dict[str, Any]) -> Any:
    """A driver for a target: compiles for it, pretends to launch."""
    import torch
    from triton.backends.compiler import GPUTarget
    from triton.backends.driver import DriverBase

    class Launcher:
        def __init__(self, source: object, metadata: object) -> None:
            pass

        def __call__(self, *arguments: object) -> None:
            pass

    class Utils:
        @staticmethod
        def get_device_properties(device: int) -> dict[str, int]:
            return {
                "max_shared_mem": job["shared_bytes"],
                "multiprocessor_count": job["sms"],
                "warpSize": 32,
            }

        @staticmethod
        def load_binary(*of: object) -> tuple[object, object, int, int, int]:
            return object(), object(), 0, 0, 1024

    class Ahead(DriverBase):  # type: ignore[misc]
        launcher_cls = Launcher
        utils = Utils

        @classmethod
        def is_active(cls) -> bool:
            return True

        def map_python_to_cpp_type(self, ty: str) -> str:
            return ty

        def get_current_target(self) -> Any:
            return GPUTarget("cuda", job["capability"], 32)

        def get_active_torch_device(self) -> Any:
            return torch.device("cpu")

        def get_device_interface(self) -> Any:
            return torch.cuda

        def get_current_device(self) -> int:
            return 0

        def set_current_device(self, device: int) -> None:
            pass

        def get_current_stream(self, device: int) -> int:
            return 0

        def get_benchmarker(self) -> Any:
            # An autotuner takes the first of equals, which it then compiles.
            return lambda call, *, quantiles, **more: [1.0] * len(quantiles)

    return Ahead()


def _launch_no_cute_kernel() -> None:
    from cutlass.base_dsl import jit_executor

    for kind in (jit_executor.JitCompiledFunction, jit_executor.JitExecutor):
        kind.run_compiled_program = lambda self, arguments: 0  # type: ignore[method-assign]


def _pretend(torch: Any, job: dict[str, Any]) -> None:
    """Host code asks for the device's size to choose a grid."""
    major, minor = divmod(job["capability"], 10)
    properties = SimpleNamespace(
        name=job["target"],
        major=major,
        minor=minor,
        multi_processor_count=job["sms"],
        shared_memory_per_block_optin=job["shared_bytes"],
        warp_size=32,
        total_memory=80 << 30,
    )
    torch.cuda.get_device_properties = lambda device=None: properties
    torch.cuda.get_device_capability = lambda device=None: (major, minor)
    torch.cuda.get_device_name = lambda device=None: job["target"]
    torch.cuda.current_device = lambda: 0
    torch.cuda.device_count = lambda: 1
    torch.cuda.is_available = lambda: True
    torch.cuda.synchronize = lambda device=None: None
    torch.cuda.current_stream = lambda device=None: SimpleNamespace(cuda_stream=0)


def _argument(torch: Any, spec: dict[str, Any]) -> Any:
    if spec["shape"] is None:
        return spec["value"]
    return torch.zeros(spec["shape"], dtype=getattr(torch, spec["dtype"]))


def _keep() -> None:
    """Copy what was compiled; one kernel may come in several variants."""
    found = [*sorted(TRITON.glob("*/*.cubin")), *sorted(CUTE.glob("*.cubin"))]
    for number, cubin in enumerate(found):
        name = f"{cubin.stem[:60]}-{number}" if number else cubin.stem[:60]
        for suffix in (".cubin", ".ptx", ".json"):
            made = cubin.with_suffix(suffix)
            if made.exists():
                shutil.copyfile(made, OUT / f"{name}{suffix}")


def _describe(error: BaseException) -> dict[str, Any]:
    """The error, and the line of the solution that it is about."""
    file, line = _kernel_line(error) or _host_line(error) or (None, None)
    said = getattr(error, "error_message", None) or error.__cause__ or error
    kind = type(said if isinstance(said, BaseException) else error).__name__
    return {"message": f"{kind}: {said}"[:2000], "file": file, "line": line}


def _kernel_line(error: BaseException) -> tuple[str, int] | None:
    """Triton counts lines from the kernel's `def`."""
    source, node = getattr(error, "src", None), getattr(error, "node", None)
    if not isinstance(source, str) or node is None:
        return None
    head = source.strip().splitlines()[0]
    for path in sorted(Path(SOURCES).rglob("*.py")):
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            if line.strip() == head:
                return str(path.relative_to(SOURCES)), number + int(node.lineno)
    return None


def _host_line(error: BaseException) -> tuple[str, int] | None:
    """The last line of the solution that the error came through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(SOURCES) and frame.lineno:
            return frame.filename.removeprefix(f"{SOURCES}/"), frame.lineno
    return None


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text("utf-8")))
