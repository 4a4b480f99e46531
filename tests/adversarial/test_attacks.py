"""Every attack file through the real judge, beside honest controls.

An attack must not end with an accepted wrong output or a latency below its work. `EXPECT` says which
way it must end: `rejected`; `accepted` (a control, or an attack that finds nothing); `slow` (honest
work, honestly slow); `not faster` (the baseline's own work, with an attack on the comparison);
`bounded` (it gains something, which the threat model names, but little of what it could); or `harmless`
(rejected or not faster, as it happens to go). `WORDS` must be in the reason, `BOUND` must be what the latency
is bounded by: so that an attack which no longer does what it says is found.
"""

from __future__ import annotations

import pytest

from tests.adversarial import attacks
from tests.adversarial.conftest import RunAttack, check_outcome, load_attacks
from tests.judging import HONEST, Bench

ATTACKS = load_attacks(attacks)


@pytest.mark.parametrize("name", sorted(ATTACKS))
@pytest.mark.timeout(120)
def test_attack(name: str, run_attack: RunAttack) -> None:
    check_outcome(ATTACKS[name], run_attack(ATTACKS[name]))


def test_the_judge_is_unharmed_afterwards(bench: Bench, run_attack: RunAttack) -> None:
    for name in ("kill_others", "exit_zero", "huge_reply"):
        assert not run_attack(ATTACKS[name]).passed
    assert bench(HONEST).passed


def test_the_suite_is_what_it_says() -> None:
    kinds = [attack.EXPECT for attack in ATTACKS.values()]
    assert kinds.count("rejected") >= 60
    assert kinds.count("accepted") >= 8
    assert all(attack.__doc__ for attack in ATTACKS.values())
