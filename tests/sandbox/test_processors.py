"""Which processors are for what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sandbox.box import Command, Limits, Sandbox
from sandbox.processors import FIRST, PROCESSORS, for_builds, for_runners, for_the_judge, may_prefer
from sandbox.runtime import bare_python


@given(st.sets(st.integers(0, 255), min_size=2))
def test_nobody_is_on_the_runners_processors(found: set[int]) -> None:
    processors = sorted(found)
    runners, judge = set(for_runners(processors)), set(for_the_judge(processors))
    assert runners and judge
    assert runners | judge == found
    assert not runners & judge
    if len(processors) > 2:
        assert not runners & set(for_builds(processors))


def test_few_processors_are_shared() -> None:
    assert for_runners([3]) == for_the_judge([3]) == for_builds([3]) == (3,)
    assert for_builds([3, 5]) == (3, 5)


def test_whether_it_may_is_tried_without_doing_it() -> None:
    assert may_prefer() or os.geteuid() != 0
    assert os.getpriority(os.PRIO_PROCESS, 0) > FIRST


UNPRIVILEGED = """
import os
from sandbox.processors import may_prefer, prefer
if os.geteuid() == 0:
    os.setuid(12345)
prefer(os.getpid())
print(may_prefer(), os.getpriority(os.PRIO_PROCESS, 0) >= 0)
"""


def test_who_may_not_goes_on_as_everybody_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False True\n"


def test_a_command_is_where_builds_are(sandbox: Sandbox) -> None:
    code = "import json, os; print(json.dumps(sorted(os.sched_getaffinity(0))))"
    done = sandbox.run(Command(argv=(bare_python(), "-I", "-c", code), limits=Limits(wall_s=20.0)))
    assert tuple(json.loads(done.stdout)) == for_builds(PROCESSORS)
