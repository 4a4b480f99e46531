"""Whole runs through the real judge, with honest solutions and broken conditions."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import AssayError
from sandbox.judge import client as judge_client
from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob
from sandbox.leases import lease
from sandbox.problem import Problem, load_problem
from sandbox.process import run_times
from sandbox.processors import PROCESSORS, for_runners
from tests.judging import HONEST, Bench, solution, write_problem


def job_of(
    problem: Problem,
    source: str = HONEST,
    device: str = "cpu",
    timeout_s: float = 60,
    *,
    quick: bool = True,
) -> BenchJob:
    """A run of its first workload."""
    return BenchJob(
        problem_path=problem.root,
        problem_sha256=problem.sha256,
        solution=solution(source),
        workload_uuids=("r8",),
        device=device,
        quick=quick,
        timeout_s=timeout_s,
    )


def test_the_baseline_against_itself_is_about_one(bench: Bench) -> None:
    result = bench(HONEST, workloads=("r8", "r64"))
    assert result.passed, result.workloads
    assert (result.official, result.assay, result.integrity) == ("PASSED", "PASSED", "certified")
    assert result.speedup_geomean is not None
    assert 0.4 < result.speedup_geomean < 2.5
    for workload in result.workloads:
        assert workload.samples is not None
        assert workload.verified_calls >= len(workload.samples.candidate_us)
        assert workload.latency_us is not None
        assert workload.latency_us > 1.0


def test_a_slower_solution_is_seen_to_be_slower(bench: Bench) -> None:
    slow = HONEST + "_run = run\ndef run(x, w, y):\n    for _ in range(20): _run(x, w, y)\n"
    result = bench(slow, workloads=("r64",))
    assert result.passed
    assert not result.faster
    assert result.speedup_geomean is not None
    assert result.speedup_geomean < 0.7


def test_value_returning_solutions_work(bench: Bench) -> None:
    source = HONEST.replace("y.copy_(", "return (").replace("run(x, w, y)", "run(x, w)")
    assert bench(source, in_place=False).passed


@pytest.mark.parametrize(
    ("returned", "status"),
    [
        ("return x[:, :4]", "INCORRECT_SHAPE"),
        ("return x.half()", "INCORRECT_DTYPE"),
        ("return x, x", "INCORRECT_SHAPE"),
        ("return None", "RUNTIME_ERROR"),
    ],
)
def test_returned_values_must_fit(bench: Bench, returned: str, status: str) -> None:
    result = bench(f"def run(x, w):\n    {returned}\n", in_place=False)
    assert not result.passed
    assert result.workloads[0].status == status
    assert result.workloads[0].latency_us is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_like_this\n", "nothing_like_this"),
        ("def run(x, w, y):\n    raise ValueError('boo')\n", "boo (at main.py:2)"),
        ("def run(x):\n    pass\n", "TypeError"),
        ("import os\ndef run(x, w, y):\n    os.abort()\n", "ended"),
    ],
)
def test_failures_are_described(bench: Bench, source: str, words: str) -> None:
    (workload,) = bench(source).workloads
    assert workload.status == "RUNTIME_ERROR"
    assert words in str(workload.reason)


def test_one_failing_workload_leaves_the_others(bench: Bench) -> None:
    source = HONEST + "_run = run\ndef run(x, w, y):\n    assert len(x) < 60\n    _run(x, w, y)\n"
    result = bench(source, workloads=("r8", "r64"))
    assert [w.status for w in result.workloads] == ["PASSED", "RUNTIME_ERROR"]
    assert not result.passed
    assert result.speedup_geomean is None


def test_a_hang_ends_with_the_time_limit_and_keeps_nobody_from_the_processor(
    judge: JudgeClient, problem: Problem
) -> None:
    judge.bench(job_of(problem))  # it is started
    assert judge._process is not None
    before_ns = used_ns(judge._process.pid)
    hangs = "import time\ndef run(x, w, y):\n    time.sleep(99)\n"
    assert judge.bench(job_of(problem, hangs, timeout_s=5)).workloads[0].status == "TIMEOUT"
    assert used_ns(judge._process.pid) - before_ns < 2.5e9


def used_ns(pid: int) -> int:
    """Processor time of a process's threads."""
    return sum(ran.used_ns for ran in run_times({pid}).values())


def test_a_changed_problem_is_refused(judge: JudgeClient, problem: Problem, tmp_path: Path) -> None:
    other = write_problem(tmp_path / "p", relative_l2=1e-3)
    job = BenchJob(
        problem_path=other.root,
        problem_sha256=problem.sha256,
        solution=solution(HONEST),
        workload_uuids=("r8",),
    )
    with pytest.raises(AssayError, match="not the one that was pinned"):
        judge.bench(job)


