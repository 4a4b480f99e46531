"""Sources: what each connector reads, what it says about the rest, and what it never follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox.errors import AssayError
from wiki_index.catalog import Catalogue
from wiki_index.cutting import CODE_CHARS, PASSAGE_CHARS, passages
from wiki_index.index import WikiIndex
from wiki_index.page import Page
from wiki_index.sources import Skipped, SourceSpec, read_source
from wiki_index.sources.symbols import symbols

COMMIT = "0123456789abcdef0123456789abcdef01234567"
KERNEL = """#include <cuda.h>
// a comment with a brace {
namespace demo {
template <typename T, int N>
__global__ void __launch_bounds__(128) scale_rows(T* out, const T* in) {
  if (N > 0) { out[threadIdx.x] = in[threadIdx.x]; }
  asm volatile("tcgen05.mma {...};");
}

struct alignas(16) Params { int rows; };

using Tile = Shape<_128, _128>;
}  // namespace demo
extern "C" int launch(int n) { return n; }
"""

PIECES = (
    *("{", "}", ";", "(", ")", '"', "'", "/*", "*/", "//", "\n", "~~~", "\\"),
    *("namespace a ", "struct S ", "template <int N> ", "void f(int x) ", 'extern "C" ', "x = 1"),
    "#define A ",
)


def write(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def front(**fields: object) -> str:
    lines = "\n".join(f"{name}: {json.dumps(value)}" for name, value in fields.items())
    return f"---\n{lines}\n---\n\n"


def pages(kind: str, location: object, name: str = "") -> tuple[dict[str, Page], list[Skipped]]:
    items = list(read_source(SourceSpec(kind=kind, location=str(location), name=name)))
    skipped = [item for item in items if isinstance(item, Skipped)]
    return {item.id: item for item in items if isinstance(item, Page)}, skipped


def kernelwiki(root: Path) -> Path:
    wiki = {
        "hardware/tmem": {"id": "hw-tmem", "type": "hardware", "confidence": "verified"},
        "techniques/split": {"id": "technique-split", "type": "technique", "sources": ["pr-x-7"]},
        "kernels/mla": {
            "id": "kernel-mla",
            "type": "kernel",
            "related": ["technique-split"],
            "performance_claims": [
                {"gpu": "B200", "dtype": "bf16", "shape": "n=1", "metric": "TFLOPS", "value": 10},
                {"gpu": "B200", "value": "fast"},
                "nonsense",
            ],
        },
        "patterns/tail": {
            "id": "pattern-tail",
            "type": "pattern",
            "symptoms": ["tail-effect"],
            "candidate_techniques": ["technique-split"],
        },
        "languages/ptx": {"id": "lang-ptx", "type": "language"},
        "migration/wgmma": {"id": "migration-wgmma", "type": "migration", "from_arch": "sm90"},
    }
    for name, fields in wiki.items():
        text = front(title=name, tags=["x"], **fields) + f"## Overview\n\nabout {name}\n"
        write(root, f"wiki/{name}.md", text)
    sources = {
        "prs/x/PR-7": {
            "id": "pr-x-7",
            "repo": "org/x",
            "pr": 7,
            "date": "2026-01-02",
            "url": "https://github.com/org/x/pull/7",
        },
        "docs/guide": {"id": "doc-guide", "url": "https://example.org/guide"},
        "blogs/post": {"id": "blog-post", "retrieved_at": "2026-03-04", "submissions": [{"a": 1}]},
        "contests/gpu/one": {"id": "contest-one", "submissions": [{"rank": 1}]},
    }
    for name, fields in sources.items():
        write(root, f"sources/{name}.md", front(title=name, **fields) + "text\n")
    return root


def test_a_kernelwiki_tree_of_all_types(tmp_path: Path) -> None:
    found, skipped = pages("kernelwiki", kernelwiki(tmp_path))
    assert not skipped
    assert {page.type for page in found.values()} == {
        *("hardware", "technique", "kernel", "pattern", "language", "migration"),
        *("source-pr", "source-doc", "source-blog", "source-contest"),
    }
    assert found["pr-x-7"].repository == "org/x"
    assert found["pr-x-7"].date == "2026-01-02"
    assert found["blog-post"].date == "2026-03-04"
    assert found["technique-split"].sources[0].url == "https://github.com/org/x/pull/7"
    assert found["technique-split"].evidence == ("pr-x-7",)
    assert [claim.value for claim in found["kernel-mla"].claims] == [10.0]
    assert found["hw-tmem"].confidence == "verified"
    assert found["pr-x-7"].standing == "report"


@pytest.mark.parametrize(
    "text",
    [
        "no frontmatter at all",
        "---\n: [\n---\nbody",
        "---\ntitle: no id\n---\nbody",
        "---\nid: hw-untitled\n---\nbody",
        "---\nid: [hw, list]\ntitle: x\n---\nbody",
        "---\n- a\n- list\n---\nbody",
        "---\nid: hw-tmem\ntitle: taken\n---\nbody",
        "---\nid: hw-bomb\ntitle: " + "[" * 3000 + "\n---\nbody",
        "---\nid: hw-date\ntitle: x\ndate: 2026-13-45\n---\nbody"[:40],
    ],
)
def test_a_malformed_page_is_reported_and_the_rest_is_indexed(tmp_path: Path, text: str) -> None:
    root = kernelwiki(tmp_path / "tree")
    write(root, "wiki/techniques/zz-bad.md", text)
    report = WikiIndex(tmp_path / "index").build(
        [SourceSpec(kind="kernelwiki", location=str(root))]
    )
    assert report.pages == 10
    assert report.skipped == 1
    assert report.problems[0].path.endswith("zz-bad.md")


def test_bytes_that_are_no_text_are_reported(tmp_path: Path) -> None:
    root = kernelwiki(tmp_path)
    (root / "wiki" / "hardware" / "raw.md").write_bytes(b"---\n\xff\xfe\n---\n")
    found, skipped = pages("kernelwiki", root)
    assert len(found) == 10
    assert len(skipped) == 1


def checkout(root: Path) -> Path:
    write(root, ".git/HEAD", "ref: refs/heads/main\n")
    write(root, ".git/packed-refs", f"# pack-refs\n{COMMIT} refs/heads/main\n")
    config = '[remote "origin"]\n\turl = https://user:secret@github.com/org/repo.git\n'
    write(root, ".git/config", config)
    write(root, "LICENSE", "Apache License\n   Version 2.0, January 2004\n")
    write(root, "csrc/scale.cu", KERNEL)
    write(root, "ops/run.py", "import triton\n\n@triton.jit\ndef kernel(x):\n    return x\n")
    write(root, "docs/guide.md", "# The guide\n\nabout sm_100a\n")
    write(root, "csrc/huge.cu", "int x;\n" * 60_000)
    return root


def test_a_checkout_is_cut_at_its_symbols(tmp_path: Path) -> None:
    found, skipped = pages("checkout", checkout(tmp_path), "repo")
    assert set(found) == {"repo/csrc/scale.cu", "repo/ops/run.py", "repo/docs-guide"}
    code = found["repo/csrc/scale.cu"]
    assert code.revision == COMMIT
    assert code.licence == "Apache-2.0"
    assert code.origin == "https://github.com/org/repo"
    assert code.sources[0].url == f"https://github.com/org/repo/blob/{COMMIT}/csrc/scale.cu"
    assert "secret" not in code.model_dump_json()
    headings = [section.heading for section in code.sections()]
    assert {"scale_rows", "Params", "Tile", "launch"} <= set(headings)
    assert found["repo/ops/run.py"].languages == ("triton",)
    assert [item.path for item in skipped] == ["csrc/huge.cu"]


def test_a_symbol_is_read_as_a_section(tmp_path: Path) -> None:
    index = WikiIndex(tmp_path / "index")
    index.build(
        [SourceSpec(kind="checkout", location=str(checkout(tmp_path / "tree")), name="repo")]
    )
    hit = index.search("scale_rows kernel").hits[0]
    assert hit.page_id == "repo/csrc/scale.cu"
    assert "scale_rows" in index.read(hit.page_id, section="scale_rows").text
    assert hit.licence == "Apache-2.0"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=40,
    ),
    st.sampled_from([".cu", ".py"]),
)
@example(["namespace a ", "{", "namespace a ", "}"], ".cu")
def test_no_code_is_lost_whatever_it_looks_like(parts: list[str], suffix: str) -> None:
    text = "".join(parts)
    kept = "".join("".join(symbol.text.split()) for symbol in symbols(text, suffix))
    whole = "".join(text.split())
    # a brace that stands alone between symbols may be left out, a word never
    assert [c for c in kept if c.isalnum()] == [c for c in whole if c.isalnum()]


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.sampled_from("ab #`~|\n-é"), max_size=4000),
    st.sampled_from((PASSAGE_CHARS, CODE_CHARS)),
)
def test_passages_keep_every_word_and_stay_small(text: str, size: int) -> None:
    found = list(passages(text, size))
    assert all(len(piece.text) <= size + 1500 for piece in found)
    shown = "".join(c for piece in found for c in f"{piece.heading}{piece.text}")
    assert text.count("é") <= shown.count("é")
    assert all(piece.text.strip() for piece in found)


def test_pull_requests_in_three_forms(tmp_path: Path) -> None:
    record = {
        "number": 12,
        "title": "Add split-KV\u202e decode",
        "body": "Faster \x1b[31mdecode",
        "url": "https://github.com/org/repo/pull/12",
        "mergedAt": "2026-05-06T07:08:09Z",
        "files": [{"path": "csrc/decode.cu"}],
        "labels": [{"name": "perf"}],
    }
    other = {**record, "number": 13, "url": "https://github.com/org/repo/pull/13"}
    write(tmp_path, "a.json", json.dumps([record, {"number": 1}, "nonsense"]))
    write(tmp_path, "b.jsonl", json.dumps(other) + "\n")
    write(tmp_path, "c.json", "{broken")
    text = front(id="x", pr=14, repo="org/repo", title="As Markdown", date="2026-01-01") + "text"
    write(tmp_path, "d.md", text)
    found, skipped = pages("prs", tmp_path)
    assert set(found) == {"pr-repo-12", "pr-repo-13", "pr-repo-14"}
    page = found["pr-repo-12"]
    assert (page.date, page.repository, page.tags) == ("2026-05-06", "org/repo", ("perf",))
    assert "csrc/decode.cu" in page.body
    assert not {"\x1b", "\u202e"} & set(page.model_dump_json() + page.body)
    assert sorted(item.path for item in skipped) == ["a.json#1", "a.json#2", "c.json"]


def test_an_installed_package_is_read_without_importing_it() -> None:
    found, _ = pages("package", "pluggy")
    page = found["pluggy/pluggy/_hooks.py"]
    assert page.revision
    assert page.licence == "MIT"
    assert "HookCaller" in page.body
    with pytest.raises(AssayError, match="No package"):
        pages("package", "no-such-package-anywhere")


def test_markdown_without_frontmatter(tmp_path: Path) -> None:
    write(tmp_path, "notes/deep/One Note.md", "# A title\n\nbody")
    write(tmp_path, "node_modules/x.md", "# no")
    found, _ = pages("markdown", tmp_path, "notes")
    assert set(found) == {"notes/notes-deep-one-note"}
    assert found["notes/notes-deep-one-note"].title == "A title"


@pytest.mark.parametrize("kind", ["markdown", "kernelwiki", "checkout", "prs", "pages"])
def test_links_out_of_a_source_are_not_followed(tmp_path: Path, kind: str) -> None:
    secret = write(tmp_path / "elsewhere", "secret.md", front(id="hw-secret", title="s") + "secret")
    code = write(tmp_path / "elsewhere", "secret.cu", "int secret;")
    root = tmp_path / "tree"
    (root / "wiki").mkdir(parents=True)
    (root / "wiki" / "link.md").symlink_to(secret)
    (root / "wiki" / "link.cu").symlink_to(code)
    (root / "wiki" / "all").symlink_to(tmp_path / "elsewhere")
    assert pages(kind, root) == ({}, [])


def test_the_catalogue(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "index")
    spec = catalogue.add("markdown", str(tmp_path))
    assert catalogue.all() == [spec]
    for kind, location, code in (
        ("markdown", str(tmp_path), "source_exists"),
        ("nonsense", str(tmp_path), "unknown_source_kind"),
        ("markdown", str(tmp_path / "none"), "missing_source"),
        ("package", "no-such-package-anywhere", "missing_source"),
    ):
        with pytest.raises(AssayError) as caught:
            catalogue.add(kind, location)
        assert caught.value.code == code
    assert catalogue.remove(spec.name) == spec
    with pytest.raises(AssayError):
        catalogue.remove(spec.name)
    assert catalogue.all() == []
