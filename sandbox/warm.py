"""Warm single-use processes: the trusted side of the fork server.

A cold process that imports torch costs seconds; a child of a process that has imported it costs
milliseconds. Each child runs one program once, in namespaces of its own, and is killed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox import bwrap
from sandbox.box import Limits, Sandbox
from sandbox.errors import SandboxFailure
from sandbox.gpu import Gpu, driver_mounts, library_path
from sandbox.process import Namespace, Tail
from sandbox.runtime import LIBRARY, START, python, runtime_mounts
from sandbox.slots import Slot, lease

START_S = 120.0
REPLY_S = 20.0

STEADY_HEAP = {
    # Memory that a call frees stays with the process: otherwise large temporaries are mapped and
    # faulted in again at each call, or not, depending on what happened to lie at the heap's top.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

ENVIRONMENT = {
    # One thread: a library that starts a pool before the fork hangs after it.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Whether there is a GPU is asked at import: by CUDA itself that would start a thread, too.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    # No compiler is started for an add-on that newer versions of torch have built in.
    "TVM_FFI_DISABLE_TORCH_C_DLPACK": "1",
    **STEADY_HEAP,
}

WITHOUT_GPU = {"TRITON_INTERPRET": "1"}
"""Triton's own interpreter; it is chosen when Triton is imported."""

IMPORTS = ("numpy", "torch", "tvm_ffi", "triton", "triton.language", "sandbox.runner.main")

WITH_GPU = ("cuda.bindings.driver", "sandbox.runner.device")
"""Imported as well where there is a GPU; neither touches it."""


@dataclass(frozen=True)
class Program:
    """What a child runs: a function without arguments of a module that is in the sandbox."""

    module: str
    function: str


ZYGOTE = START.format(module="zygote")

RUNNER = Program("sandbox.runner.main", "main")


class Child:
    """A child of the fork server: single use, confined, killed with everything it started."""

    def __init__(self, namespace: Namespace, slot: Slot, output: int) -> None:
        self.namespace = namespace
        self._slot = slot
        self._output = Tail(os.fdopen(output, "rb", buffering=0))
        self._released = False

    def kill(self) -> bool:
        """End it and everything it started, and wait until they are gone, for ten seconds at most."""
        return self.namespace.kill()

    def output(self) -> bytes:
        """Its standard output and error, so far."""
        return self._output.value()

    def release(self) -> None:
        """Kill what is left and free the slot."""
        if self._released:
            return
        self._released = True
        self.namespace.kill()
        self.namespace.close()
        self._slot.release()


class Zygote:
    """A fork server in a sandbox of its own, started with the first child and again if it dies.

    Args:
        sandbox: which level of isolation it and its children have.
        gpu: the one that children see; they see no other.
        imports: modules that children find imported.
    """

    def __init__(
        self, sandbox: Sandbox, gpu: Gpu | None = None, imports: tuple[str, ...] = IMPORTS
    ) -> None:
        self._sandbox = sandbox
        self._gpu = gpu
        self._imports = imports
        self._popen: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._slot: Slot | None = None
        self._ready = False

    @property
    def gpu(self) -> Gpu | None:
        return self._gpu

    @property
    def work(self) -> Path:
        return self._sandbox.work

    @property
    def level(self) -> str:
        return self._sandbox.level

    def start(self) -> None:
        """Start it without waiting for its imports.

        Raises:
            SandboxFailure: the sandbox cannot be started.
        """
        if self._popen is not None and self._popen.poll() is None:
            return
        self.close()
        self._slot = lease(self._sandbox.work)
        self._control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner:
            drivers = driver_mounts() if self._gpu else ()
            mounts = (*runtime_mounts(), *drivers)
            settings = {
                "control": inner.fileno(),
                "imports": [*self._imports, *(WITH_GPU if self._gpu else ())],
                "kept": [m.target for m in mounts if m.target.startswith("/tmp/")],  # noqa: S108
            }
            argv = bwrap.zygote_command_line(
                launcher=self._sandbox.launcher,
                mounts=mounts,
                devices=self._gpu.nodes() if self._gpu else (),
                env=ENVIRONMENT
                | library_path(drivers)
                | (WITHOUT_GPU if self._gpu is None else {}),
                as_root=self._slot.uid is not None,
                argv=(python(), "-I", "-B", "-c", ZYGOTE, LIBRARY, json.dumps(settings)),
            )
            try:
                self._popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=[inner.fileno()],
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                self._slot.release()
                raise SandboxFailure(
                    "sandbox_failed", f"Cannot start the sandbox: {error}."
                ) from error
        self._words = Tail(self._popen.stderr)
        self._ready = False

    def fork(
        self,
        program: Program,
        limits: Limits,
        channel: socket.socket,
        cpus: tuple[int, ...] = (),
    ) -> Child:
        """A new child, with `channel` as its descriptor 3.

        Raises:
            SandboxFailure: it cannot be started; no candidate code has run.
        """
        self.start()
        self._await_ready()
        slot = lease(self._sandbox.work)
        try:
            return self._fork(program, limits, channel, cpus, slot)
        except BaseException:
            slot.release()
            raise

    def close(self) -> None:
        """End it, and every child with it."""
        if self._popen is None:
            return
        if self._control is not None:
            self._control.close()
        self._popen.kill()
        self._popen.wait()
        if self._slot is not None:
            self._slot.release()
        self._popen = self._slot = self._control = None

    def _fork(
        self,
        program: Program,
        limits: Limits,
        channel: socket.socket,
        cpus: tuple[int, ...],
        slot: Slot,
    ) -> Child:
        assert self._control is not None
        policy = {
            "uid": slot.uid,
            "cpus": list(cpus),
            "measured": True,
            "limits": limits.inner(),
            "tmp_bytes": limits.tmp_bytes,
            "inputs": bwrap.INPUTS,
            "readable": ["/"],
            "writable": [*bwrap.WRITABLE, bwrap.INPUTS],
            "directory": "/tmp",  # noqa: S108
        }
        request = {"policy": policy, "program": [program.module, program.function]}
        reader, writer = os.pipe()
        try:
            socket.send_fds(
                self._control, [json.dumps(request).encode()], [channel.fileno(), writer]
            )
            _, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
        except OSError as error:
            os.close(reader)
            raise self._died() from error
        finally:
            os.close(writer)
        if not descriptors:
            os.close(reader)
            raise self._died()
        child = Namespace(_pid(descriptors[0]), descriptors[0], limits.memory_bytes)
        return Child(child, slot, reader)

    def _await_ready(self) -> None:
        if self._ready:
            return
        assert self._control is not None
        self._control.settimeout(START_S)
        try:
            packet = self._control.recv(4096)
        except OSError as error:
            raise self._died() from error
        if not packet:
            raise self._died()
        self._control.settimeout(REPLY_S)
        self._ready = True
        from sandbox.selftest import require, self_test_child

        try:
            require(self_test_child(self))
        except BaseException:
            self.close()
            raise

    def _died(self) -> SandboxFailure:
        words = self._words.value().decode("utf-8", "replace")[-500:].strip()
        self.close()
        return SandboxFailure(
            "sandbox_failed",
            f"The fork server ended: {words or 'no message'}",
            "Try again; if it happens again, run `assay doctor`.",
        )


def _pid(pidfd: int) -> int:
    """The process behind a descriptor, as this side numbers it; -1 if it has ended."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text("ascii").splitlines():
        if line.startswith("Pid:"):
            return int(line.split()[1])
    return -1
