"""Settings: one typed object, from defaults, a TOML file and the environment, in that order.

This is the only module that reads the environment. Values are validated once, at start, and
`assay doctor` prints them; nothing here is a secret.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import AssayError
from sandbox.solution import describe_validation_error

ENVIRONMENT_PREFIX = "ASSAY_"
CONFIG_NAME = "config.toml"


class Settings(BaseModel):
    """Everything an operator can set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Path = Field(description="State directory: keys, ledger, artifacts, problems, index.")
    host: str = Field(default="127.0.0.1", description="Address that `assay serve` binds.")
    port: int = Field(default=8777, ge=0, le=65535, description="Port; 0 picks a free one.")
    call_wait_s: float = Field(
        default=40.0, ge=0.0, le=45.0, description="How long a tool call waits before a job handle."
    )
    compile_slots: int = Field(default=2, ge=1, le=256, description="Compilations side by side.")
    bench_timeout_s: float = Field(
        default=300.0, gt=0, le=3600, description="Wall-clock limit of one run_bench job."
    )
    capture_timeout_s: float = Field(
        default=300.0, gt=0, le=3600, description="Wall-clock limit of one profiler capture."
    )
    compile_timeout_s: float = Field(
        default=120.0, gt=0, le=3600, description="Wall-clock limit of one compilation."
    )
    max_artifact_bytes: int = Field(
        default=256 << 20, gt=0, description="Largest artifact that is stored."
    )
    wiki_deny: tuple[str, ...] = Field(
        default=(), description="Page ids or source URL patterns that search must withhold."
    )


def default_state(environment: Mapping[str, str] | None = None) -> Path:
    """`$ASSAY_STATE`, else `$XDG_STATE_HOME/kernel-assay`, else `~/.local/state/kernel-assay`."""
    env = os.environ if environment is None else environment
    if explicit := env.get("ASSAY_STATE"):
        return Path(explicit).expanduser()
    base = env.get("XDG_STATE_HOME")
    root = Path(base).expanduser() if base else Path.home() / ".local" / "state"
    return root / "kernel-assay"


def load_settings(
    state: Path | None = None, environment: Mapping[str, str] | None = None, **overrides: object
) -> Settings:
    """Read `STATE/config.toml`, then `ASSAY_*` variables, then explicit overrides.

    Raises:
        AssayError: `invalid_settings`, naming each setting that is wrong and where it came from.
    """
    env = os.environ if environment is None else environment
    directory = (state or default_state(env)).expanduser().absolute()
    values: dict[str, object] = {}
    file = directory / CONFIG_NAME
    if file.is_file():
        try:
            values.update(tomllib.loads(file.read_text("utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise AssayError("invalid_settings", f"{file} is not valid TOML: {error}.") from error
    for name in Settings.model_fields:
        if name != "state" and (value := env.get(ENVIRONMENT_PREFIX + name.upper())) is not None:
            values[name] = value.split(":") if name == "wiki_deny" else value
    values.update({key: value for key, value in overrides.items() if value is not None})
    values["state"] = directory
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise AssayError(
            "invalid_settings",
            f"Settings are invalid: {describe_validation_error(error)}.",
            f"Check {file} and the environment variables {ENVIRONMENT_PREFIX}*.",
        ) from error


def client_token(environment: Mapping[str, str] | None = None) -> str | None:
    """The bearer token that `assay connect` was given in `ASSAY_TOKEN`, if any."""
    env = os.environ if environment is None else environment
    return env.get("ASSAY_TOKEN") or None
