"""What the inside of a sandbox needs to see to run Python: an allow-list, never the whole disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SYSTEM_PATHS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/etc/ld.so.conf", "/etc/ld.so.conf.d")

LIBRARY = "/sandbox/lib"
"""Where this package appears inside; nothing else of the project does."""

START = "import sys; sys.path.insert(0, sys.argv[1]); import sandbox.{module} as m; m.main(sys.argv[2:])"
"""For `python -I -c`: runs a module of this package, found below the first argument."""


@dataclass(frozen=True)
class Mount:
    """A path of the host that a sandbox sees.

    Attributes:
        source: where it is outside.
        target: where it is inside, absolute.
        writable: whether the inside may change it.
    """

    source: Path
    target: str
    writable: bool = False


@cache
def runtime_mounts() -> tuple[Mount, ...]:
    """The interpreter, its packages, and this package, read-only."""
    mounts = [Mount(Path(__file__).resolve().parent, f"{LIBRARY}/sandbox")]
    seen: list[Path] = [Path("/usr")]
    for prefix in (Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve()):
        if not any(prefix.is_relative_to(path) for path in seen):
            mounts.append(Mount(prefix, str(prefix)))
            seen.append(prefix)
    return tuple(mounts)


def python() -> str:
    """The interpreter to start inside, with the packages of this environment.

    Named by where the environment really is: a link to it outside is not there inside.
    """
    prefix, program = Path(sys.prefix), Path(sys.executable)
    if program.is_relative_to(prefix):
        return str(prefix.resolve() / program.relative_to(prefix))
    return str(program)


def bare_python() -> str:
    """The real interpreter behind a virtual environment's link, for the launcher."""
    return str(Path(sys.executable).resolve())
