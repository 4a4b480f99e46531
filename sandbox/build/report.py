"""The uniform report on a cubin, whichever compiler made it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sandbox.box import Sandbox
from sandbox.build import sass
from sandbox.build.disassemble import Disassembly, Machine, disassemble
from sandbox.build.hints import Subject, hints
from sandbox.build.models import (
    KernelReport,
    LoopReport,
    Occupancy,
    Product,
    TargetReport,
    TensorPath,
)
from sandbox.build.occupancy import SHARED_RESERVED, chip_of, residency
from sandbox.build.toolchain import find_disassembler
from sandbox.errors import AssayError

MAX_LOOPS = 3
MAX_KERNELS = 16
MAX_PTX_BYTES = 8 << 20
BLOCK_SIZES = (128, 256, 512)
_FEATURES = re.compile(
    r"\b(tcgen05\.\w+|wgmma\.\w+|mma\.sync|wmma\.\w+|cp\.async\.bulk\.tensor|"
    r"cp\.reduce\.async\.bulk|cp\.async\.bulk(?!\.)|cp\.async\.bulk|cp\.async|mbarrier\.\w+|"
    r"griddepcontrol\.\w+|setmaxnreg|barrier\.cluster|clusterlaunchcontrol\.\w+|multimem\.\w+|"
    r"ldmatrix|stmatrix|redux\.sync|elect\.sync|fence\.proxy|createpolicy|mapa|st\.async|"
    r"red\.async|applypriority|discard|prefetch\w*)\b"
)


@dataclass(frozen=True)
class LaunchFacts:
    """What is known of a kernel's launch when it is compiled (Triton chooses both)."""

    block_threads: int | None = None
    dynamic_shared_bytes: int | None = None


def read_machine_code(
    report: TargetReport,
    products: list[Product],
    sandbox: Sandbox,
    launches: Mapping[str, LaunchFacts] | None = None,
) -> tuple[TargetReport, list[Product]]:
    """Add what the cubins say to a target's report, and their text to its files.

    The compilation stands even where that fails: then the report has what the compiler printed.
    """
    cubins = [product for product in products if product.kind == "cubin"]
    if not cubins:
        return report, products
    started = time.monotonic()
    tools = find_disassembler()
    kernels: list[KernelReport] = []
    texts: list[Product] = []
    note = f"machine code read by nvdisasm {tools.version}"
    for cubin in cubins:
        try:
            code = disassemble(cubin.content, tools, sandbox)
        except AssayError as error:
            note = f"machine code not read: {error.message}"
            continue
        kernels += kernel_reports(code, report.target, report.kernels, launches)
        name = f"{PurePosixPath(cubin.name).stem}.sass"
        texts.append(Product(report.target, "sass", name, code.text.encode()))
    ptx = b"".join(product.content for product in products if product.kind == "ptx")
    return report.model_copy(
        update={
            "kernels": tuple(kernels) or report.kernels,
            "ptx_features": ptx_features(ptx[:MAX_PTX_BYTES].decode("utf-8", "replace")),
            "report_seconds": round(time.monotonic() - started, 3),
            "note": note,
        }
    ), [*products, *texts]


def kernel_reports(
    code: Disassembly,
    target: str,
    printed: Sequence[KernelReport] = (),
    launches: Mapping[str, LaunchFacts] | None = None,
) -> tuple[KernelReport, ...]:
    """Report on each kernel of a cubin, at most `MAX_KERNELS`.

    Args:
        code: the cubin, taken apart.
        target: such as `sm_100a`.
        printed: what ptxas printed, by mangled name: the only source of spill bytes.
        launches: by mangled name.
    """
    spills = {kernel.name: kernel for kernel in printed}
    return tuple(
        _report(
            machine,
            target,
            spills.get(machine.kernel),
            (launches or {}).get(machine.kernel, LaunchFacts()),
        )
        for machine in code.kernels[:MAX_KERNELS]
    )


def ptx_features(ptx: str) -> tuple[str, ...]:
    """Instruction families that only newer architectures have, or that move data by themselves."""
    return tuple(sorted(set(_FEATURES.findall(ptx))))


def _report(
    machine: Machine, target: str, printed: KernelReport | None, launch: LaunchFacts
) -> KernelReport:
    reserved = SHARED_RESERVED if machine.shared_bytes >= SHARED_RESERVED else 0
    threads = launch.block_threads or _declared_threads(machine)
    found = sass.loops(machine.instructions)
    report = KernelReport(
        name=machine.name,
        registers=machine.registers,
        spill_store_bytes=printed.spill_store_bytes if printed else None,
        spill_load_bytes=printed.spill_load_bytes if printed else None,
        stack_bytes=machine.stack_bytes,
        static_shared_bytes=machine.shared_bytes - reserved
        if printed is None
        else printed.static_shared_bytes,
        dynamic_shared_bytes=launch.dynamic_shared_bytes,
        barriers=machine.number("NUM_BARRIERS"),
        max_threads=threads,
        instructions=len(machine.instructions),
        mix=sass.mix(machine.instructions),
        global_loads=sass.widths(machine.instructions, "global.load"),
        global_stores=sass.widths(machine.instructions, "global.store"),
        tensor=_tensor(machine, target),
        loops=tuple(
            LoopReport(
                lines=loop.lines,
                depth=loop.depth,
                instructions=len(loop.body),
                mix=sass.mix(loop.body),
            )
            for loop in found[:MAX_LOOPS]
        ),
    )
    report = report.model_copy(update={"occupancy": _occupancy(report, target)})
    subject = Subject(report, machine.instructions, found, target, printed is not None)
    return report.model_copy(update={"hints": hints(subject)})


def _declared_threads(machine: Machine) -> int | None:
    """The block size of `__launch_bounds__` or of a required block shape."""
    for attribute in ("REQNTID", "MAX_THREADS"):
        numbers = re.findall(r"0x[0-9a-f]+|\d+", machine.attributes.get(attribute, ""))
        if numbers:
            threads = 1
            for number in numbers[:3]:
                threads *= int(number, 0)
            return threads
    return None


def _tensor(machine: Machine, target: str) -> TensorPath | None:
    used, native = sass.tensor_use(machine.instructions), sass.native_path(target)
    if used is None:
        return None
    return TensorPath(
        path=used.path,  # type: ignore[arg-type]
        native=None if native is None else used.path == native,
        inputs=used.inputs,
        two_cta=used.two_cta,
    )


def _occupancy(report: KernelReport, target: str) -> tuple[Occupancy, ...]:
    chip = chip_of(target)
    shared = report.static_shared_bytes + (report.dynamic_shared_bytes or 0)
    sizes = (report.max_threads,) if report.max_threads else BLOCK_SIZES
    found = [(size, residency(chip, size, report.registers, shared)) for size in sizes]
    return tuple(
        Occupancy(
            block_threads=size,
            pct=round(fits.pct, 1),
            blocks_per_sm=fits.blocks,
            limiter=fits.limiter,
        )
        for size, fits in found
    )
