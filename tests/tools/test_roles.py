"""Who may do what, tried over MCP on a real server by each role."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from server.principals import Principals, Role
from tests.conftest import Live
from tools.demo.harness import Answer, connect, load
from tools.registry import TOOLS, role_table

NAMES = {"wanda": Role.WRITER, "victor": Role.VERIFIER, "ada": Role.AUDITOR}
PROBLEM = "silu_and_mul_d8192"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "compile_kernel": {"solution": load(PROBLEM, "in_place_torch")},
    "run_bench": {"solution_id": "sol_" + "0" * 32, "problem": PROBLEM},
    "profile_ncu": {"artifact_id": "art_" + "0" * 32},
    "search_wiki": {"query": "tcgen05.mma"},
    "read_page": {"page_id": "hardware-tma"},
    "record_candidate": {
        "campaign": PROBLEM,
        "solution_id": "sol_" + "0" * 32,
        "direction": "d",
        "hypothesis": "h",
        "decision": "keep",
        "rationale": "r",
    },
    "review_candidate": {"candidate_id": "cand_0", "verdict": "reject", "rationale": "r"},
    "get_campaign": {},
    "get_candidate": {"candidate_id": "cand_0"},
    "get_run": {"run_id": "run_0"},
    "get_artifact": {"artifact_id": "art_" + "0" * 32},
    "job_status": {"job_id": "job_0", "wait_s": 0},
    "query_audit": {"sql": "SELECT 1"},
}


def ask(live: Live, name: str, tool: str, **arguments: Any) -> Answer:
    """One call by one principal."""

    async def run() -> Answer:
        async with connect(live.url, live.tokens[name]) as agent:
            return await agent.call(tool, **arguments)

    return asyncio.run(run())


def test_every_tool_has_arguments_here() -> None:
    assert set(ARGUMENTS) == {tool.name for tool in TOOLS}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_tools_list_shows_what_the_role_may_call(live: Live, name: str) -> None:
    async def run() -> list[str]:
        async with connect(live.url, live.tokens[name]) as agent:
            return await agent.tools()

    allowed = {tool for tool, roles in role_table().items() if NAMES[name] in roles}
    assert set(asyncio.run(run())) == allowed


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_call_is_decided_by_the_role(live: Live, name: str) -> None:
    async def run() -> dict[str, Answer]:
        async with connect(live.url, live.tokens[name]) as agent:
            return {tool: await agent.call(tool, **args) for tool, args in ARGUMENTS.items()}

    for tool, answer in asyncio.run(run()).items():
        denied = not answer.ok and (str(NAMES[name]) in answer.error or "role" in answer.error)
        if NAMES[name] in role_table()[tool]:
            assert answer.ok or "unknown" in str(answer.data) or "There is no" in answer.error, tool
        else:
            assert denied, (tool, answer)


@pytest.mark.parametrize("argument", ["role", "principal", "as", "latency_us", "speedup", "passed"])
def test_a_forged_argument_is_refused(live: Live, argument: str) -> None:
    answer = ask(
        live, "wanda", "record_candidate", **ARGUMENTS["record_candidate"], **{argument: "verifier"}
    )
    assert not answer.ok
    assert argument in str(answer.data)


def test_no_tool_takes_a_figure_or_a_role() -> None:
    forbidden = {"latency", "latency_us", "speedup", "passed", "verdict_by", "tolerance", "rtol"}
    forbidden |= {"atol", "role", "principal", "baseline", "seed", "token"}
    for tool in TOOLS:
        assert not forbidden & set(tool.input_model.model_fields), tool.name


def test_anothers_job_and_artifact_look_like_none(live: Live) -> None:
    built = ask(live, "wanda", "compile_kernel", solution=load("rmsnorm_h4096", "vectorized_cuda"))
    assert built.ok, built.error
    artifact_id = built.data["artifacts"][0]["artifact_id"]
    assert ask(live, "wanda", "get_artifact", artifact_id=artifact_id).ok
    for stranger in ("walt", "victor"):
        theirs = ask(live, stranger, "get_artifact", artifact_id=artifact_id)
        none = ask(live, stranger, "get_artifact", artifact_id="art_" + "f" * 32)
        assert not theirs.ok
        assert theirs.error.replace(artifact_id, "X") == none.error.replace("art_" + "f" * 32, "X")
    solution_id = built.data["solution_id"]
    for stranger in ("walt", "victor"):
        bench = ask(live, stranger, "run_bench", solution_id=solution_id, problem="rmsnorm_h4096")
        assert not bench.ok
        assert "There is no solution" in bench.error
    jobs = ask(
        live,
        "ada",
        "query_audit",
        sql="SELECT data->>'job_id' AS j FROM events WHERE kind='job.queued' AND actor='wanda' "
        "ORDER BY seq DESC",
    )
    job_id = jobs.data["rows"][0][0]
    assert ask(live, "wanda", "job_status", job_id=job_id, wait_s=0).ok
    stolen = ask(live, "walt", "job_status", job_id=job_id, wait_s=0)
    assert not stolen.ok
    assert "There is no job" in stolen.error


def post(live: Live, headers: dict[str, str], query: str = "") -> httpx2.Response:
    """A raw request to the endpoint."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "0"},
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    return httpx2.post(live.url + query, json=body, headers={**accept, **headers})


def test_tokens_must_be_real_and_in_the_header(live: Live) -> None:
    token = live.tokens["wanda"]
    assert post(live, {"Authorization": f"Bearer {token}"}).status_code == 200
    assert post(live, {}).status_code == 401
    assert post(live, {"Authorization": "Bearer assay_" + "A" * 43}).status_code == 401
    assert post(live, {"Authorization": f"Bearer {token[:-1]}"}).status_code == 401
    assert post(live, {}, f"?token={token}").status_code == 401
    assert post(live, {}, f"?access_token={token}").status_code == 401


def test_a_revoked_token_stops_at_once_and_the_change_is_recorded(live: Live) -> None:
    principals = Principals(live.state / "principals.json")
    record, token = principals.add(f"temp{len(principals.list())}", Role.WRITER)

    async def run() -> tuple[Answer, Answer | None]:
        async with connect(live.url, token) as agent:
            before = await agent.call("get_campaign")
            principals.revoke(record.name)
            try:
                after = await agent.call("get_campaign")
            except Exception:
                after = None
            return before, after

    try:
        before, after = asyncio.run(run())
    except BaseExceptionGroup:
        before, after = Answer(True, {}), None
    assert before.ok
    assert after is None or not after.ok
    assert post(live, {"Authorization": f"Bearer {token}"}).status_code == 401
    changes = ask(
        live,
        "ada",
        "query_audit",
        sql=f"SELECT kind FROM events WHERE data->>'name' = '{record.name}' ORDER BY seq",
    )
    assert ["principal.revoked"] in changes.data["rows"]


def test_no_token_is_ever_written_down(live: Live) -> None:
    post(live, {}, f"?token={live.tokens['wanda']}")
    ask(live, "wanda", "search_wiki", query=f"my token is {live.tokens['wanda']}")
    for path in live.state.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for token in live.tokens.values():
                assert token.encode() not in content, path


def test_denials_are_in_the_ledger(live: Live) -> None:
    ask(live, "victor", "compile_kernel", **ARGUMENTS["compile_kernel"])
    rows = ask(
        live,
        "ada",
        "query_audit",
        sql="SELECT count(*) FROM denials WHERE actor='victor' AND tool='compile_kernel'",
    ).data["rows"]
    assert rows[0][0] >= 1
