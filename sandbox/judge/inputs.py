"""Inputs and expected outputs, made on the trusted side only.

Values follow flashinfer-bench's own generator. Each set of inputs has a seed of its own, a hash of the run's
secret, the workload and a counter, so that whoever works one out from the values (for torch's generator of
a CPU that takes a tenth of a second) knows no other. The secret is revealed when the run is over.

Property inputs are further sets in which a shortcut shows: scaled up, scaled down, with outliers, with zeros.
Once they were seen to make sense for a problem, one hides in every batch as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
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
Transform = Callable[[torch.Tensor], torch.Tensor]
TRANSFORMED = (torch.float32, torch.float16, torch.bfloat16)
RARELY = 8
"""One in so many calls that come alone is a property input."""


class Oracle:
    """Makes inputs for one workload, and knows what should come out.

    Args:
        secret: of the run. All that is random here follows from it, the workload's uuid, and the order in
            which things are asked for.
    """

    def __init__(
        self, problem: Problem, workload: Workload, secret: bytes, device: torch.device
    ) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call] # before that it has no generators
        self.definition = OfficialDefinition.model_validate(problem.definition.official())
        self.workload = OfficialWorkload.model_validate(workload.model_dump(mode="json"))
        self._random_inputs = tuple(
            position
            for position, name in enumerate(problem.definition.inputs)
            if workload.inputs[name].type == "random"
        )
        self._blobs = _blobs(self.definition, self.workload, problem.root)
        self._reference = _reference(problem)
        self._seed = secret + workload.uuid.encode()
        self._drawn = 0
        self._properties: list[str] = []

    def fresh(self) -> Inputs:
        """A new set of inputs that nobody has seen."""
        self._reseed()
        made: Inputs = gen_inputs(
            self.definition, self.workload, device=str(self.device), safe_tensors=self._blobs
        )
        return made

    def calls(self, count: int) -> list[Inputs]:
        """New inputs for a batch. One call of it has property inputs, and nobody knows which."""
        made = [self.fresh() for _ in range(count)]
        if self._properties and (count > 1 or self._draw() % RARELY == 0):
            name = self._properties[self._draw() % len(self._properties)]
            self._transform(name, made[self._draw() % count])
        return made

    def variants(self) -> Iterator[tuple[str, Inputs, list[torch.Tensor]]]:
        """Property inputs: fresh values under transformations of the random float inputs, and what should
        come out. Those for which nothing comparable should come out are left out."""
        self._properties = []
        for name in TRANSFORMS:
            inputs = self.fresh()
            if not self._transform(name, inputs):
                continue
            reference = self.expected(inputs)
            if _comparable(reference, exactly_one_answer=name != ZEROS):
                self._properties.append(name)
                yield name, inputs, reference

    def _transform(self, name: str, inputs: Inputs) -> bool:
        """Transform the random float inputs in place; whether there are any."""
        self._reseed()
        touched = False
        for position in self._random_inputs:
            value = inputs[position]
            if not isinstance(value, torch.Tensor) or value.dtype not in TRANSFORMED:
                continue
            if name == ZEROS and (value.dim() < 2 or len(value) < 2):
                continue
            inputs[position] = TRANSFORMS[name](value)
            touched = True
        return touched

    def expected(self, inputs: Inputs) -> list[torch.Tensor]:
        """What the reference gives for copies of these inputs."""
        copies = [x.clone() if isinstance(x, torch.Tensor) else x for x in inputs]
        with torch.no_grad():
            result = self._reference(*copies)
        outputs: list[torch.Tensor] = normalize_result(self.definition, result, str(self.device))
        return [output.contiguous() for output in outputs]

    def _reseed(self) -> None:
        """Let torch's generators go on from somewhere else."""
        seed = self._draw()
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.default_generators[self.device.index or 0].manual_seed(seed)

    def _draw(self) -> int:
        """A number of 63 bits that tells nothing about any other."""
        drawn, self._drawn = self._drawn.to_bytes(8, "little"), self._drawn + 1
        digest = hashlib.blake2b(self._seed + drawn, digest_size=8).digest()
        return int.from_bytes(digest, "little") >> 1


def _with_outliers(x: torch.Tensor) -> torch.Tensor:
    mask = torch.rand(x.shape, device=x.device) < 0.002
    return torch.where(mask, x * 50, x)


def _with_zeros(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[0] = 0
    return x


ZEROS = "with a slice of zeros"
TRANSFORMS: dict[str, Transform] = {
    "scaled by 8": lambda x: x * 8,
    "scaled by 1/8": lambda x: x / 8,
    "scaled by 1/1024": lambda x: x / 1024,
    "with outliers": _with_outliers,
    ZEROS: _with_zeros,
}


def _comparable(outputs: Sequence[torch.Tensor], *, exactly_one_answer: bool) -> bool:
    """Whether these outputs say something: finite, large enough for their type's full precision, and, where
    equal inputs may leave a choice (of indices, say), without integers."""
    for output in outputs:
        if not output.dtype.is_floating_point:
            if not exactly_one_answer:
                return False
            continue
        limits, values = torch.finfo(output.dtype), output.to(torch.float32)
        rms = float(values.square().mean().sqrt()) if values.numel() else 1.0
        if not limits.tiny / limits.eps <= rms < float("inf"):
            return False
    return True


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
