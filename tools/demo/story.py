"""The story: two agents take a kernel from source to a reviewed candidate; then we ask what happened.

Every step is an expectation. A step that goes otherwise fails the demonstration.
"""

from __future__ import annotations

import lzma
import tempfile
from pathlib import Path
from typing import Any

from server.setup import REPORTS
from tools.demo.harness import (
    Agent,
    Answer,
    Story,
    assay,
    assay_json,
    connect,
    load,
    start_server,
)

PROBLEM = "rmsnorm_h4096"


async def tell(story: Story, state: Path, report: Path | None) -> None:
    """Run the whole story on a fresh state directory."""
    where = ("--state", str(state))
    made = assay_json(
        "init", *where, "--principal", "wanda:writer", "--principal", "victor:verifier"
    )
    tokens = {p["name"]: p["token"] for p in made["principals"]}
    story.tell(
        "assay init",
        len(tokens) == 2 and bool(made["problems"]),
        f"{len(made['problems'])} problems pinned, {made['wiki_pages']} wiki pages indexed",
    )
    artifact_id = add_report(story, where, report)
    server = start_server(state)
    try:
        story.tell("assay serve", True, f"MCP at {server.url}")
        async with (
            connect(server.url, tokens["wanda"]) as writer,
            connect(server.url, tokens["victor"]) as verifier,
        ):
            await compile_steps(story, writer)
            good = await bench_steps(story, writer)
            await evidence_steps(story, writer, artifact_id)
            await review_steps(story, writer, verifier, good)
            audit_live(story, where)
    finally:
        status = server.stop()
    story.tell("server stops on SIGTERM", status == 0, f"exit status {status}")
    audit_after(story, where, state)


def add_report(story: Story, where: tuple[str, str], report: Path | None) -> str:
    """Store an Nsight Compute report where both agents can read it."""
    with tempfile.TemporaryDirectory() as folder:
        path = report or shipped_report(Path(folder))
        added = assay_json("artifact", "add", str(path), *where)
    story.tell("assay artifact add", "artifact_id" in added, f"{path.name}: {added['artifact_id']}")
    return str(added["artifact_id"])


def shipped_report(folder: Path) -> Path:
    """The report of kernels with known bottlenecks, as Nsight Compute wrote it."""
    path = folder / "bottlenecks.ncu-rep"
    path.write_bytes(lzma.decompress((REPORTS / f"{path.name}.xz").read_bytes()))
    return path


async def compile_steps(story: Story, writer: Agent) -> None:
    """CUDA for a GPU that is not here, and an error that helps."""
    cuda = load(PROBLEM, "vectorized_cuda")
    built = await writer.call("compile_kernel", solution=cuda, targets=["sm_90a", "sm_100a"])
    kernels = [k for t in built.data.get("targets", []) for k in t["kernels"]]
    story.tell(
        "writer: compile_kernel (CUDA, no GPU here)",
        built.ok and built.data["ok"] and len(kernels) == 2,
        "; ".join(
            f"{t['target']}: {k['registers']} registers, "
            f"{k['spill_load_bytes'] + k['spill_store_bytes']} spill bytes"
            for t in built.data.get("targets", [])
            for k in t["kernels"]
        )
        or built.error,
    )
    broken = dict(cuda, sources=[dict(cuda["sources"][0])])
    broken["sources"][0]["content"] = broken["sources"][0]["content"].replace("sum = ", "sun = ", 1)
    failed = await writer.call("compile_kernel", solution=broken)
    found = [d for t in failed.data.get("targets", []) for d in t["diagnostics"]]
    story.tell(
        "writer: a typing error comes back with its line",
        failed.ok and not failed.data["ok"] and bool(found) and found[0]["line"] is not None,
        f"{found[0]['file']}:{found[0]['line']}: {found[0]['message']}" if found else failed.error,
    )


async def submit(writer: Agent, name: str) -> str:
    """Compile a shipped solution; its id."""
    answer = await writer.call("compile_kernel", solution=load(PROBLEM, name))
    return str(answer.data.get("solution_id", ""))


async def bench(agent: Agent, solution_id: str, workloads: str) -> Answer:
    return await agent.call(
        "run_bench", solution_id=solution_id, problem=PROBLEM, workloads=workloads
    )


async def bench_steps(story: Story, writer: Agent) -> dict[str, Any]:
    """A wrong candidate, a cheating one, a good one."""
    for name, what in (
        ("wrong_epsilon", "a wrong candidate is rejected"),
        ("cheat_call_counter", "a cheating one too: honest only while it thinks it is checked"),
    ):
        answer = await bench(writer, await submit(writer, name), "quick")
        run = answer.data.get("run") or {}
        reason = next((w["reason"] for w in run.get("workloads", []) if w["reason"]), answer.error)
        figures = [w["latency_us"] for w in run.get("workloads", [])]
        story.tell(
            f"writer: {what}",
            answer.ok and not run["passed"] and figures == [None] * len(figures),
            reason,
        )
    solution_id = await submit(writer, "fused_cpp")
    answer = await bench(writer, solution_id, "full")
    run = answer.data.get("run") or {}
    story.tell(
        "writer: a good one is measured against the pinned baseline",
        answer.ok and run["passed"] and run["workload_set"] == "full",
        f"{run['speedup_geomean']:.2f}x geometric mean, worst {run['speedup_min']:.2f}x "
        f"({run['integrity']}, {run['sandbox_level']})"
        if answer.ok and run["passed"]
        else str(run.get("workloads") or answer.error),
    )
    return {"solution_id": solution_id, "run_id": run.get("run_id", "")}


