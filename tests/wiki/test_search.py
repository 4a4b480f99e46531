"""Search on real parts: what words, names, descriptions and filters find, and what is not found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ncu.patterns import PATTERNS
from sandbox.errors import AssayError
from tests.wiki.test_index import PAGES, page
from wiki_index.embedding import WIDTH, Embedder, _pieces
from wiki_index.index import WikiIndex
from wiki_index.page import Page, read_page
from wiki_index.precomputed import texts, vectors
from wiki_index.quantities import disagreements, figures
from wiki_index.vocabulary import MARK, vocabulary

QUERIES = Path(__file__).resolve().parents[2] / "benchmarks" / "queries"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> WikiIndex:
    index = WikiIndex(tmp_path_factory.mktemp("wiki"))
    index.build([PAGES])
    return index


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> WikiIndex:
    """Pages made for filters, names and trails."""
    root = tmp_path_factory.mktemp("pages")
    page(root, "hardware-a", "tcgen05.mma writes its accumulator", title="Tensor cores")
    page(root, "hardware-b", "a pair of blocks with cta_group::2", title="Pairs")
    page(
        root,
        "pattern-tail",
        "the last wave leaves SMs idle",
        symptoms="[tail-effect]",
        candidate_techniques="[technique-persistent]",
        title="Tail effect",
    )
    page(
        root,
        "technique-persistent",
        "one block per SM loops over tiles",
        related="[kernel-gemm, pattern-tail]",
        techniques="[persistent-kernel]",
        title="Persistent kernels",
    )
    page(
        root,
        "kernel-gemm",
        "a GEMM with persistent tiles: wgmma, wgmma",
        kernel_types="[gemm]",
        languages="[cuda-cpp]",
        repository="org/gemm",
        date="2026-05-01",
    )
    page(root, "kernel-old", "wgmma in an older kernel", date="2024-01-01", repository="org/old")
    index = WikiIndex(tmp_path_factory.mktemp("small"))
    index.build([root])
    return index


@pytest.mark.parametrize(
    ("query", "expected"),
    [("UMMA", "hardware-a"), ("2CTA", "hardware-b"), ("2-SM", "hardware-b")],
)
def test_another_name_of_a_concept_finds_it(small: WikiIndex, query: str, expected: str) -> None:
    assert small.search(query).hits[0].page_id == expected


def test_plain_words_find_what_they_describe(small: WikiIndex) -> None:
    query = "almost all processors are done and a few leftover pieces of work keep the rest waiting"
    assert small.search(query).hits[0].page_id == "pattern-tail"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"kernel_type": "gemm"}, {"kernel-gemm"}),
        ({"language": "CUDA-CPP"}, {"kernel-gemm"}),
        ({"repository": "old"}, {"kernel-old"}),
        ({"repository": "org/gemm"}, {"kernel-gemm"}),
        ({"since": "2025-01-01"}, {"kernel-gemm"}),
        ({"type": "kernel", "since": "2020"}, {"kernel-gemm", "kernel-old"}),
        ({"kernel_type": "gemm", "repository": "old"}, set()),
    ],
)
def test_filters(small: WikiIndex, filters: dict[str, str], expected: set[str]) -> None:
    answer = small.search("wgmma", **filters)
    assert {hit.page_id for hit in answer.hits} == expected
    assert bool(answer.note) == (not expected)


def test_a_filter_value_that_does_not_exist_names_those_that_do(small: WikiIndex) -> None:
    answer = small.search("tiles", technique="persistant kernel")
    assert "persistent-kernel" in answer.note
    assert small.search("tiles", technique="persistent kernel").hits
    assert small.search("idle SMs", symptom="tail effect").hits[0].page_id == "pattern-tail"


def test_a_date_that_is_none_is_said(small: WikiIndex) -> None:
    with pytest.raises(AssayError) as caught:
        small.search("wgmma", since="yesterday")
    assert caught.value.code == "invalid_filter"


def test_an_index_of_no_pages_answers(tmp_path: Path) -> None:
    page(tmp_path / "p", "tool-a", "about wgmma")
    index = WikiIndex(tmp_path / "index")
    index.build([tmp_path / "p"], deny=["tool-*"])
    assert index.search("wgmma", expand="graph").hits == ()


def test_a_trail_leads_from_the_symptom_to_the_evidence(small: WikiIndex) -> None:
    (trail,) = small.search("the last wave leaves most SMs idle", expand="graph").trails
    assert trail.pattern is not None
    assert trail.pattern.page_id == "pattern-tail"
    assert [item.page_id for item in trail.techniques] == ["technique-persistent"]
    assert [item.page_id for item in trail.evidence] == ["kernel-gemm"]
    assert small.search("last wave", expand=None).trails == ()


def test_answers_name_the_version_of_the_index(small: WikiIndex) -> None:
    answer = small.search("wgmma")
    assert "MiniLM" in answer.index_version
    assert answer.index_version == small.read("kernel-gemm").index_version
    assert small.search("zzzz qqqq").index_version == answer.index_version


def test_questions_on_other_matters_get_no_answer(shipped: WikiIndex) -> None:
    strangers = QUERIES.joinpath("off_topic.txt").read_text("utf-8").splitlines()
    answered = [text for text in strangers if shipped.search(text).hits]
    assert len(answered) <= 0.1 * len(strangers), answered


@pytest.mark.parametrize("query", sorted({pattern.wiki_query for pattern in PATTERNS}))
def test_what_a_profile_tells_one_to_ask_has_an_answer(shipped: WikiIndex, query: str) -> None:
    types = [hit.type for hit in shipped.search(query, k=5).hits]
    assert {"pattern", "technique", "hardware"} & set(types)


def test_a_page_of_half_a_megabyte_is_found_by_one_sentence(tmp_path: Path) -> None:
    # the same words in all parts: the text of a part is then embedded only once
    filler = "\n\n".join("### Part\n\n" + "general words about layouts. " * 40 for _ in range(420))
    page(
        tmp_path / "p",
        "language-long",
        f"{filler}\n\n## Rare\n\nthe flag --frobnicate_tiles is set",
    )
    page(tmp_path / "p", "language-short", "general words about layouts")
    index = WikiIndex(tmp_path / "index")
    report = index.build([tmp_path / "p"])
    assert report.sections > 400
    hit = index.search("--frobnicate_tiles").hits[0]
    assert (hit.page_id, hit.heading) == ("language-long", "Rare")
    assert "frobnicate_tiles" in hit.snippet
    assert index.read("language-long", max_chars=10**9).truncated


def test_pages_that_disagree_on_a_figure_say_so(tmp_path: Path) -> None:
    page(tmp_path / "p", "hardware-x", "B200 has 148 SMs in total.")
    page(tmp_path / "p", "hardware-y", "On B200 (142 SMs) the last wave is short.")
    page(tmp_path / "p", "hardware-z", "H100 has 132 SMs. On B200 there are 148 SMs.")
    index = WikiIndex(tmp_path / "index")
    index.build([tmp_path / "p"])
    found = {hit.page_id: hit.conflicts for hit in index.search("SMs of B200").hits}
    (conflict,) = found["hardware-y"]
    assert (conflict.here, conflict.there) == ("142", "148")
    assert {c.other_page for c in found["hardware-x"]} == {"hardware-y"}
    blind = WikiIndex(tmp_path / "index", deny=["hardware-y"])
    assert all(not hit.conflicts for hit in blind.search("SMs of B200").hits)


def test_a_page_that_compares_values_contradicts_nobody() -> None:
    def make(name: str, body: str) -> Page:
        return Page(
            id=name, title=name, type="hardware", confidence="inferred", sources=(), body=body
        )

    one = make("one", "B200 has 148 SMs. With a part disabled B200 has 142 SMs.")
    two = make("two", "B200 has 148 SMs.")
    three = make("three", "Some list B200 with 142 SMs: wrong.")
    four = make("four", "B200 has 142 SMs.")
    assert not disagreements([*figures(one), *figures(two), *figures(three)])
    assert disagreements([*figures(two), *figures(four)])


def test_every_shipped_passage_has_its_vector() -> None:
    missing = texts().keys() - vectors().keys()
    assert not missing, "run: python -m wiki_index.precomputed"


def test_the_model_reads_as_it_was_trained() -> None:
    assert _pieces("Hello, world!") == [101, 7592, 1010, 2088, 999, 102]
    assert _pieces("") == [101, 102]
    assert len(_pieces("word " * 1000)) == 160
    near, far, query = Embedder().all(
        ["a table of cached keys in pages", "how to bake bread", "paged cache of keys"]
    )
    assert near.shape == (WIDTH,)
    assert np.isclose(near @ near, 1.0, atol=1e-4)
    assert near @ query > far @ query + 0.3


def test_the_vocabulary_is_whole() -> None:
    held = vocabulary()
    assert len(held.concepts) == len({concept.token for concept in held.concepts}) >= 100
    assert all(concept.token.startswith(MARK) and concept.plain for concept in held.concepts)
    assert held.named(["flash", "attention"]) == [f"{MARK}flash-attention"]
    taken: dict[tuple[str, ...], str] = {}
    for concept in held.concepts:
        for name in concept.names:
            assert taken.setdefault(name, concept.token) == concept.token, name


def test_shipped_pages_can_be_read_one_by_one() -> None:
    path = sorted(PAGES.rglob("*.md"))[0]
    assert read_page(path, PAGES).passages()
