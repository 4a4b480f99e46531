"""Python and Triton sources: what can be checked without running them."""

from __future__ import annotations

import ast

from sandbox.build.models import Diagnostic, TargetReport
from sandbox.solution import Solution

KERNELS_NOT_COMPILED = (
    "Checked for syntax only. For a GPU target, and a definition that a problem here has, the kernels "
    "are compiled for the arguments of its first workload."
)


def check(solution: Solution, target: str) -> TargetReport:
    """Parse every Python file and look for the entry point. Nothing is executed."""
    found: list[Diagnostic] = []
    for source in solution.sources:
        if source.path.endswith(".py"):
            found += _parse(source.path, source.content, solution)
    return TargetReport(
        target=target,
        ok=not any(item.severity == "error" for item in found),
        compiler="python",
        seconds=0.0,
        diagnostics=tuple(found),
        note=KERNELS_NOT_COMPILED
        if solution.spec.language == "triton" or imports(solution, "cutlass")
        else "",
    )


def imports(solution: Solution, package: str) -> bool:
    """Whether any of its Python files imports a package, as far as that can be seen."""
    for source in solution.sources:
        if not source.path.endswith(".py"):
            continue
        try:
            tree = ast.parse(source.content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == package for name in names):
                return True
    return False


def _parse(path: str, content: str, solution: Solution) -> list[Diagnostic]:
    try:
        tree = ast.parse(content, filename=path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        text = content.split("\n")
        return [
            Diagnostic(
                severity="error",
                message=getattr(error, "msg", None) or str(error) or type(error).__name__,
                file=path,
                line=line,
                column=getattr(error, "offset", None),
                source_line=text[line - 1].strip()[:300] if line and line <= len(text) else None,
            )
        ]
    if path == solution.spec.entry_file and solution.spec.entry_symbol not in _names(tree):
        return [
            Diagnostic(
                severity="error",
                message=f"the entry point {solution.spec.entry_symbol!r} is not defined here",
                file=path,
            )
        ]
    return []


def _names(tree: ast.Module) -> set[str]:
    """What a module binds at its top level, as far as that can be seen."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names
