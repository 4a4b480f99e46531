"""flashinfer-bench's own verdict, with the solution behind the process boundary.

The official evaluator from the installed release runs unchanged; what it calls as the runnable is a
proxy that carries inputs and outputs across. Every call is also kept, so that the assay rules judge
the very outputs that the official verdict is about.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from flashinfer_bench.bench.config import BenchmarkConfig
from flashinfer_bench.bench.evaluators import resolve_evaluator
from flashinfer_bench.compile.runnable import RunnableMetadata
from flashinfer_bench.data import Definition as OfficialDefinition

from sandbox.judge.arena import Batch
from sandbox.judge.arm import Arm
from sandbox.judge.inputs import Inputs
from sandbox.problem import Settings


@dataclass(frozen=True)
class Observed:
    """One call as it was seen from outside."""

    outputs: list[torch.Tensor]
    changed_inputs: list[int]


@dataclass
class Proxy:
    """Looks like flashinfer-bench's Runnable to its evaluators."""

    arm: Arm
    definition: OfficialDefinition
    left_s: Callable[[], float]
    calls: list[Observed] = field(default_factory=list)
    failure: Exception | None = None

    @property
    def metadata(self) -> RunnableMetadata:
        return RunnableMetadata(
            build_type="python",
            definition_name=self.definition.name,
            solution_name="candidate",
            destination_passing_style=True,
            definition=self.definition,
            misc={},
        )

    def __call__(self, *arguments: Any) -> None:
        """Called in destination-passing style: the last arguments are the outputs to fill."""
        count = len(self.definition.inputs)
        inputs, outputs = list(arguments[:count]), list(arguments[count:])
        try:
            observed = observe(self.arm, inputs, self.left_s())
        except Exception as failure:  # the evaluator would make its own of any
            self.failure = failure
            raise
        self.calls.append(observed)
        for target, value in zip(outputs, observed.outputs, strict=True):
            target.copy_(value)


def observe(arm: Arm, inputs: Inputs, timeout_s: float) -> Observed:
    """Run the solution once on these inputs and take its outputs."""
    batch = Batch(arm.arena.layout, [inputs])
    arm.run(batch, timeout_s)
    outputs = [output[0] for output in arm.arena.outputs()]
    return Observed(outputs, arm.arena.changed_inputs(batch))


@dataclass(frozen=True)
class OfficialVerdict:
    """What flashinfer-bench says."""

    status: str
    max_abs_error: float | None
    max_rel_error: float | None


def judge(
    proxy: Proxy, batches: list[Inputs], expected: list[list[torch.Tensor]], settings: Settings
) -> OfficialVerdict:
    """The official correctness check over several sets of inputs."""
    configuration = BenchmarkConfig(
        rtol=float(settings.rtol),
        atol=float(settings.atol),
        required_matched_ratio=float(settings.required_matched_ratio),
        num_trials=len(batches),
    )
    evaluator = resolve_evaluator(proxy.definition)
    device = proxy.arm.arena.layout.device
    quiet = contextlib.redirect_stderr(io.StringIO())
    with quiet, _without_cuda() if device.type == "cpu" else contextlib.nullcontext():
        correctness, failed = evaluator.check_correctness(
            proxy.definition, proxy, batches, expected, configuration, "", str(device)
        )
    return OfficialVerdict(
        status=str(failed.status.value) if failed is not None else "PASSED",
        max_abs_error=correctness.max_absolute_error if correctness is not None else None,
        max_rel_error=correctness.max_relative_error if correctness is not None else None,
    )


@contextlib.contextmanager
def _without_cuda() -> Any:
    """The evaluator synchronises a GPU after each call; on a CPU there is nothing to wait for."""
    original: Callable[..., None] = torch.cuda.synchronize
    torch.cuda.synchronize = lambda *_: None  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.cuda.synchronize = original  # type: ignore[assignment]
