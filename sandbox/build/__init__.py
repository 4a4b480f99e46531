"""Compilation of solutions in the sandbox: sources in, reports and files out.

Compilers read candidate code, without a GPU and without a network; of Triton and CuTe DSL solutions the
host code is run as well, in the sandbox, because only it says what to compile.

Results are here at once; what compiles is imported when it is first used, since a server should not wait
for it when it starts.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sandbox.build.models import (
    Change,
    CompileOptions,
    CompileReport,
    Diagnostic,
    KernelReport,
    Product,
    TargetReport,
)

if TYPE_CHECKING:
    from sandbox.build.ahead import ExampleCall, compiled_ahead, example_call
    from sandbox.build.comparison import compare
    from sandbox.build.compiler import cache_key, check_targets, compile_solution
    from sandbox.build.toolchain import find_cuda

__all__ = [
    "Change",
    "CompileOptions",
    "CompileReport",
    "Diagnostic",
    "ExampleCall",
    "KernelReport",
    "Product",
    "TargetReport",
    "cache_key",
    "check_targets",
    "compare",
    "compile_solution",
    "compiled_ahead",
    "example_call",
    "find_cuda",
]

_LATER = {
    "ExampleCall": "ahead",
    "compiled_ahead": "ahead",
    "example_call": "ahead",
    "cache_key": "compiler",
    "check_targets": "compiler",
    "compare": "comparison",
    "compile_solution": "compiler",
    "find_cuda": "toolchain",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
