"""The attacks on a real GPU: those that only a GPU allows, and the others that are not C++ for the host."""

from __future__ import annotations

import pytest

from sandbox.gpu import find_gpus
from tests.adversarial import gpu_attacks
from tests.adversarial.conftest import RunAttack, check_outcome, gpu_suite, load_attacks

ATTACKS = gpu_suite()


@pytest.mark.gpu
@pytest.mark.skipif(not find_gpus(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("name", sorted(ATTACKS))
@pytest.mark.timeout(120)
def test_attack(name: str, run_attack: RunAttack) -> None:
    check_outcome(ATTACKS[name], run_attack(ATTACKS[name], "cuda:0"))


def test_the_suite_is_what_it_says() -> None:
    kinds = [attack.EXPECT for attack in load_attacks(gpu_attacks).values()]
    assert len(kinds) >= 24
    assert kinds.count("accepted") >= 4
