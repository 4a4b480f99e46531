"""The parent's side: real reports, damaged ones, hostile ones, and a worker that misbehaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ncu import reader
from ncu.reader import read_report, run_worker
from ncu.report import ReportSummary
from sandbox.errors import AssayError

ROOT = Path(reader.__file__).parents[1]


def refused(path: Path, **options: object) -> AssayError:
    with pytest.raises(AssayError) as caught:
        read_report(path, **options)  # type: ignore[arg-type]
    return caught.value


def test_every_launch_is_read(report: ReportSummary) -> None:
    assert [kernel.short_name for kernel in report.kernels] == [
        "scatter_rows",
        "column_sums",
        "scale_stream",
        "chase",
        "polynomial",
        "polynomial",
        "local_table",
    ]
    assert [kernel.index for kernel in report.kernels] == list(range(7))
    assert report.device == "NVIDIA H200"
    assert report.ncu_version == "2025.3.1.0"


def test_what_is_read_is_what_was_launched(report: ReportSummary) -> None:
    chase = report.kernels[3]
    assert chase.name == "chase(const int *, int *, int)"
    assert chase.launch.grid == (132, 1, 1)
    assert chase.launch.block == (128, 1, 1)
    assert chase.launch.cluster is None
    assert chase.launch.sm_count == 132
    assert report.kernels[1].launch.static_shared_bytes == 32 * 32 * 4
    assert report.kernels[4].compute_throughput_pct == pytest.approx(94.7, abs=1)
    for kernel in report.kernels:
        assert kernel.duration_us is not None
        assert 10 < kernel.duration_us < 10_000
        assert kernel.stalls
        assert kernel.rules


def test_rules_carry_their_estimates(report: ReportSummary) -> None:
    rules = [rule for kernel in report.kernels for rule in kernel.rules]
    estimated = [rule for rule in rules if rule.estimated_speedup_pct is not None]
    assert estimated
    assert all(rule.scope is not None for rule in estimated)
    assert all(rule.name and rule.section for rule in rules)
    assert not any("@url" in rule.message or "@section" in rule.message for rule in rules)


def test_absent_is_none_not_zero(small_report_path: Path) -> None:
    (kernel,) = read_report(small_report_path).kernels
    assert kernel.compute_throughput_pct == pytest.approx(16, abs=2)
    assert kernel.dram_throughput_pct is None
    assert kernel.l2_hit_pct is None
    assert kernel.achieved_occupancy_pct is None
    assert kernel.stalls == ()
    assert kernel.rules == ()


@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.99])
def test_truncated_is_refused_not_read_as_smaller(
    report_path: Path, tmp_path: Path, part: float
) -> None:
    content = report_path.read_bytes()
    cut = tmp_path / "cut.ncu-rep"
    cut.write_bytes(content[: int(len(content) * part)])
    assert refused(cut).code == "unreadable_report"


def test_cut_between_two_blocks_is_still_a_report(small_report_path: Path, tmp_path: Path) -> None:
    """What a walk over the blocks cannot see: stated here so that nobody believes otherwise."""
    content = small_report_path.read_bytes()
    first_block = 8 + int.from_bytes(content[4:8], "little")
    length = int.from_bytes(content[first_block : first_block + 4], "little")
    cut = tmp_path / "cut.ncu-rep"
    cut.write_bytes(content[: first_block + 4 + length])
    assert read_report(cut).kernels == ()


@pytest.mark.parametrize("content", [b"", b"hello", b"NV", b"\x7fELF" + bytes(64)])
def test_other_files_are_not_reports(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.ncu-rep"
    path.write_bytes(content)
    assert refused(path).code == "not_a_report"


def test_huge_lengths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.ncu-rep"
    path.write_bytes(b"NVR\0" + b"\xff" * 200)
    assert refused(path).code == "unreadable_report"


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_never_escapes_the_worker(
    data: st.DataObject, small_report_path: Path, tmp_path: Path
) -> None:
    content = bytearray(small_report_path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.ncu-rep"
    path.write_bytes(content)
    try:
        read_report(path, timeout_s=30)
    except AssayError as error:
        assert error.code in {"unreadable_report", "report_too_large", "report_too_new"}


def test_a_report_of_a_later_ncu_says_so(small_report_path: Path, tmp_path: Path) -> None:
    content = small_report_path.read_bytes()
    later = content.replace(b"2025.3.1.0 (build", b"2099.3.1.0 (build")
    path = tmp_path / "later.ncu-rep"
    path.write_bytes(later)
    assert any("2099.3.1.0" in warning for warning in read_report(path).warnings)


def test_results_that_the_reader_skips_are_an_error(
    small_report_path: Path, tmp_path: Path
) -> None:
    """NVIDIA's reader answers an unknown format version with an empty report, not an error."""
    content = bytearray(small_report_path.read_bytes())
    content[9] = 0  # the format version
    path = tmp_path / "version.ncu-rep"
    path.write_bytes(content)
    assert refused(path).code == "unreadable_report"
    path.write_bytes(bytes(content).replace(b"2025.3.1.0 (build", b"2099.3.1.0 (build"))
    error = refused(path)
    assert error.code == "report_too_new"
    assert "ncu-report" in error.hint


