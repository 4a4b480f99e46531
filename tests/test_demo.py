"""The demonstration is a test: it fails when any of its steps goes otherwise."""

from __future__ import annotations

import pytest

from tools.demo.harness import assay_json


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demonstration_goes_as_it_should() -> None:
    document = assay_json("demo")
    wrong = [step for step in document["steps"] if not step["ok"]]
    assert not wrong
    assert document["ok"]
    assert len(document["steps"]) >= 18
