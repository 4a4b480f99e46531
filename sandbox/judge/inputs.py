"""Inputs and expected outputs, made on the trusted side only.

Values follow flashinfer-bench's own generator, seeded here from the operating system; the seed is
revealed when the run is over. Property inputs are further sets in which a shortcut shows: scaled up,
scaled down, with outliers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from flashinfer_bench.bench.evaluators.utils import normalize_result
from flashinfer_bench.bench.utils import gen_inputs, load_safetensors
from flashinfer_bench.data import Definition as OfficialDefinition
from flashinfer_bench.data import Workload as OfficialWorkload

from sandbox.errors import AssayError
from sandbox.problem import Problem, Workload

Inputs = list[Any]


class Oracle:
    """Makes inputs for one workload, and knows what should come out."""

    def __init__(
        self, problem: Problem, workload: Workload, seed: int, device: torch.device
    ) -> None:
        self.device = device
        self.definition = OfficialDefinition.model_validate(problem.definition.official())
        self.workload = OfficialWorkload.model_validate(workload.model_dump(mode="json"))
        self._random_inputs = tuple(
            position
            for position, name in enumerate(problem.definition.inputs)
            if workload.inputs[name].type == "random"
        )
        self._blobs = _blobs(self.definition, self.workload, problem.root)
        self._reference = _reference(problem)
        self._state = torch.Generator(device).manual_seed(seed).get_state()

    def fresh(self) -> Inputs:
        """A new set of inputs that nobody has seen."""
        with self._seeded():
            made: Inputs = gen_inputs(
                self.definition, self.workload, device=str(self.device), safe_tensors=self._blobs
            )
        return made

    def variants(self) -> Iterator[tuple[str, Inputs]]:
        """Property inputs: fresh values under transformations of the random float inputs."""
        transformations: tuple[tuple[str, Callable[[torch.Tensor], torch.Tensor]], ...] = (
            ("scaled by 8", lambda x: x * 8),
            ("scaled by 1/8", lambda x: x / 8),
            ("with outliers", _with_outliers),
        )
        for name, transform in transformations:
            inputs = self.fresh()
            touched = False
            for position in self._random_inputs:
                value = inputs[position]
                if isinstance(value, torch.Tensor) and value.dtype in (
                    torch.float32,
                    torch.float16,
                    torch.bfloat16,
                ):
                    with self._seeded():
                        inputs[position] = transform(value)
                    touched = True
            if touched:
                yield name, inputs

    def expected(self, inputs: Inputs) -> list[torch.Tensor]:
        """What the reference gives for copies of these inputs."""
        copies = [x.clone() if isinstance(x, torch.Tensor) else x for x in inputs]
        with torch.no_grad():
            result = self._reference(*copies)
        outputs: list[torch.Tensor] = normalize_result(self.definition, result, str(self.device))
        return [output.contiguous() for output in outputs]

    def _seeded(self) -> _Seeded:
        return _Seeded(self)


class _Seeded:
    """Runs torch's generator of the device on the oracle's own state for a while."""

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle

    def __enter__(self) -> None:
        if self._oracle.device.type == "cuda":
            torch.cuda.set_rng_state(self._oracle._state, self._oracle.device)
        else:
            torch.set_rng_state(self._oracle._state)

    def __exit__(self, *_: object) -> None:
        if self._oracle.device.type == "cuda":
            self._oracle._state = torch.cuda.get_rng_state(self._oracle.device)
        else:
            self._oracle._state = torch.get_rng_state()


def _with_outliers(x: torch.Tensor) -> torch.Tensor:
    mask = torch.rand(x.shape, device=x.device) < 0.002
    return torch.where(mask, x * 50, x)


def _blobs(
    definition: OfficialDefinition, workload: OfficialWorkload, root: Path
) -> dict[str, torch.Tensor]:
    if not any(source.type == "safetensors" for source in workload.inputs.values()):
        return {}
    try:
        loaded: dict[str, torch.Tensor] = load_safetensors(definition, workload, root)
    except (ValueError, OSError) as error:
        raise AssayError("invalid_problem", f"A blob cannot be used: {error}.") from error
    return loaded


def _reference(problem: Problem) -> Callable[..., Any]:
    """The reference's `run`: the operator's code, the only code of a problem that runs here."""
    namespace: dict[str, Any] = {"__name__": f"reference:{problem.name}"}
    code = compile(problem.definition.reference, f"<reference of {problem.name}>", "exec")
    exec(code, namespace)  # noqa: S102 - pinned by hash and registered by the operator
    run: Callable[..., Any] = namespace["run"]
    return run