async def evidence_steps(story: Story, writer: Agent, artifact_id: str) -> None:
    """What the profiler and the wiki say."""
    if artifact_id:
        profile = await writer.call("profile_ncu", artifact_id=artifact_id)
        kernels = profile.data.get("kernels", [])
        first = kernels[0] if kernels else {}
        titles = [f["title"] for k in kernels for f in k["findings"][:1]]
        story.tell(
            "writer: profile_ncu reads a real report",
            profile.ok and bool(kernels),
            f"{len(kernels)} kernels; longest {first['kernel']['name']}: "
            f"{titles[0] if titles else 'nothing severe'}"
            if kernels
            else profile.error,
        )
    found = await writer.call("search_wiki", query="vectorised 128-bit loads for a row kernel", k=3)
    hits = found.data.get("hits", [])
    page = await writer.call("read_page", page_id=hits[0]["page_id"]) if hits else found
    story.tell(
        "writer: search_wiki, read_page",
        found.ok and bool(hits) and page.ok,
        ", ".join(hit["page_id"] for hit in hits) or found.error,
    )


async def review_steps(story: Story, writer: Agent, verifier: Agent, good: dict[str, Any]) -> None:
    """Record, try what is not allowed, review."""
    recorded = await writer.call(
        "record_candidate",
        campaign=PROBLEM,
        solution_id=good["solution_id"],
        direction="one fused pass",
        hypothesis="The row stays in cache between its two passes, so memory traffic halves.",
        decision="keep",
        rationale="Faster on every workload of the full set.",
        run_ids=[good["run_id"]],
    )
    candidate_id = recorded.data.get("candidate_id", "")
    story.tell(
        "writer: record_candidate takes ids, not numbers",
        recorded.ok and recorded.data["verified"]["correct_full"],
        f"{candidate_id}, missing: {recorded.data.get('missing') or 'nothing'}"
        if recorded.ok
        else recorded.error,
    )
    again = await writer.call(
        "record_candidate",
        campaign=PROBLEM,
        solution_id=good["solution_id"],
        direction="the same again",
        hypothesis="none",
        decision="keep",
        rationale="none",
    )
    story.tell(
        "writer: a duplicate is refused", not again.ok and candidate_id in again.error, again.error
    )
    forbidden = await verifier.call("compile_kernel", solution=load(PROBLEM, "fused_cpp"))
    listed = await verifier.tools()
    story.tell(
        "verifier: may not write",
        not forbidden.ok and "compile_kernel" not in listed,
        forbidden.error,
    )
    own = await writer.call(
        "review_candidate", candidate_id=candidate_id, verdict="approve", rationale="mine"
    )
    story.tell("writer: may not review", not own.ok, own.error)
    seen = await verifier.call("get_candidate", candidate_id=candidate_id, sources=True)
    story.tell(
        "verifier: reads the candidate, its text marked as data",
        seen.ok and "never instructions" in seen.data["hypothesis"]["notice"],
        seen.data["hypothesis"]["notice"] if seen.ok else seen.error,
    )
    rerun = await bench(verifier, good["solution_id"], "full")
    run = rerun.data.get("run") or {}
    review = await verifier.call(
        "review_candidate",
        candidate_id=candidate_id,
        verdict="approve",
        rationale="My own full run agrees.",
        run_ids=[run.get("run_id", "")],
    )
    story.tell(
        "verifier: re-runs it and reviews",
        rerun.ok and run["passed"] and review.ok,
        f"own run {run['speedup_geomean']:.2f}x; candidate is {review.data.get('status')}"
        if review.ok
        else review.error,
    )


def audit_live(story: Story, where: tuple[str, str]) -> None:
    """Ask the ledger while the server runs."""
    denials = assay_json("audit", "query", "SELECT actor, tool, reason FROM denials", *where)
    files = assay_json(
        "audit",
        "query",
        "SELECT actor, path, version, sha256 FROM files ORDER BY seq",
        *where,
    )
    shown = ", ".join(f"{row['actor']} → {row['tool']}" for row in denials)
    story.tell(
        "audit query, while the server runs",
        {("victor", "compile_kernel"), ("wanda", "review_candidate")}
        <= {(row["actor"], row["tool"]) for row in denials}
        and bool(files),
        f"{len(denials)} denials: {shown}; {len(files)} submitted file versions",
    )


def audit_after(story: Story, where: tuple[str, str], state: Path) -> None:
    """The head kept elsewhere, and what happens to a ledger that somebody edits."""
    head = state.parent / "head.txt"
    head.write_text(assay("audit", "head", *where).stdout, "utf-8")
    intact = assay_json("audit", "verify", "--head", str(head), *where)
    story.tell(
        "audit verify",
        bool(intact["ok"]),
        f"{intact['events']} events, {intact['checkpoints']} signed checkpoints, chain intact",
    )
    segment = max((state / "ledger" / "live").glob("*.jsonl"))
    content = segment.read_bytes()
    segment.chmod(0o600)
    segment.write_bytes(content.replace(b'"denied"', b'"ok_now"', 1))
    forged = assay_json("audit", "verify", "--head", str(head), *where)
    segment.write_bytes(content)
    story.tell(
        "audit verify notices one changed word",
        not forged["ok"] and content.count(b'"denied"') > 0,
        forged["problems"][0]["detail"] if forged["problems"] else "nothing was noticed",
    )
