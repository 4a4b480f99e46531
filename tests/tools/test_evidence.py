"""Evidence over MCP: what the compiler and the profiler know, asked for by an agent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.operator import add_artifact
from server.settings import Settings
from tests.conftest import Live
from tests.reports import report_file
from tests.tools.test_loop import Party, play, refused
from tools.demo.harness import Agent, load

CUDA = """
extern "C" __global__ void copy(const float* __restrict__ from, float* to, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    to[i] = from[i];
}
"""


def report(live: Live, name: str = "bottlenecks") -> str:
    return add_artifact(Settings(state=live.state), report_file(name)).artifact_id


async def profiled(agent: Agent, artifact_id: str, **more: Any) -> dict[str, Any]:
    answer = await agent.call("profile_ncu", artifact_id=artifact_id, **more)
    assert answer.ok, answer.error
    return dict(answer.data)


def cuda(source: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "definition": "copies",
        "spec": {"language": "cuda", "entry_point": "k.cu::run"},
        "sources": [{"path": "k.cu", "content": source}],
    }


def test_a_compile_report_reads_the_machine_code_and_compares(live: Live) -> None:
    async def scene(party: Party) -> None:
        narrow, wide = cuda(CUDA, "narrow"), cuda(CUDA.replace("float*", "float4*"), "wide")
        first = await party.writer.call("compile_kernel", solution=narrow, targets=["sm_100a"])
        assert first.ok, first.error
        (kernel,) = first.data["targets"][0]["kernels"]
        assert kernel["global_loads"] == {"32": 1}
        assert [hint["id"] for hint in kernel["hints"]] == ["narrow-loads"]
        second = await party.writer.call(
            "compile_kernel",
            solution=wide,
            targets=["sm_100a"],
            compare_to=first.data["solution_id"],
        )
        assert second.ok, second.error
        (comparison,) = second.data["comparison"]
        changes = {c["what"]: (c["before"], c["after"]) for c in comparison["changes"]}
        assert changes["loads"] == ("1 of 32 bits", "1 of 128 bits")
        sass = next(a for a in second.data["artifacts"] if a["kind"] == "sass")
        text = await party.writer.call("get_artifact", artifact_id=sass["artifact_id"])
        assert "LDG.E.128" in json.dumps(text.data)
        # Another's solution is none of one's business before it was recorded.
        refused(
            await party.rival.call(
                "compile_kernel",
                solution=wide,
                targets=["sm_100a"],
                compare_to=first.data["solution_id"],
            ),
            "There is no solution",
        )

    play(live, scene)


@pytest.mark.timeout(120)
def test_triton_is_compiled_for_the_problem(live: Live) -> None:
    async def scene(party: Party) -> None:
        answer = await party.writer.call(
            "compile_kernel", solution=load("rmsnorm_h4096", "triton_rows"), targets=["sm_100a"]
        )
        assert answer.ok, answer.error
        (target,) = answer.data["targets"]
        assert [kernel["name"] for kernel in target["kernels"]] == ["rmsnorm_row"]
        assert "rmsnorm_h4096" in target["note"]

    play(live, scene)


def test_a_profile_is_short_and_can_be_asked_on(live: Live) -> None:
    artifact_id = report(live)

    async def scene(party: Party) -> None:
        whole = await party.writer.call("profile_ncu", artifact_id=artifact_id)
        assert len(whole.text.encode()) <= 4_000
        assert len(json.dumps(whole.data)) < 16_000
        shares = [item["share_pct"] for item in whole.data["overview"]]
        assert len(shares) == 7
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(100)
        assert len(whole.data["kernels"]) == 3
        assert all(not item["kernel"]["metrics"] for item in whole.data["kernels"])
        one = await profiled(party.writer, artifact_id, kernel="chase", section="rules")
        (item,) = one["kernels"]
        assert any(len(rule["message"]) > 120 for rule in item["kernel"]["rules"])
        asked = await profiled(party.writer, artifact_id, kernel="chase", metric="lts__t_sectors")
        metrics = asked["kernels"][0]["kernel"]["metrics"]
        assert len(metrics) > 10
        assert all("lts__t_sectors" in name for name in metrics)

    play(live, scene)


def test_profiles_are_compared(live: Live) -> None:
    artifact_id, poor = report(live), report(live, "metrics_only")

    async def scene(party: Party) -> None:
        same = await profiled(
            party.writer,
            artifact_id,
            kernel="scatter",
            compare_to=artifact_id,
            expect_gone="uncoalesced-stores",
        )
        assert same["comparison"]["hypothesis"] == "refuted"
        assert same["comparison"]["deltas"] == []
        less = await profiled(party.writer, poor, compare_to=artifact_id)
        assert less["comparison"]["findings_gone"] == []

    play(live, scene)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({}, "exactly one"),
        ({"kernel": "nothing"}, "scatter_rows"),
        ({"section": "everything"}, "section"),
        ({"metric": "x"}, "metric"),
        ({"expect_gone": "barrier"}, "compare_to"),
        ({"compare_to": "art_" + "0" * 32}, "no artifact"),
    ],
)
def test_bad_questions_say_what_to_do(live: Live, arguments: dict[str, Any], word: str) -> None:
    artifact_id = report(live)

    async def scene(party: Party) -> None:
        given = {"artifact_id": artifact_id, **arguments} if arguments else {}
        refused(await party.writer.call("profile_ncu", **given), word)

    play(live, scene)
