"""Versions of an index: what a build reuses, what can be gone back to, what a reader sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.errors import AssayError
from tests.wiki.test_index import page
from tests.wiki.test_sources import kernelwiki
from wiki_index.index import KEPT, WikiIndex
from wiki_index.sources.base import SourceSpec
from wiki_index.store import Store
from wiki_index.worker import WikiClient


def test_one_can_go_back_and_on_again(tmp_path: Path) -> None:
    root, place = tmp_path / "p", tmp_path / "index"
    page(root, "tool-a", "about wgmma")
    index = WikiIndex(place)
    first = index.build([root]).version
    page(root, "tool-a", "about mbarrier")
    second = index.build([root]).version
    assert index.search("wgmma").hits == ()
    with WikiClient(place) as client:
        assert client.rollback().version == first
        assert client.search("wgmma").hits
        assert [v.current for v in client.stats().versions] == [False, True]
    assert index.search("wgmma").hits  # another reader follows the pointer
    with pytest.raises(AssayError) as caught:
        index.rollback()
    assert caught.value.code == "unknown_version"
    assert index.rollback(second).current
    assert index.search("mbarrier").hits
    with pytest.raises(AssayError):
        index.rollback("../../etc")


def test_old_versions_are_removed(tmp_path: Path) -> None:
    index = WikiIndex(tmp_path / "index")
    for number in range(KEPT + 3):
        page(tmp_path / "p", "tool-a", f"about wgmma {number}")
        index.build([tmp_path / "p"])
    assert len(index.versions()) == KEPT
    assert len(list((tmp_path / "index").glob("v*"))) == KEPT


def test_a_text_is_embedded_once(tmp_path: Path) -> None:
    root = tmp_path / "p"
    page(root, "tool-a", "about wgmma and descriptors")
    index = WikiIndex(tmp_path / "index")
    index.build([root])
    store = Store(tmp_path / "index" / "lance")
    before = store.vectors()
    page(root, "tool-a", "about wgmma and descriptors", tags="[new-tag]")
    assert index.build([root]).changed == 1
    assert index._embedder._session is not None
    fresh = WikiIndex(tmp_path / "index")
    page(root, "tool-a", "about wgmma and descriptors", tags="[other-tag]")
    assert fresh.build([root]).changed == 1
    assert fresh._embedder._session is None  # the passage was not embedded again
    assert Store(tmp_path / "index" / "lance").vectors().keys() == before.keys()


def test_a_build_that_stopped_half_way_is_finished(tmp_path: Path) -> None:
    root = tmp_path / "p"
    for number in range(3):
        page(root, f"tool-{number}", f"about wgmma {number}")
    index = WikiIndex(tmp_path / "index")
    index.build([root])
    store = Store(tmp_path / "index" / "lance")
    store.pages.delete("page_id = 'tool-1'")  # its passages were written, its row was not
    report = index.build([root])
    assert (report.changed, report.sections) == (1, 3)
    assert {hit.page_id for hit in index.search("wgmma").hits} == {"tool-0", "tool-1", "tool-2"}


def test_progress_is_told(tmp_path: Path) -> None:
    page(tmp_path / "p", "tool-a", "about wgmma")
    seen: list[tuple[str, int, int]] = []
    with WikiClient(tmp_path / "index") as client:
        spec = SourceSpec(kind="pages", location=str(tmp_path / "p"))
        client.build([spec], on_progress=lambda *told: seen.append(told))
        assert client.search("wgmma").hits
    assert ("indexing", 1, 1) in seen


def test_a_denied_address_is_not_shown_by_others(tmp_path: Path) -> None:
    root = tmp_path / "p"
    page(
        root, "tool-secret", "wgmma", sources="[{title: t, url: 'https://git.example/answer/one'}]"
    )
    page(root, "tool-open", "wgmma: see https://git.example/answer/one, and tool-secret.")
    for index, deny in (
        (WikiIndex(tmp_path / "index"), ["https://git.example/answer*"]),
        (WikiIndex(tmp_path / "index", deny=["https://GIT.example/answer*"]), []),
    ):
        index.build([root], deny=deny)
        shown = f"{index.search('wgmma', expand='graph')}{index.read('tool-open')}"
        assert "tool-secret" not in shown
        assert ("git.example" in shown) is (deny != [])  # the index does not know what readers deny


@pytest.mark.parametrize("late", [False, True])
def test_what_cites_a_withheld_source_does_not_name_it(tmp_path: Path, late: bool) -> None:
    tree = kernelwiki(tmp_path / "tree")
    deny = ["pr-x-7"]
    index = WikiIndex(tmp_path / "index", deny=deny if late else ())
    spec = SourceSpec(kind="kernelwiki", location=str(tree))
    assert index.build([spec], deny=() if late else deny).withheld == (0 if late else 1)
    answer = index.search("techniques/split", expand="graph")
    assert "technique-split" in {hit.page_id for hit in answer.hits}
    shown = f"{answer}{index.read('technique-split')}{index.read('kernel-mla')}"
    for secret in ("pr-x-7", "org/x", "PR-7"):
        assert secret not in shown


def test_published_contest_answers_are_always_withheld(tmp_path: Path) -> None:
    url = "https://github.com/mit-han-lab/mlsys2026-flashinfer-contest-solution/pull/1"
    page(tmp_path / "p", "kernel-answer", "wgmma", sources=f"[{{title: t, url: '{url}'}}]")
    page(tmp_path / "p", "kernel-other", f"wgmma, compare {url}")
    index = WikiIndex(tmp_path / "index")
    assert index.build([tmp_path / "p"]).withheld == 1
    shown = f"{index.search('wgmma')}{index.read('kernel-other')}"
    assert "contest-solution" not in shown
    assert "kernel-answer" not in shown
