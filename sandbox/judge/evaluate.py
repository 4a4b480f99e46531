"""One benchmark run, from a job to a result: correctness first, then time, workload by workload."""

from __future__ import annotations

import contextlib
import math
import secrets
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sandbox.errors import SandboxFailure
from sandbox.floor import Floor
from sandbox.judge import official, rules
from sandbox.judge.arena import Batch, Layout, layout
from sandbox.judge.arm import Arm
from sandbox.judge.caveats import with_caveats
from sandbox.judge.duel import Duel, Effort, Wrong, unverified
from sandbox.judge.environment import Watch
from sandbox.judge.faults import (
    OUT_OF_MEMORY,
    Rejected,
    baseline_at_fault,
    baseline_broken,
    candidate_at_fault,
    left_no_room,
    no_room,
)
from sandbox.judge.hardware import Hardware, hardware_of
from sandbox.judge.inputs import Inputs, Oracle
from sandbox.judge.models import BenchJob, BenchResult, Environment, WorkloadResult
from sandbox.judge.pool import Pool
from sandbox.judge.roofline import impossible
from sandbox.judge.singles import Costs, measure_costs
from sandbox.judge.timing import (
    Alone,
    Before,
    Measured,
    Taken,
    conclude,
    take,
    take_alone,
    take_before,
)
from sandbox.pinning import verify_problem
from sandbox.problem import Problem, Workload, axes_of

Progress = Callable[[float, str], None]
LEAST_S = 10.0
"""What the baseline alone may take at least, however little a candidate left of a run's time."""

EFFORT = {
    # On a CPU a batch stays within the caches; on a GPU it should be well beyond its L2.
    ("cpu", "quick"): Effort(
        rounds=6, batch_s={"run": 4e-4}, most_calls=24, most_bytes=16 << 20, tolerated=0.8
    ),
    ("cpu", "full"): Effort(
        rounds=16, batch_s={"run": 0.03}, most_calls=256, most_bytes=16 << 20, tolerated=0.25
    ),
    ("cuda", "quick"): Effort(
        rounds=6,
        batch_s={"run": 0.01, "replay": 0.0005},
        most_calls=96,
        most_bytes=1 << 30,
        singles=14,
        single_rounds=2,
    ),
    ("cuda", "full"): Effort(
        rounds=12,
        most_rounds=36,
        batch_s={"run": 0.04, "replay": 0.002},
        most_calls=512,
        most_bytes=4 << 30,
        singles=24,
        single_rounds=4,
    ),
}


class WrongOutput(Wrong):
    """A timed call of one of the two arms gave a wrong output."""

    def __init__(self, arm: Arm, rejected: Rejected) -> None:
        super().__init__(str(rejected))
        self.arm = arm
        self.rejected = rejected


def evaluate(job: BenchJob, pool: Pool, progress: Progress) -> BenchResult:
    """Run a job.

    Raises:
        AssayError: the problem, the device or the baseline is at fault, never the candidate.
    """
    started = time.perf_counter()
    problem = verify_problem(job.problem_path, job.problem_sha256)
    secret = secrets.token_bytes(16)
    run = _Run(job, problem, pool, secret)
    watch = Watch(job.device, pool)
    found = []
    try:
        run.prepare()
        for number, workload in enumerate(run.workloads):
            progress(number / len(run.workloads), f"workload {number + 1} of {len(run.workloads)}")
            found.append(run.workload(workload))
        watch.measured()
        results = run.conclude(found)
    finally:
        run.close()
    return _summary(
        results,
        watch.environment(),
        pool.level,
        secret.hex(),
        time.perf_counter() - started,
    )


@dataclass(frozen=True)
class Passed:
    """A workload whose outputs were all right, and what it took."""

    workload: Workload
    verdict: official.OfficialVerdict
    where: Layout
    checked: int
    taken: Taken