def test_missing_and_large_files(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent.ncu-rep").code == "unreadable_report"
    path = tmp_path / "large.ncu-rep"
    path.write_bytes(b"NVR\0" + bytes(100))
    assert refused(path, max_bytes=50).code == "report_too_large"


def test_missing_dependency_names_the_install_line(small_report_path: Path, tmp_path: Path) -> None:
    """The same worker in an interpreter that cannot see the reader."""
    blocked = "import sys; sys.modules['ncu_report'] = None; from ncu.read import main; main()"

    def run(argv: object, timeout_s: float) -> bytes:
        return run_worker([sys.executable, "-B", "-c", blocked, str(small_report_path)], timeout_s)

    error = refused(small_report_path, run=run)
    assert error.code == "ncu_report_missing"
    assert 'pip install "kernel-assay[ncu]"' in error.hint


@pytest.mark.parametrize(
    "printed",
    [
        b"",
        b"not json",
        b"{}",
        b'{"summary": {"kernels": [{"index": 0}]}}',
        b'{"summary": {"surprise": 1}}',
        b'{"summary": {"kernels": [{"index": 0, "name": "k", "short_name": "k", '
        b'"duration_us": "NaN"}]}}',
    ],
)
def test_answers_are_validated(small_report_path: Path, printed: bytes) -> None:
    assert refused(small_report_path, run=lambda argv, timeout_s: printed).code == (
        "unreadable_report"
    )


def test_a_hanging_worker_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    began = time.monotonic()
    with pytest.raises(AssayError, match="longer than 2 s"):
        run_worker([sys.executable, "-S", "-c", code], 2)
    assert time.monotonic() - began < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_a_flooding_worker_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ANSWER_BYTES", 1 << 20)
    flood = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with pytest.raises(AssayError) as caught:
        run_worker([sys.executable, "-S", "-c", flood], 20)
    assert caught.value.code == "report_too_large"


def test_the_worker_sees_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TOKEN", "secret-of-the-server")
    shown = run_worker([sys.executable, "-S", "-c", "import os; print(dict(os.environ))"], 20)
    assert b"secret" not in shown


def test_the_worker_limits_itself() -> None:
    code = (
        "import json, resource; from ncu.read import limit; limit(); "
        "print(json.dumps([resource.getrlimit(w) for w in (resource.RLIMIT_AS, "
        "resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)]))"
    )
    memory, cpu, files, size = json.loads(run_worker([sys.executable, "-B", "-c", code], 20))
    assert memory[1] <= 4 << 30
    assert 0 < cpu[1] <= 120
    assert files[1] <= 64
    assert size == [0, 0]


def test_running_out_of_memory_is_an_answer(small_report_path: Path) -> None:
    """A worker with almost no memory ends with an error, not with a partial summary."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (48 << 20, 48 << 20)); "
        "from ncu.read import main; main()"
    )

    def run(argv: object, timeout_s: float) -> bytes:
        return run_worker([sys.executable, "-B", "-c", code, str(small_report_path)], timeout_s)

    assert refused(small_report_path, run=run).code in {"unreadable_report", "report_too_large"}


def test_the_parent_never_loads_the_native_reader(small_report_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ncu.reader import read_report; "
        f"read_report(Path({str(small_report_path)!r})); "
        "assert not {m for m in sys.modules if m.startswith(('ncu_report', '_ncu_report'))}"
    )
    subprocess.run([sys.executable, "-B", "-c", code], cwd=ROOT, check=True, timeout=60)
