"""What the report says about real cubins, checked against NVIDIA's tools and against what was written."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.box import Sandbox
from sandbox.build import KernelReport, TargetReport, compare, compile_solution
from sandbox.build.disassemble import Machine, disassemble, instructions, parse
from sandbox.build.models import CompileOptions, CompileReport
from sandbox.build.occupancy import chip_of, registers_for_more, residency
from sandbox.build.sass import group, loops
from sandbox.build.toolchain import find_disassembler
from sandbox.errors import AssayError
from tests.sandbox.test_build import solution

SOURCES = Path(__file__).with_name("sources")
KNOWN = Path(__file__).resolve().parents[2] / "kernels" / "reports" / "known.cu"
CASES = [
    ("plain", "sm_90a"),
    ("plain", "sm_100a"),
    ("hopper", "sm_90a"),
    ("blackwell", "sm_100a"),
    ("known", "sm_90a"),
    ("known", "sm_100a"),
]


@cache
def compiled(name: str, target: str, sandbox: Sandbox) -> CompileReport:
    source = (KNOWN if name == "known" else SOURCES / f"{name}.cu").read_text("utf-8")
    report = compile_solution(solution("cuda", f"{name}.cu", source), [target], sandbox)
    assert report.ok, report.targets
    return report


def cubin(report: CompileReport) -> bytes:
    return next(product.content for product in report.products if product.kind == "cubin")


def kernels(name: str, target: str, sandbox: Sandbox) -> dict[str, KernelReport]:
    return {k.name: k for k in compiled(name, target, sandbox).targets[0].kernels}


def hint_ids(kernel: KernelReport) -> set[str]:
    return {hint.id for hint in kernel.hints}


def machines(name: str, target: str, sandbox: Sandbox) -> tuple[Machine, ...]:
    content = cubin(compiled(name, target, sandbox))
    return disassemble(content, find_disassembler(), sandbox).kernels


@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_instruction_is_read(
    sandbox: Sandbox, tmp_path: Path, name: str, target: str
) -> None:
    """Against nvdisasm's JSON, which is another output of it than the one that is parsed."""
    file = tmp_path / "k.cubin"
    file.write_bytes(cubin(compiled(name, target, sandbox)))
    shown = subprocess.run(
        [find_disassembler().nvdisasm, "-json", file], capture_output=True, check=True
    )
    expected: Counter[str] = Counter()
    for function in json.loads(shown.stdout)[1]:
        expected += Counter(i["opcode"] for i in function["sass-instructions"])
    del expected["NOP"]
    read = machines(name, target, sandbox)
    assert Counter(i.opcode for machine in read for i in machine.instructions) == expected


@pytest.mark.parametrize(("name", "target"), CASES)
def test_resources_are_those_that_the_tools_print(
    sandbox: Sandbox, tmp_path: Path, name: str, target: str
) -> None:
    report = compiled(name, target, sandbox)
    file = tmp_path / "k.cubin"
    file.write_bytes(cubin(report))
    shown = subprocess.run(
        [find_disassembler().cuobjdump, "-res-usage", file], capture_output=True, text=True
    ).stdout
    read = {m.name: m for m in machines(name, target, sandbox)}
    for kernel in report.targets[0].kernels:
        symbol = read[kernel.name].kernel
        assert f"{symbol}:\n  REG:{kernel.registers} STACK:{kernel.stack_bytes} " in shown
        # ptxas leaves out what the system reserves
        assert read[kernel.name].shared_bytes - kernel.static_shared_bytes in (0, 1024)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_every_kind_of_instruction_has_a_name(sandbox: Sandbox, name: str, target: str) -> None:
    for machine in machines(name, target, sandbox):
        assert {i.opcode for i in machine.instructions if group(i) == "other"} == set()


@pytest.mark.parametrize("target", ["sm_90a", "sm_100a"])
@pytest.mark.parametrize(
    ("kernel", "kinds"),
    [
        ("bulk_copy", {"tma", "mbarrier", "barrier", "fence"}),
        ("staged_copy", {"cp.async", "async.wait", "shared.load"}),
        ("atomics", {"atomic"}),
        ("double_literal", {"fp64"}),
        ("indexed_array", {"local.load", "local.store"}),
        ("warp_mma", {"mma.sync", "global.load"}),
        ("scalar_matmul", {"ffma", "shared.load", "barrier"}),
    ],
)
def test_kinds_of_instructions(sandbox: Sandbox, target: str, kernel: str, kinds: set[str]) -> None:
    assert kinds <= kernels("plain", target, sandbox)[kernel].mix.keys()


