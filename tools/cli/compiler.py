"""assay compile: the twin of compile_kernel."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from sandbox.build import CompileOptions
from sandbox.errors import AssayError
from sandbox.solution import BuildSpec, Language, Solution, SourceFile, parse_solution
from server.compiling import CompileOutcome, Compiling
from server.journal import Origin
from server.scratch import command_services
from server.settings import load_settings
from tools.cli.output import JsonOption, StateOption, err, out, print_json, reports_errors, table
from tools.compile_kernel import CompileOut, shape

LANGUAGES: dict[str, Language] = {".cu": "cuda", ".cpp": "cpp", ".cc": "cpp", ".py": "python"}
OPERATOR = Origin(actor="operator", role="operator", tool="compile_kernel")


def read_solution(path: Path, definition: str = "unspecified") -> Solution:
    """A solution from its JSON, or from one source file with an entry point named `run`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AssayError("unreadable_file", f"Cannot read {path}: {error}.") from error
    if path.suffix == ".json":
        return parse_solution(text)
    language = LANGUAGES.get(path.suffix)
    if language is None:
        raise AssayError(
            "unknown_language",
            f"Cannot tell the language of {path.name}.",
            f"Use a Solution JSON, or a file ending in {', '.join(LANGUAGES)}.",
        )
    if language == "python" and "import triton" in text:
        language = "triton"
    return Solution(
        name=path.stem,
        definition=definition,
        spec=BuildSpec(language=language, entry_point=f"{path.name}::run"),
        sources=(SourceFile(path=path.name, content=text),),
    )


@reports_errors
def compile_solution(
    file: Annotated[Path, typer.Argument(help="Solution JSON, or a .cu, .cpp or .py file.")],
    target: Annotated[
        list[str] | None, typer.Option("--target", help="cpu, sm_90a, sm_100a, …; repeatable.")
    ] = None,
    compare_to: Annotated[
        Path | None, typer.Option("--compare-to", help="Another solution: show what changed.")
    ] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Compile a solution in the sandbox; no GPU needed."""
    solution = read_solution(file)
    other = read_solution(compare_to) if compare_to else None
    with command_services(load_settings(state)) as bench:
        compiling = bench.services.compiling
        outcome = asyncio.run(_compile(compiling, solution, target or []))
        before = asyncio.run(_compile(compiling, other, target or [])) if other else None
        note = bench.note
    answer = shape(outcome, before)
    if json_output:
        print_json(answer)
    else:
        _show(answer)
        err.print(f"[dim]{note}[/]")
    if not outcome.ok:
        raise typer.Exit(1)


async def _compile(compiling: Compiling, solution: Solution, asked: list[str]) -> CompileOutcome:
    await compiling.store(solution, OPERATOR)
    targets = compiling.targets_for(solution, asked)
    options = CompileOptions()
    cached = await compiling.cached(solution, targets, options, OPERATOR)
    return cached or await compiling.compile(solution, targets, options, OPERATOR)


def _show(outcome: CompileOut) -> None:
    verdict = "[green]compiled[/]" if outcome.ok else "[red]failed[/]"
    out.print(f"{outcome.solution_id} {verdict}{' (cached)' if outcome.cached else ''}")
    diagnostics = [(t.target, d) for t in outcome.targets for d in t.diagnostics]
    if diagnostics:
        table(
            "Diagnostics",
            ("target", "where", "severity", "message", "try"),
            [
                (
                    name,
                    f"{d.file or ''}:{d.line or ''}:{d.column or ''}",
                    d.severity,
                    d.message,
                    d.remedy or "",
                )
                for name, d in diagnostics
            ],
        )
    kernels = [(t.target, k) for t in outcome.targets for k in t.kernels]
    if kernels:
        table(
            "Kernels",
            ("target", "kernel", "registers", "spill B", "shared B", "occupancy", "tensor cores"),
            [
                (
                    name,
                    k.name,
                    k.registers,
                    k.spill_bytes,
                    k.static_shared_bytes + (k.dynamic_shared_bytes or 0),
                    " ".join(f"{o.pct:.0f} % at {o.block_threads}" for o in k.occupancy),
                    f"{k.tensor.path}: {', '.join(k.tensor.inputs)}" if k.tensor else "–",
                )
                for name, k in kernels
            ],
        )
    hints = [(name, k.name, hint) for name, k in kernels for hint in k.hints]
    if hints:
        table(
            "Hints",
            ("target", "kernel", "what", "try"),
            [(name, kernel, hint.message, hint.advice) for name, kernel, hint in hints],
        )
    changes = [(c.target, change) for c in outcome.comparison for change in c.changes]
    if outcome.comparison:
        table(
            "Changes",
            ("target", "kernel", "what", "before", "after"),
            [(name, c.kernel, c.what, c.before, c.after) for name, c in changes],
        )
