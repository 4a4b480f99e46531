"""Every attack file through the real judge, beside honest controls.

An attack must not end with an accepted wrong output or a latency below its work. `EXPECT` says which
way it must end: `rejected`; `accepted` (a control, or an attack that finds nothing); `slow` (honest
work, honestly slow); `not faster` (the baseline's own work, with an attack on the comparison); or
`harmless` (rejected or not faster, as it happens to go).
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

from tests.adversarial import attacks
from tests.adversarial.conftest import RunAttack
from tests.judge.conftest import HONEST, Bench

ATTACKS: dict[str, ModuleType] = {
    module.name: importlib.import_module(f"{attacks.__name__}.{module.name}")
    for module in pkgutil.iter_modules(attacks.__path__)
}


@pytest.mark.parametrize("name", sorted(ATTACKS))
@pytest.mark.timeout(120)
def test_attack(name: str, run_attack: RunAttack) -> None:
    attack = ATTACKS[name]
    result = run_attack(attack)
    (workload,) = result.workloads
    if attack.EXPECT == "rejected" or (attack.EXPECT == "harmless" and not result.passed):
        assert not result.passed, name
        assert workload.latency_us is None
        assert result.speedup_geomean is None
        assert workload.reason
        assert getattr(attack, "WORDS", "") in workload.reason
        return
    assert result.passed, workload
    assert workload.latency_us is not None
    if attack.EXPECT in ("not faster", "harmless"):
        assert workload.speedup_low is not None
        assert workload.speedup_low < 1.2  # what is proved, however busy the machine is
    if attack.EXPECT == "slow":
        assert workload.speedup_low is not None
        assert workload.speedup_low < 0.6  # it is not proved that five times the work is like one


def test_the_judge_is_unharmed_afterwards(bench: Bench, run_attack: RunAttack) -> None:
    for name in ("kill_others", "exit_zero", "huge_reply"):
        assert not run_attack(ATTACKS[name]).passed
    assert bench(HONEST).passed


def test_the_suite_is_what_it_says() -> None:
    kinds = [attack.EXPECT for attack in ATTACKS.values()]
    assert kinds.count("rejected") >= 60
    assert kinds.count("accepted") >= 8
    assert all(attack.__doc__ for attack in ATTACKS.values())