@pytest.mark.parametrize("target", ["sm_90a", "sm_100a"])
def test_hints_are_given_where_they_apply_and_only_there(sandbox: Sandbox, target: str) -> None:
    found = {name: hint_ids(k) for name, k in kernels("plain", target, sandbox).items()}
    assert "narrow-loads" in found["copy_narrow"]
    assert found["copy_wide"] == set()
    assert found["double_literal"] == {"fp64"}
    assert "local-memory" in found["indexed_array"]
    assert "no-tensor-cores" in found["scalar_matmul"]
    assert "not-native-tensor-path" in found["warp_mma"]
    assert found["bulk_copy"] == found["staged_copy"] == found["atomics"] == set()
    assert {"occupancy-cliff", "no-launch-bounds"} & found["many_registers"]
    assert not any("spills" in ids for ids in found.values())


def test_spills_are_hinted_at(sandbox: Sandbox) -> None:
    source = (SOURCES / "plain.cu").read_text("utf-8")
    report = compile_solution(
        solution("cuda", "plain.cu", source), ["sm_90a"], sandbox, CompileOptions(maxrregcount=32)
    )
    (kernel,) = [k for k in report.targets[0].kernels if k.name == "many_registers"]
    assert kernel.spill_bytes > 0
    assert "spills" in hint_ids(kernel)
    assert "local-memory" not in hint_ids(kernel)


def test_the_tensor_path_is_named(sandbox: Sandbox) -> None:
    (hopper,) = kernels("hopper", "sm_90a", sandbox).values()
    assert hopper.tensor is not None
    assert (hopper.tensor.path, hopper.tensor.native) == ("wgmma", True)
    assert hopper.tensor.inputs == {"16-bit or tf32": 1, "fp8, fp6 or fp4": 1}
    (blackwell,) = kernels("blackwell", "sm_100a", sandbox).values()
    assert blackwell.tensor is not None
    assert (blackwell.tensor.path, blackwell.tensor.native) == ("tcgen05", True)
    assert set(blackwell.tensor.inputs) == {
        "fp8, fp6 or fp4",
        "16-bit or tf32",
        "int8",
        "mxfp4 or nvfp4",
    }
    assert {"tmem.load", "tcgen05.mma", "tcgen05.commit", "tma"} <= blackwell.mix.keys()
    (old,) = [k for k in kernels("plain", "sm_100a", sandbox).values() if k.name == "warp_mma"]
    assert old.tensor is not None
    assert (old.tensor.path, old.tensor.native) == ("mma.sync", False)


def test_widths_of_accesses(sandbox: Sandbox) -> None:
    found = kernels("plain", "sm_90a", sandbox)
    assert (found["copy_narrow"].global_loads, found["copy_narrow"].global_stores) == (
        {32: 1},
        {32: 1},
    )
    assert (found["copy_wide"].global_loads, found["copy_wide"].global_stores) == (
        {128: 1},
        {128: 1},
    )
    assert found["bulk_copy"].global_stores == {8: 1}


@pytest.mark.parametrize("target", ["sm_90a", "sm_100a"])
def test_loops_are_found_with_their_lines(sandbox: Sandbox, target: str) -> None:
    found = kernels("plain", target, sandbox)
    text = (SOURCES / "plain.cu").read_text("utf-8").splitlines()
    (loop,) = found["copy_wide"].loops
    first = next(n for n, line in enumerate(text, 1) if "copy_wide" in line) + 1
    assert loop.lines == f"plain.cu:{first}-{first + 1}"
    assert loop.mix["global.load"] == loop.mix["global.store"] == 1
    assert found["staged_copy"].loops == ()  # the jump that closes a kernel is no loop
    hottest = found["scalar_matmul"].loops[0]
    assert hottest.mix["ffma"] >= 16


def test_ptx_features_and_files_come_along(sandbox: Sandbox) -> None:
    report = compiled("blackwell", "sm_100a", sandbox)
    assert {"tcgen05.mma", "tcgen05.alloc", "cp.async.bulk.tensor"} <= set(
        report.targets[0].ptx_features
    )
    assert {p.kind for p in report.products} == {"cubin", "ptx", "sass", "log"}
    sass = next(p.content for p in report.products if p.kind == "sass").decode()
    assert "UTCQMMA" in sass
    assert "/sandbox" not in sass


def test_launch_bounds_are_read(sandbox: Sandbox) -> None:
    found = kernels("plain", "sm_90a", sandbox)
    assert found["bulk_copy"].max_threads == 256
    assert [o.block_threads for o in found["bulk_copy"].occupancy] == [256]
    assert found["copy_wide"].max_threads is None


