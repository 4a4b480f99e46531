"""The same sandbox when the server is not root: a user namespace does what root did."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEM_PYTHON = Path("/usr/bin/python3")
UNPRIVILEGED = 65534

PROGRAM = r"""
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sandbox.box import Command, Limits, open_sandbox
from sandbox.errors import CandidateFailure
from sandbox.selftest import self_test, self_test_child
from sandbox.warm import Zygote
box = open_sandbox(Path(sys.argv[2]))
result = self_test(box)
print(result.ok, [c for c in result.checks if not c.ok])
done = box.run(Command(argv=("/bin/sh", "-c", "id -u; sleep 60 & sleep 60"), limits=Limits(wall_s=1)))
print(done.timed_out, done.stdout)
hog = "import time; kept = bytearray(200 << 20); time.sleep(9)"
try:
    box.run(Command(argv=(sys.executable, "-c", hog), limits=Limits(memory_bytes=100 << 20)))
except CandidateFailure as failure:
    print(failure.code)
with box.start(Command(argv=("/bin/sleep", "30"))) as process:
    process.namespace.pause()
    states = {
        Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        for pid in process.namespace.inside()
    }
    print(states)
zygote = Zygote(box, imports=())
result = self_test_child(zygote)
print(result.ok, [c for c in result.checks if not c.ok])
zygote.close()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="needs a Python that others can start")
def test_as_another_user(tmp_path: Path) -> None:
    library = Path("/tmp") / f"assay-library-{os.getpid()}"
    work = Path("/tmp") / f"assay-work-{os.getpid()}"
    source = Path(__file__).resolve().parents[2] / "sandbox"
    try:
        shutil.copytree(source, library / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
        library.chmod(0o755)
        work.mkdir(mode=0o700)
        os.chown(work, UNPRIVILEGED, UNPRIVILEGED)
        done = subprocess.run(
            [str(SYSTEM_PYTHON), "-B", "-c", PROGRAM, str(library), str(work)],
            user=UNPRIVILEGED,
            group=UNPRIVILEGED,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
        )
    finally:
        shutil.rmtree(library, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "True []"
    assert lines[1].startswith("True b'65534")
    assert lines[2] == "out_of_memory"
    assert lines[3] == "{'T'}"
    assert lines[4] == "True []"
