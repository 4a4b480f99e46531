"""One call of a solution between a profiler's marks: what `ncu` and `compute-sanitizer` look at.

Started by the profiler inside a sandbox, as `main()` with a JSON request in the first argument. Inputs come
from flashinfer-bench's generator with a fixed seed: nothing here is scored, and the same report can be made
again. Candidate code runs in this process, so nothing that it writes is believed beyond what a profile is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROBLEM = Path("/sandbox/problem")
"""Where a problem's tensors are, if it has any of its own."""
SEED = 20


def main() -> None:
    """Load the solution, warm it up, and call it once between the marks."""
    request = json.loads(sys.argv[1])
    import torch

    from sandbox.runner.load import load

    torch.manual_seed(SEED)
    inputs = _inputs(torch, request)
    outputs = [
        torch.zeros(spec["shape"], dtype=getattr(torch, spec["dtype"]), device="cuda")
        for spec in request["outputs"]
    ]
    run = load(request)
    arguments = [*inputs, *outputs] if request["style"] else inputs
    with torch.no_grad():
        for _ in range(request["warm_up"]):
            run(*arguments)
        torch.cuda.synchronize()
        _between_marks(torch, lambda: run(*arguments))


def _inputs(torch: Any, request: dict[str, Any]) -> list[Any]:
    from flashinfer_bench.bench.utils import gen_inputs, load_safetensors
    from flashinfer_bench.data import Definition, Workload

    definition = Definition.model_validate(request["definition"])
    workload = Workload.model_validate(request["workload"])
    own = any(source.type == "safetensors" for source in workload.inputs.values())
    blobs = load_safetensors(definition, workload, PROBLEM) if own else {}
    made: list[Any] = gen_inputs(definition, workload, device="cuda", safe_tensors=blobs)
    return made


def _between_marks(torch: Any, call: Callable[[], Any]) -> None:
    runtime = torch.cuda.cudart()
    runtime.cudaProfilerStart()
    call()
    torch.cuda.synchronize()
    runtime.cudaProfilerStop()


if __name__ == "__main__":
    main()
