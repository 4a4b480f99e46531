"""assay doctor: what this machine can do, and what is missing for the rest."""

from __future__ import annotations

from rich.markup import escape

from server.diagnosis import diagnose
from server.settings import load_settings
from tools.cli.output import JsonOption, StateOption, err, out, print_json, reports_errors, table


@reports_errors
def doctor(state: StateOption = None, json_output: JsonOption = False) -> None:
    """Check the sandbox, compilers, GPU, profiler and state directory."""
    settings = load_settings(state)
    with err.status("Looking…"):
        checks = diagnose(settings)
    if json_output:
        print_json(
            {
                "ok": all(check.ok for check in checks if check.required),
                "checks": [check.model_dump(mode="json") for check in checks],
                "settings": settings.model_dump(mode="json"),
            }
        )
        return
    marks = {True: "[green]yes[/]", False: "[yellow]no[/]"}
    for check in checks:
        out.print(f"{marks[check.ok]:<16} {check.name}: {escape(check.detail)}")
        if check.hint and not check.ok:
            out.print(f"       {escape(check.hint)}")
    table("Settings", ("setting", "value"), list(settings.model_dump(mode="json").items()))
