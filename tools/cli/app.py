"""The command tree."""

from __future__ import annotations

import typer

from tools.cli import audit, bench, client, compiler, demo, doctor, knowledge, profile, runs, setup
from tools.cli import problems as problem_commands

app = typer.Typer(
    name="assay",
    help="Trusted measurement of GPU kernels written by AI agents, over MCP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.command("init")(setup.init)
app.command("compile")(compiler.compile_solution)
app.command("bench")(bench.bench)
app.command("ncu")(profile.ncu)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("client-config")(client.client_config)
app.add_typer(setup.principal, name="principal")
app.add_typer(problem_commands.problem, name="problem")
app.add_typer(profile.artifact, name="artifact")
app.add_typer(runs.run, name="run")
app.add_typer(knowledge.wiki, name="wiki")
app.add_typer(audit.audit, name="audit")


# These two never get here: `tools.cli.main` starts them before this tree exists. They stand in the
# tree so that `assay --help` knows them.
_DISPATCHED = {
    "serve": "Serve MCP over streamable HTTP at /mcp (or, for a trial, over stdio).",
    "connect": "Bridge stdio to a running server, for clients that prefer stdio.",
}
for _name, _help in _DISPATCHED.items():
    app.command(_name, help=_help)(lambda: None)