class _Run:
    """Both arms, kept over the workloads of one run and replaced when one of them dies."""

    def __init__(self, job: BenchJob, problem: Problem, pool: Pool, secret: bytes) -> None:
        self._job = job
        self._problem = problem
        self._pool = pool
        self._secret = secret
        self._device = torch.device(job.device)
        self._effort = EFFORT[self._device.type, "quick" if job.quick else "full"]
        self._deadline = time.monotonic() + job.timeout_s
        wanted = set(job.workload_uuids)
        self.workloads = [w for w in problem.workloads if w.uuid in wanted]
        self._candidate: Arm | None = None
        self._baseline: Arm | None = None
        self._costs: Costs | None = None
        self._before: dict[str, Before] = {}
        self._settings = problem.settings
        self._names = list(problem.definition.outputs)

    def prepare(self) -> None:
        """What must be known before there is a candidate. On a GPU that is done when its process is there."""
        if self._device.type != "cpu":
            return
        with contextlib.suppress(Rejected):  # no time is left, as each workload will say
            for workload in self.workloads:
                self._before[workload.uuid] = self._take_before(workload)

    def _take_before(self, workload: Workload) -> Before:
        oracle, baseline = self._oracle(workload), self._baseline_arm()
        inputs = oracle.fresh()
        where = layout(inputs, oracle.expected(inputs), self._device)
        with baseline_at_fault():
            return take_before(baseline, where, oracle.calls, self._effort, self._some_left)

    def workload(self, workload: Workload) -> WorkloadResult | Passed:
        """Judge one workload, whatever the candidate does."""
        verdict: official.OfficialVerdict | None = None
        try:
            oracle = self._oracle(workload)
            verdict, where, checked = self._correct(oracle)
            if verdict.status != "PASSED":
                raise Rejected(verdict.status, "official", "flashinfer-bench rejects it.")
            taken = self._time(oracle, where)
        except Rejected as rejected:
            self._drop_candidate()
            return _refused(workload, verdict, rejected)
        except OUT_OF_MEMORY as full:
            if self._candidate is None:
                raise no_room(full) from full
            self._drop_candidate()
            return _refused(workload, verdict, left_no_room(full))
        return Passed(workload, verdict, where, checked, taken)

    def conclude(self, found: list[WorkloadResult | Passed]) -> list[WorkloadResult]:
        """The results of all workloads; the candidate is no longer needed, and ends."""
        self._drop_candidate()
        return [self._result(each) if isinstance(each, Passed) else each for each in found]

    def close(self) -> None:
        self._drop_candidate()
        if self._baseline is not None:
            self._pool.discard(self._baseline)
            self._baseline = None

    def _oracle(self, workload: Workload) -> Oracle:
        return Oracle(self._problem, workload, self._secret, self._device)

    def _result(self, passed: Passed) -> WorkloadResult:
        hardware = hardware_of(self._device)
        try:
            before = self._before.get(passed.workload.uuid)
            measured = conclude(passed.taken, self._alone(passed), before)
            if hardware is not None:
                self._check_roofline(passed, measured, hardware)
        except Rejected as rejected:  # or no time is left
            return _refused(passed.workload, passed.verdict, rejected)
        except OUT_OF_MEMORY as full:
            raise no_room(full) from full
        return with_caveats(_accepted(passed, measured), passed.where, hardware)

    def _check_roofline(self, passed: Passed, measured: Measured, hardware: Hardware) -> None:
        floor = self._settings.floor or Floor()
        operations = floor.operations_in(axes_of(self._problem.definition, passed.workload))
        why = impossible(
            measured.latency_us, passed.where, passed.taken.calls, floor, operations, hardware
        )
        if why is not None:
            raise Rejected("RUNTIME_ERROR", "roofline", f"roofline: {why}.")

    def _alone(self, passed: Passed) -> Alone:
        try:
            return self._take_alone(passed)
        except OUT_OF_MEMORY:  # a dying candidate may still hold it
            self._await_ends()
            return self._take_alone(passed)

    def _take_alone(self, passed: Passed) -> Alone:
        oracle, baseline = self._oracle(passed.workload), self._baseline_arm()
        with baseline_at_fault():
            return take_alone(
                baseline,
                passed.where,
                oracle.calls,
                passed.taken,
                self._effort,
                self._some_left,
                self._await_ends,
            )

    def _correct(self, oracle: Oracle) -> tuple[official.OfficialVerdict, Layout, int]:
        batches = [oracle.fresh() for _ in range(self._settings.trials)]
        expected = [oracle.expected(inputs) for inputs in batches]
        where = layout(batches[0], expected[0], self._device)
        candidate = self._candidate_arm(oracle, where)
        with candidate_at_fault():
            self._duel(oracle, where, candidate).map_all()
        proxy = official.Proxy(candidate, oracle.definition, self._left)
        verdict = official.judge(proxy, batches, expected, self._settings)
        if proxy.failure is not None:
            with candidate_at_fault():
                raise proxy.failure
        calls = list(zip(proxy.calls, expected, strict=False))
        for observed, reference in calls:
            self._apply_rules(observed, reference, "")
        checked = len(calls)
        if verdict.status == "PASSED" and self._settings.rules.property_inputs:
            for name, inputs, reference in oracle.variants():
                observed = self._observe(candidate, inputs)
                self._apply_rules(observed, reference, f" (inputs {name})")
                checked += 1
        return verdict, where, checked

    def _observe(self, arm: Arm, inputs: Inputs) -> official.Observed:
        with candidate_at_fault():
            return official.observe(arm, inputs, self._left())

    def _apply_rules(
        self, observed: official.Observed, reference: list[torch.Tensor], where: str
    ) -> None:
        violation = rules.check(observed.outputs, reference, self._names, self._settings)
        self._apply(violation, observed.changed_inputs, where)

    def _apply(self, violation: rules.Violation | None, changed: list[int], where: str) -> None:
        if violation is not None:
            status = "INCORRECT_SHAPE" if violation.rule == "shape_dtype" else "INCORRECT_NUMERICAL"
            raise Rejected(status, violation.rule, f"{violation.rule}: {violation.reason}{where}.")
        if changed and self._settings.rules.inputs_unchanged:
            names = [list(self._problem.definition.inputs)[i] for i in changed]
            raise Rejected(
                "INCORRECT_NUMERICAL",
                "inputs_unchanged",
                f"inputs_unchanged: it wrote into its inputs {names}{where}.",
            )

    def _time(self, oracle: Oracle, where: Layout) -> Taken:
        candidate, baseline = self._candidate_arm(oracle, where), self._baseline_arm()

        # Both arms get the same batch: what should come out is computed once for the two.
        known: tuple[Batch | None, list[torch.Tensor]] = (None, [])

        def expected(batch: Batch) -> list[torch.Tensor]:
            nonlocal known
            if known[0] is not batch:
                each = [oracle.expected(inputs) for inputs in batch.calls]
                known = (batch, [torch.stack(output) for output in zip(*each, strict=True)])
            return known[1]

        def verify(arm: Arm, batch: Batch) -> None:
            outputs, reference = arm.arena.outputs(), expected(batch)
            violation = rules.check_calls(outputs, reference, self._names, self._settings)
            changed = arm.arena.changed_inputs(batch)
            try:
                self._apply(violation, changed, " in a timed call")
            except Rejected as rejected:
                raise WrongOutput(arm, rejected) from rejected

        try:
            with candidate_at_fault():
                return take(
                    candidate,
                    baseline,
                    where,
                    oracle.calls,
                    verify,
                    self._effort,
                    self._left,
                    self._costs,
                )
        except WrongOutput as wrong:
            if wrong.arm is baseline:
                raise baseline_broken(str(wrong.rejected)) from wrong
            raise wrong.rejected from wrong

    def _candidate_arm(self, oracle: Oracle, where: Layout) -> Arm:
        if self._candidate is None:
            self._candidate = self._pool.take()
            if self._device.type == "cuda":
                self._costs = self._empty_costs(oracle, where, self._candidate)
            with candidate_at_fault():
                self._candidate.load(self._job.solution, self._job.candidate_library, self._left())
        return self._candidate

    def _empty_costs(self, oracle: Oracle, where: Layout, runner: Arm) -> Costs:
        """What this pair of runners costs; `runner` is for the candidate, which is not in it yet."""
        duel = self._duel(oracle, where, runner, self._baseline_arm())
        with baseline_at_fault():
            return measure_costs(duel)

    def _duel(self, oracle: Oracle, where: Layout, *arms: Arm) -> Duel:
        """Arms in which nothing is verified."""
        return unverified(arms, where, oracle.calls, self._effort, self._left)

    def _baseline_arm(self) -> Arm:
        if self._baseline is None:
            self._baseline = self._pool.take()
            with baseline_at_fault():
                self._baseline.load(
                    self._problem.baseline, self._job.baseline_library, self._left()
                )
        return self._baseline

    def _drop_candidate(self) -> None:
        """A runner that failed is not used again, not even by the same solution."""
        if self._candidate is not None:
            self._pool.discard(self._candidate)
            self._candidate = None

    def _some_left(self) -> float:
        """The same for the baseline alone, which shall not fail because a candidate left it a moment."""
        return max(self._left(), LEAST_S)

    def _await_ends(self) -> None:
        try:
            self._pool.await_ends()
        except SandboxFailure as failure:
            if self._device.type != "cpu":
                raise
            why = "Its processes had not ended ten seconds after they were killed."
            raise Rejected("RUNTIME_ERROR", "will_not_end", why) from failure

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Rejected("TIMEOUT", "timeout", f"The run took over {self._job.timeout_s:g} s.")
        return left