def test_what_is_no_cubin_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(AssayError) as caught:
        disassemble(b"\x7fELF" + bytes(400), find_disassembler(), sandbox)
    assert caught.value.code == "not_disassembled"


@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_breaks_the_parser(text: str, elf: str, usage: str, plain: str) -> None:
    parse(text, elf, usage, plain)


def test_names_are_shown_as_cpp_has_them(sandbox: Sandbox) -> None:
    source = "namespace n { template <int B> __global__ void k(float* x) { x[B] = 1; } }\n"
    source += "template __global__ void n::k<3>(float*);\n"
    report = compile_solution(solution("cuda", "k.cu", source), ["sm_90a"], sandbox)
    (kernel,) = report.targets[0].kernels
    assert kernel.name == "void n::k<3>(float*)"
    assert kernel.spill_store_bytes == 0  # found under the mangled name


LINES = st.lists(
    st.sampled_from(
        [
            '\t.section\t.text.k,"ax",@progbits',
            ".L_x_0:",
            ".L_x_1:",
            '\t//## File "k.cu", line 3',
            "        /*0000*/                   LDG.E R1, desc[UR4][R2.64] ;",
            "        /*0010*/              @!P0 BRA `(.L_x_0) ;",
            "        /*0020*/                   BRA `(.L_x_1);",
            "        /*0030*/                   NOP;",
        ]
    )
)


@given(LINES)
def test_loops_of_any_code_lie_in_it(lines: list[str]) -> None:
    for code in instructions("\n".join(lines)).values():
        for loop in loops(code):
            assert set(loop.body) <= set(code)
            assert loop.depth >= 1


# Occupancy.


@pytest.mark.parametrize(
    ("target", "threads", "registers", "shared", "blocks", "limiter"),
    [
        ("sm_90a", 256, 64, 0, 4, "registers"),
        ("sm_90a", 1024, 64, 0, 1, "registers"),
        ("sm_100a", 256, 32, 0, 8, "warps"),
        ("sm_100a", 32, 16, 0, 32, "blocks"),
        ("sm_90a", 128, 32, 40 << 10, 5, "shared memory"),
        ("sm_100a", 128, 168, 227 << 10, 1, "shared memory"),
        ("sm_90a", 1024, 65, 0, 0, "registers"),
        ("sm_120", 256, 32, 0, 6, "warps"),
    ],
)
def test_occupancy(
    target: str, threads: int, registers: int, shared: int, blocks: int, limiter: str
) -> None:
    found = residency(chip_of(target), threads, registers, shared)
    assert (found.blocks, found.limiter) == (blocks, limiter)


@given(
    target=st.sampled_from(["sm_80", "sm_90a", "sm_100a", "sm_103a", "sm_120"]),
    threads=st.integers(1, 1024),
    registers=st.integers(16, 255),
    shared=st.integers(0, 100 << 10),
)
def test_more_of_anything_never_raises_occupancy(
    target: str, threads: int, registers: int, shared: int
) -> None:
    chip = chip_of(target)
    now = residency(chip, threads, registers, shared)
    assert now.warps <= chip.warps
    assert now.blocks <= chip.blocks
    assert residency(chip, threads, min(255, registers + 1), shared).blocks <= now.blocks
    assert residency(chip, threads, registers, shared + 128).blocks <= now.blocks
    fewer = registers_for_more(chip, threads, registers, shared)
    if fewer is not None:
        assert residency(chip, threads, fewer, shared).blocks > now.blocks
        assert residency(chip, threads, fewer + 1, shared).blocks == now.blocks


# Comparison.


def test_nothing_changed_against_itself(sandbox: Sandbox) -> None:
    target = compiled("plain", "sm_90a", sandbox).targets[0]
    assert compare(target, target) == ()


def test_what_changed_is_listed(sandbox: Sandbox) -> None:
    target = compiled("plain", "sm_90a", sandbox).targets[0]
    by_name = {kernel.name: kernel for kernel in target.kernels}

    def only(name: str) -> TargetReport:
        return target.model_copy(update={"kernels": (by_name[name],)})

    changes = {c.what: (c.before, c.after) for c in compare(only("copy_narrow"), only("copy_wide"))}
    assert changes["loads"] == ("1 of 32 bits", "1 of 128 bits")
    gone = compare(target, target.model_copy(update={"kernels": target.kernels[1:]}))
    assert [(c.what, c.before, c.after) for c in gone] == [("kernel", "present", None)]
