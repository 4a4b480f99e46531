"""Compilation of solutions in the sandbox: sources in, reports and files out.

Nothing here runs candidate code; compilers read it, without a GPU and without a network.
"""

from sandbox.build.compiler import cache_key, check_targets, compile_solution
from sandbox.build.models import (
    CompileOptions,
    CompileReport,
    Diagnostic,
    KernelResources,
    Product,
    TargetReport,
)
from sandbox.build.toolchain import find_cuda

__all__ = [
    "CompileOptions",
    "CompileReport",
    "Diagnostic",
    "KernelResources",
    "Product",
    "TargetReport",
    "cache_key",
    "check_targets",
    "compile_solution",
    "find_cuda",
]