def _refused(
    workload: Workload, verdict: official.OfficialVerdict | None, rejected: Rejected
) -> WorkloadResult:
    return WorkloadResult(
        uuid=workload.uuid,
        status=rejected.status,
        official_status=rejected.status if verdict is None else verdict.status,
        assay_status=rejected.rule,
        reason=rejected.reason,
        max_abs_error=verdict.max_abs_error if verdict else None,
        max_rel_error=verdict.max_rel_error if verdict else None,
    )


def _accepted(passed: Passed, measured: Measured) -> WorkloadResult:
    return WorkloadResult(
        uuid=passed.workload.uuid,
        status="PASSED",
        official_status=passed.verdict.status,
        assay_status="PASSED",
        latency_us=measured.latency_us,
        baseline_us=measured.baseline_us,
        baseline_alone_us=measured.baseline_alone_us,
        speedup=measured.speedup,
        speedup_low=measured.low,
        speedup_high=measured.high,
        timing=measured.mode,
        baseline_timing=measured.baseline_mode,
        bound=measured.bound,
        max_abs_error=passed.verdict.max_abs_error,
        max_rel_error=passed.verdict.max_rel_error,
        verified_calls=passed.checked + measured.verified_calls,
        samples=measured.samples,
    )


def _summary(
    results: Sequence[WorkloadResult],
    environment: Environment,
    level: str,
    seed: str,
    wall_s: float,
) -> BenchResult:
    passed = all(result.status == "PASSED" for result in results)
    speedups = [r.speedup for r in results if r.speedup is not None]
    bad = [r for r in results if r.status != "PASSED"]
    contended = environment.gpu is not None and environment.gpu.contended
    integrity = "contended" if contended else "certified"
    return BenchResult(
        passed=passed,
        official=next((r.official_status for r in bad if r.official_status != "PASSED"), "PASSED"),
        assay=bad[0].assay_status if bad else "PASSED",
        faster=passed and not contended and all((r.speedup_low or 0.0) > 1.0 for r in results),
        speedup_geomean=statistics.geometric_mean(speedups) if passed else None,
        speedup_mean=math.fsum(speedups) / len(speedups) if passed else None,
        speedup_min=min(speedups) if passed else None,
        integrity=integrity if passed else "none",
        sandbox_level=level,
        workloads=tuple(results),
        environment=environment,
        seed=seed,
        wall_s=round(wall_s, 3),
    )
