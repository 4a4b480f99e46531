"""Compilation of solutions in the sandbox: sources in, reports and files out.

Compilers read candidate code, without a GPU and without a network; of Triton and CuTe DSL solutions the
host code is run as well, in the sandbox, because only it says what to compile.
"""

from sandbox.build.ahead import ExampleCall, compiled_ahead, example_call
from sandbox.build.compare import compare
from sandbox.build.compiler import cache_key, check_targets, compile_solution
from sandbox.build.models import (
    Change,
    CompileOptions,
    CompileReport,
    Diagnostic,
    KernelReport,
    Product,
    TargetReport,
)
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
