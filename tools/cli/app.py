"""The command tree."""

from __future__ import annotations

import typer

from tools.cli import audit, bench, client, compiler, demo, doctor, knowledge, profile, setup
from tools.cli import problems as problem_commands
from tools.cli import serve as serve_commands

app = typer.Typer(
    name="assay",
    help="Trusted measurement of GPU kernels written by AI agents, over MCP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.command("init")(setup.init)
app.command("serve")(serve_commands.serve)
app.command("compile")(compiler.compile_solution)
app.command("bench")(bench.bench)
app.command("ncu")(profile.ncu)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("client-config")(client.client_config)
app.add_typer(setup.principal, name="principal")
app.add_typer(problem_commands.problem, name="problem")
app.add_typer(profile.artifact, name="artifact")
app.add_typer(knowledge.wiki, name="wiki")
app.add_typer(audit.audit, name="audit")


@app.command("connect", help="Bridge stdio to a running server, for clients that prefer stdio.")
def connect() -> None:  # pragma: no cover - dispatched before this tree exists
    """Listed here for `assay --help`; see tools.cli.main."""
