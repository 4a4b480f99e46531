"""The structure that the documents promise, read from the source."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = {
    "tools": {"tools", "server", "sandbox", "ncu", "wiki_index"},
    "server": {"server", "sandbox", "ncu", "wiki_index"},
    "sandbox": {"sandbox"},
    "ncu": {"ncu", "sandbox"},
    "wiki_index": {"wiki_index", "sandbox"},
}
HEAVY = ("torch", "triton", "lancedb", "flashinfer_bench", "pyarrow", "ncu_report")


def imports(path: Path) -> set[str]:
    """The modules that a file names in import statements, wherever they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_imports_flow_one_way(folder: str) -> None:
    wrong = {
        (str(path.relative_to(ROOT)), module)
        for path in (ROOT / folder).rglob("*.py")
        for module in imports(path)
        if module.split(".")[0] in ALLOWED and module.split(".")[0] not in ALLOWED[folder]
    }
    assert not wrong


@pytest.mark.parametrize("folder", ["ncu", "wiki_index"])
def test_readers_use_only_the_error_type(folder: str) -> None:
    used = {
        module
        for path in (ROOT / folder).rglob("*.py")
        for module in imports(path)
        if module.startswith("sandbox")
    }
    assert used <= {"sandbox.errors"}


def test_the_ledger_knows_nothing_else() -> None:
    used = {
        module
        for path in (ROOT / "server" / "ledger").rglob("*.py")
        for module in imports(path)
        if module.split(".")[0] in ALLOWED
    }
    assert all(m.startswith("server.ledger") or m == "sandbox.errors" for m in used)


def test_no_installed_distribution_claims_our_names() -> None:
    taken = importlib.metadata.packages_distributions()
    for name in ALLOWED:
        assert set(taken.get(name, [])) <= {"kernel-assay"}, name


def test_only_settings_reads_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for folder in ("server", "tools", "ncu", "wiki_index", "sandbox")
        for path in (ROOT / folder).rglob("*.py")
        if "os.environ" in path.read_text("utf-8") or "os.getenv" in path.read_text("utf-8")
    }
    # The launcher passes on the environment that it was given; the probe tells the names that it sees;
    # CUDA's own variable says which GPUs there are; the judge must find the GPU driver's libraries; the
    # demonstration starts a process with its own.
    assert readers <= {
        "server/settings.py",
        "server/connect.py",
        "sandbox/gpu.py",
        "sandbox/launch.py",
        "sandbox/probe.py",
        "sandbox/judge/client.py",
        "tools/demo/harness.py",
    }


def test_the_server_starts_light() -> None:
    code = (
        "import sys\n"
        "import server.services, server.serve, tools.registry\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_every_tool_is_documented() -> None:
    from tools.registry import TOOLS

    readme = (ROOT / "README.md").read_text("utf-8")
    missing = [tool.name for tool in TOOLS if f"`{tool.name}`" not in readme]
    assert not missing


def test_every_document_that_is_linked_exists() -> None:
    import re

    for document in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name} → {link}"
