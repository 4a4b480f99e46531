"""Where a run was made: the machine, the versions, and what its GPU did before and after."""

from __future__ import annotations

import os
import platform
import time
from importlib import metadata
from pathlib import Path

import torch

from sandbox import gpu
from sandbox.judge.models import Environment, GpuEnvironment
from sandbox.judge.pool import Pool

HELD_DOWN = {"hardware slowdown", "thermal (hardware)", "power brake"}
"""Slowdowns that say that something is wrong; a power cap is part of normal work."""
DYING_S = 1.5
"""How long a process that was killed may still be counted on a GPU."""


class Watch:
    """Looks at the machine when a run begins and when it is over."""

    def __init__(self, device: str, pool: Pool) -> None:
        self._device = device
        self._pool = pool
        self._load = os.getloadavg()[0]
        self._before = _state(pool)
        self._after: gpu.State | None = None
        self._ours = 0

    def measured(self) -> None:
        """Nothing more will be measured beside the candidate: see who is on the GPU."""
        self._ours = self._pool.processes + 1  # this process computes references
        self._after = _state(self._pool, self._ours)

    def environment(self) -> Environment:
        """What to record."""
        return Environment(
            device=self._device,
            cpu=_cpu_model(),
            python=platform.python_version(),
            torch=str(torch.__version__),
            flashinfer_bench=metadata.version("flashinfer-bench"),
            threads=1,
            load_before=self._load,
            load_after=os.getloadavg()[0],
            gpu=self._gpu(),
        )

    def _gpu(self) -> GpuEnvironment | None:
        found, before, after = self._pool.gpu, self._before, self._after
        if found is None or before is None or after is None:
            return None
        return GpuEnvironment(
            name=found.name,
            uuid=found.uuid,
            driver=found.driver,
            before=before,
            after=after,
            contended=after.processes > self._ours or bool(HELD_DOWN & set(after.slowdowns)),
        )


def _state(pool: Pool, ours: int | None = None) -> gpu.State | None:
    """What the GPU does. If more processes than `ours` are on it, only after those that are dying had
    time to go."""
    if pool.gpu is None:
        return None
    deadline = time.monotonic() + DYING_S
    state = gpu.state(pool.gpu)
    while ours is not None and state.processes > ours and time.monotonic() < deadline:
        time.sleep(0.05)
        state = gpu.state(pool.gpu)
    return state


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
