"""The command line as a script would use it: real processes, JSON out, exit status."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Live, Prepared
from tests.reports import report_file
from tools.cli.app import app
from tools.demo.harness import assay, assay_json

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "kernels"


def run(*arguments: str) -> tuple[int, Any, str]:
    """Exit status, parsed output (or its text), standard error."""
    done = assay(*arguments)
    try:
        return done.returncode, json.loads(done.stdout), done.stderr
    except json.JSONDecodeError:
        return done.returncode, done.stdout, done.stderr


def test_init_makes_a_private_directory_and_shows_tokens_once(tmp_path: Path) -> None:
    state = tmp_path / "state"
    made = assay_json("init", "--state", str(state), "--principal", "a:writer")
    (principal,) = made["principals"]
    assert set(principal) == {"name", "role", "token"}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    for path in state.rglob("*"):
        if path.is_file():
            assert principal["token"].encode() not in path.read_bytes()
    assert stat.S_IMODE((state / "principals.json").stat().st_mode) == 0o600
    status, answer, _ = run("init", "--state", str(state), "--json")
    assert status == 1
    assert answer["error"]["code"] == "already_initialised"


@pytest.mark.parametrize("spec", ["noname", "a:boss", ":writer", "UPPER:writer"])
def test_bad_principals_are_explained(tmp_path: Path, spec: str) -> None:
    status, answer, _ = run("init", "--state", str(tmp_path / "s"), "--principal", spec, "--json")
    assert status == 1
    assert answer["error"]["code"] == "invalid_principal"
    assert answer["error"]["hint"]


def test_principals_can_be_added_rotated_and_revoked(prepared: Prepared) -> None:
    where = ("--state", str(prepared.state))
    added = assay_json("principal", "add", "zoe:auditor", *where)
    rotated = assay_json("principal", "rotate", "zoe", *where)
    assert added["token"] != rotated["token"]
    assert assay_json("principal", "revoke", "zoe", *where)["revoked"]
    listed = {row["name"]: row for row in assay_json("principal", "list", *where)}
    assert listed["zoe"]["revoked"]
    assert "token" not in str(listed)
    kinds = assay_json(
        "audit",
        "query",
        "SELECT kind FROM events WHERE data->>'name' = 'zoe' ORDER BY seq",
        *where,
    )
    assert [row["kind"] for row in kinds] == [
        "principal.added",
        "principal.rotated",
        "principal.revoked",
    ]


def test_compile_without_a_state_directory(tmp_path: Path) -> None:
    status, report, _ = run(
        "compile",
        str(KERNELS / "rmsnorm_h4096/solutions/vectorized_cuda/kernel.cu"),
        "--target",
        "sm_100a",
        "--state",
        str(tmp_path / "none"),
        "--json",
    )
    assert status == 0
    assert report["ok"]
    assert report["targets"][0]["kernels"][0]["registers"] > 0
    broken = tmp_path / "k.cu"
    broken.write_text("__global__ void k() { x = 1; }\nvoid run() {}\n")
    status, report, _ = run("compile", str(broken), "--target", "sm_90a", "--json")
    assert status == 1
    assert report["targets"][0]["diagnostics"][0]["line"] == 1


def test_bench_gives_the_promised_document(prepared: Prepared) -> None:
    good = KERNELS / "silu_and_mul_d8192/solutions/in_place_torch.json"
    status, document, _ = run(
        "bench",
        str(good),
        "--problem",
        "silu_and_mul_d8192",
        "--workloads",
        "quick",
        "--device",
        "cpu",
        "--state",
        str(prepared.state),
        "--json",
    )
    assert status == 0
    assert document["passed"] is True
    assert {"official", "assay", "workloads"} <= set(document)
    for workload in document["workloads"]:
        assert workload["status"] == "PASSED"
        assert workload["latency_us"] > 0
        assert workload["baseline_us"] > 0
        assert workload["speedup"] > 0
    runs = assay_json("audit", "query", "SELECT run_id FROM runs", "--state", str(prepared.state))
    assert [row["run_id"] for row in runs] == [document["run_id"]]
    _a_run_can_be_shown(prepared, document["run_id"])


def _a_run_can_be_shown(prepared: Prepared, run_id: str) -> None:
    where = ("--state", str(prepared.state))
    raw = assay_json("run", "show", run_id, *where)
    assert len(raw["workloads"][0]["samples"]["candidate_us"]) >= 6
    picture = prepared.state.parent / "run.png"
    drawn = assay("run", "show", run_id, *where, "--plot", "--png", str(picture))
    assert drawn.returncode == 0, drawn.stderr
    assert "candidate │" in drawn.stdout
    assert "baseline │" in drawn.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")
    status, answer, _ = run("run", "show", "run_" + "0" * 32, *where, "--json")
    assert status == 1
    assert answer["error"]["code"] == "unknown_run"
    status, answer, _ = run("run", "show", "x' OR 1=1 --", *where, "--json")
    assert status == 1
    assert answer["error"]["code"] == "unknown_run"


def test_bench_rejects_with_a_reason(tmp_path: Path) -> None:
    wrong = KERNELS / "silu_and_mul_d8192/solutions/wrong_halves.json"
    status, document, _ = run(
        "bench",
        str(wrong),
        "--problem",
        "silu_and_mul_d8192",
        "--state",
        str(tmp_path / "none"),
        "--json",
    )
    assert status == 1
    assert document["passed"] is False
    assert all(w["reason"] and w["latency_us"] is None for w in document["workloads"])


def test_commands_beside_a_running_server(live: Live) -> None:
    where = ("--state", str(live.state))
    rows = assay_json("audit", "query", "SELECT count(*) AS n FROM events", *where)
    assert rows[0]["n"] > 0
    stored = assay_json("artifact", "add", str(report_file("bottlenecks")), *where)
    rows = assay_json(
        "audit", "query", "SELECT count(*) AS n FROM events WHERE kind = 'artifact.added'", *where
    )
    assert stored["artifact_id"].startswith("art_")
    assert rows[0]["n"] >= 1
    status, report, _ = run(
        "compile",
        str(KERNELS / "silu_and_mul_d8192/solutions/in_place_torch.json"),
        *where,
        "--json",
    )
    assert status == 0
    assert report["ok"]


def test_ncu_reads_a_real_report() -> None:
    document = assay_json("ncu", str(report_file("bottlenecks")))
    assert len(document["kernels"]) == 7
    for kernel in document["kernels"]:
        assert kernel["name"]
        assert kernel["duration_us"] > 0
        assert kernel["findings"]
    status, answer, _ = run("ncu", "art_" + "0" * 32, "--json")
    assert status == 1
    assert answer["error"]["code"] == "unknown_artifact"
    status, answer, _ = run("ncu", str(ROOT / "README.md"), "--json")
    assert status == 1
    assert answer["error"]["hint"]


def test_ncu_reads_a_stored_report(prepared: Prepared) -> None:
    where = ("--state", str(prepared.state))
    stored = assay_json("artifact", "add", str(report_file("bottlenecks")), *where)
    assert len(assay_json("ncu", stored["artifact_id"], *where)["kernels"]) == 7


def test_wiki_search_is_a_list(tmp_path: Path) -> None:
    found = assay_json(
        "wiki", "search", "tcgen05.mma", "-k", "3", "--state", str(tmp_path / "none")
    )
    assert found[0]["page_id"] == "hardware-tcgen05-mma"
    assert {"page_id", "path", "heading", "snippet", "score"} <= set(found[0])
    assert len(found) <= 3


def test_wiki_sources_are_added_built_and_removed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assay_json("init", "--state", str(state))
    where = ("--state", str(state))
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "one.md").write_text("# Quirks of wgmma\n\nthe frobnicator must be primed\n")
    assert assay_json("wiki", "add", "markdown", str(notes), *where)["name"] == "notes"
    assert [s["kind"] for s in assay_json("wiki", "list", *where)] == ["markdown"]
    built = assay_json("wiki", "build", *where)
    assert (built["changed"], built["removed"]) == (1, 0)
    (found,) = assay_json("wiki", "search", "frobnicator", "--type", "note", *where)
    assert found["page_id"] == "notes/one"
    assert assay_json("wiki", "stats", *where)["by_type"]["note"] == 1
    earlier = assay_json("wiki", "rollback", *where)
    assert earlier["version"] != built["version"]
    assert assay_json("wiki", "search", "frobnicator", "--type", "note", *where) == []
    assay_json("wiki", "remove", "notes", *where)
    assert assay_json("wiki", "build", *where)["removed"] == 1
    answer = assay_json("wiki", "search", "last wave idle SMs", "--expand", *where)
    assert answer["trails"][0]["pattern"]["page_id"] == "pattern-tail-effect"
    status, refused, _ = run("wiki", "add", "package", "no-such-package-anywhere", *where, "--json")
    assert status == 1
    assert refused["error"]["code"] == "missing_source"


def test_problems_can_be_listed_shown_and_added(prepared: Prepared, tmp_path: Path) -> None:
    where = ("--state", str(prepared.state))
    names = {row["problem"] for row in assay_json("problem", "list", *where)}
    assert len(names) >= 3
    shown = assay_json("problem", "show", "rmsnorm_h4096", *where)
    assert len(shown["problem_sha256"]) == 64
    assert {"definition", "workloads", "baseline", "settings"} <= set(shown["pins"])
    status, answer, _ = run("problem", "show", "nope", *where, "--json")
    assert status == 1
    assert "rmsnorm_h4096" in answer["error"]["hint"]
    # A trace set made of a shipped problem, under another name: pinned with its hashes.
    source = KERNELS / "rmsnorm_h4096"
    root = tmp_path / "set"
    definition = json.loads((source / "definition.json").read_text()) | {"name": "rms_copy"}
    lines = [json.loads(x) for x in (source / "workloads.jsonl").read_text().splitlines()]
    solution = json.loads((source / "baseline.json").read_text()) | {"definition": "rms_copy"}
    for path, text in (
        ("definitions/rmsnorm/rms_copy.json", json.dumps(definition)),
        (
            "workloads/rmsnorm/rms_copy.jsonl",
            "\n".join(json.dumps(line | {"definition": "rms_copy"}) for line in lines),
        ),
        ("solutions/x/base.json", json.dumps(solution)),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    added = assay_json(
        "problem",
        "add",
        str(root),
        "--definition",
        "rms_copy",
        "--baseline",
        solution["name"],
        *where,
    )
    assert added["problem"] == "rms_copy"
    assert added["pins"]
    # The same name with other content is refused.
    path = root / "definitions/rmsnorm/rms_copy.json"
    path.write_text(json.dumps(definition | {"description": "changed"}))
    status, answer, _ = run(
        "problem",
        "add",
        str(root),
        "--definition",
        "rms_copy",
        "--baseline",
        solution["name"],
        *where,
        "--json",
    )
    assert status == 1
    assert answer["error"]["code"] == "problem_exists"


def test_audit_verify_against_a_head_kept_elsewhere(prepared: Prepared, tmp_path: Path) -> None:
    where = ("--state", str(prepared.state))
    head = tmp_path / "head.txt"
    head.write_text(assay("audit", "head", *where).stdout)
    report = assay_json("audit", "verify", "--head", str(head), *where)
    assert report["ok"]
    segment = next((prepared.state / "ledger" / "live").glob("*.jsonl"))
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.chmod(0o600)
    segment.write_bytes(b"".join(lines[:-2]))
    status, report, _ = run("audit", "verify", "--head", str(head), *where, "--json")
    assert status == 1
    assert not report["ok"]
    assert report["problems"]


def test_audit_query_formats(prepared: Prepared) -> None:
    where = ("--state", str(prepared.state))
    done = assay(
        "audit", "query", "SELECT kind, count(*) AS n FROM events GROUP BY ALL", "--csv", *where
    )
    assert done.stdout.splitlines()[0] == "kind,n"
    status, answer, _ = run("audit", "query", "DROP VIEW events", *where, "--json")
    assert status == 1
    assert answer["error"]["code"] == "sql_not_select"


def test_doctor_looks_at_everything(prepared: Prepared) -> None:
    document = assay_json("doctor", "--state", str(prepared.state))
    checks = {check["name"]: check for check in document["checks"]}
    assert document["ok"]
    assert checks["sandbox"]["ok"]
    assert {"GPU", "nvcc", "ncu capture", "state directory", "bubblewrap"} <= set(checks)


def test_doctor_looks_at_the_sandbox_before_there_is_a_state_directory(tmp_path: Path) -> None:
    document = assay_json("doctor", "--state", str(tmp_path / "none"))
    checks = {check["name"]: check for check in document["checks"]}
    assert checks["sandbox"]["ok"], checks["sandbox"]
    assert not checks["state directory"]["ok"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("client", ["claude", "codex"])
@pytest.mark.parametrize("stdio", [False, True])
def test_client_configuration_never_holds_a_token(
    prepared: Prepared, client: str, stdio: bool
) -> None:
    arguments = ["client-config", client, "--as", "wanda", "--state", str(prepared.state)]
    done = assay(*arguments, *(["--stdio"] if stdio else []))
    assert done.returncode == 0, done.stderr
    assert "ASSAY_TOKEN" in done.stdout
    assert prepared.tokens["wanda"] not in done.stdout
    if client == "claude":
        assert "kernel-assay" in json.loads(done.stdout)["mcpServers"]
    else:
        import tomllib

        assert "kernel-assay" in tomllib.loads(done.stdout)["mcp_servers"]
    assert assay(
        "client-config", client, "--as", "nobody", "--state", str(prepared.state)
    ).returncode


def test_every_command_is_in_the_help() -> None:
    done = assay("--help")
    for name in (
        "init",
        "serve",
        "connect",
        "compile",
        "bench",
        "ncu",
        "doctor",
        "demo",
        "audit",
        "run",
    ):
        assert name in done.stdout
    assert app.info.help


def test_a_missing_state_directory_is_explained(tmp_path: Path) -> None:
    status, answer, _ = run("audit", "verify", "--state", str(tmp_path / "none"), "--json")
    assert status == 1
    assert answer["error"]["code"] == "not_initialised"
    assert "assay init" in answer["error"]["hint"]


def test_a_readable_state_directory_is_refused(prepared: Prepared) -> None:
    prepared.state.chmod(0o755)
    status, answer, _ = run("principal", "list", "--state", str(prepared.state), "--json")
    assert status == 1
    assert answer["error"]["code"] == "state_permissions"