def test_a_broken_baseline_is_nobodys_fault(bench: Bench, tmp_path: Path) -> None:
    broken = write_problem(tmp_path / "p")
    (broken.root / "baseline.json").write_text(
        solution("def run(x, w, y): pass\n", name="base").model_dump_json()
    )
    from sandbox.problem import load_problem

    with pytest.raises(AssayError, match="baseline"):
        bench(HONEST, on=load_problem(broken.root))


def test_a_gpu_is_refused_clearly(judge: JudgeClient, problem: Problem) -> None:
    with pytest.raises(AssayError) as caught:
        judge.bench(job_of(problem, device="cuda:0"))
    assert caught.value.code == "device_unavailable"


def test_the_judge_survives_being_killed(tmp_path: Path, problem: Problem) -> None:
    client = JudgeClient(tmp_path)
    job = job_of(problem)
    try:
        assert client.bench(job).passed
        assert client._process is not None
        client._process.kill()
        client._process.wait()
        assert client.bench(job).passed
    finally:
        client.close()


def test_a_run_keeps_its_own_limit(judge: JudgeClient, problem: Problem) -> None:
    """Not each of its exchanges: then the judge would be given up, and started anew."""
    from tests.adversarial.attacks import answers_late

    result = judge.bench(job_of(problem, answers_late.SOURCE, timeout_s=5))
    assert result.workloads[0].status == "TIMEOUT"
    assert result.wall_s < 7


def test_no_runner_is_left_when_a_run_breaks_off(tmp_path: Path) -> None:
    """A baseline that fails ends the run, not only the workload; its process must not stay."""
    from sandbox.box import open_sandbox
    from sandbox.judge.evaluate import evaluate
    from sandbox.judge.pool import SIZE, Pool
    from sandbox.warm import Zygote

    root = write_problem(tmp_path / "p").root
    broken = solution("raise ValueError\n", name="base")
    (root / "baseline.json").write_text(broken.model_dump_json())
    job = job_of(load_problem(root))
    pool = Pool(Zygote(open_sandbox(tmp_path / "work")))
    try:
        with pytest.raises(AssayError, match="baseline itself failed"):
            evaluate(job, pool, lambda *_: None)
        pool.fill()
        assert pool.processes == SIZE
    finally:
        pool.close()


def test_who_waits_for_the_processor_says_so_and_is_not_given_up(
    tmp_path: Path, problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server measures for two seconds, this job takes as long: more than a job may go without a sign
    of life."""
    monkeypatch.setattr(judge_client, "GRACE_S", 0.0)
    client = JudgeClient(tmp_path)
    said: list[str] = []
    name = f"cpu-{for_runners(PROCESSORS)[-1]}"
    slow = f"import time\ntime.sleep(2)\n{HONEST}"
    try:
        assert client.bench(job_of(problem, timeout_s=60)).passed  # it is started
        with contextlib.ExitStack() as held:
            held.enter_context(lease(name, "It", 30.0))

            def progress(_: float, doing: str) -> None:
                said.append(doing)
                if len(said) == 2:
                    held.close()

            assert client.bench(job_of(problem, slow, timeout_s=3), progress).passed
        assert "which another measurement has" in said[0]
    finally:
        client.close()


HOG = f"""
import os, sys
from sandbox.processors import prefer
os.sched_setaffinity(0, [{for_runners(PROCESSORS)[-1]}])
if sys.argv[1] == "preferred":
    prefer(os.getpid())
while True:
    pass
"""


@contextlib.contextmanager
def beside_a_hog(kind: str) -> Iterator[None]:
    """While somebody else, in another session, never stops working on the runners' processor."""
    with subprocess.Popen(
        [sys.executable, "-c", HOG, kind], cwd=Path(__file__).parents[2], start_new_session=True
    ) as process:
        try:
            yield
        finally:
            process.kill()


def test_others_who_are_preferred_as_well_prove_nothing_and_are_named(
    judge: JudgeClient, problem: Problem
) -> None:
    with beside_a_hog("preferred"):
        result = judge.bench(job_of(problem, quick=False))
    (workload,) = result.workloads
    assert workload.samples is not None and workload.samples.waited > 0.1
    assert any("Others had a processor" in caveat for caveat in workload.caveats)
    assert not result.faster


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be preferred")
def test_others_on_the_processor_wait(judge: JudgeClient, problem: Problem) -> None:
    with beside_a_hog("ordinary"):
        result = judge.bench(job_of(problem, quick=False))
    (workload,) = result.workloads
    assert workload.samples is not None
    assert workload.samples.waited < 0.2
