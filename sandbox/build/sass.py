"""What machine code says about a kernel: kinds of instructions, loops, widths, tensor cores.

Pure functions on instructions. Opcode names are those that nvdisasm prints; which PTX they come from
was found by compiling each form for sm_90a and sm_100a.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sandbox.build.disassemble import Instruction

GROUPS: tuple[tuple[str, str], ...] = (
    ("tcgen05.mma", r"UTC[HQIO]MMA"),
    ("tcgen05.cp", r"UTCCP"),
    ("tcgen05.commit", r"UTCBAR"),
    ("tcgen05.alloc", r"UTCATOMSWS"),
    ("tcgen05.other", r"UTC"),
    ("tmem.load", r"LDTM"),
    ("tmem.store", r"STTM"),
    ("wgmma", r"[HQIB]GMMA"),
    ("mma.sync", r"(?:H|Q|I|O|B|D)MMA"),
    ("tma", r"UTMA|UBLK"),
    ("cp.async", r"LDGSTS"),
    ("mbarrier", r"SYNCS"),
    ("cluster.barrier", r"UCGABAR"),
    ("barrier", r"BAR\b"),
    ("ldmatrix", r"LDSM"),
    ("stmatrix", r"STSM"),
    ("global.load", r"LDG\b"),
    ("global.store", r"STG\b"),
    ("shared.load", r"LDS\b"),
    ("shared.store", r"STS\b"),
    ("local.load", r"LDL\b"),
    ("local.store", r"STL\b"),
    ("generic.load", r"LD\b"),
    ("generic.store", r"ST\b"),
    ("constant.load", r"U?LDCU?\b"),
    ("atomic", r"ATOM[GS]?\b|REDG?\b"),
    ("warp.reduce", r"U?REDUX"),
    ("shuffle", r"SHFL"),
    ("vote", r"VOTE|MATCH"),
    ("fp64", r"D(?:ADD|MUL|FMA|SETP|MNMX)\b|F2F\.F64|F2F\S*\.F64|I2F\.F64|F2I\S*\.F64|MUFU\S*64"),
    ("sfu", r"MUFU"),
    ("ffma", r"FFMA"),
    ("fp32", r"F(?:ADD|MUL|MNMX|SEL|SETP|SET|CHK|SWZADD)"),
    ("fp16", r"H(?:FMA|ADD|MUL|MNMX|SET|SETP)2"),
    ("convert", r"F2F|F2I|I2F|FRND|F2IP|I2IP"),
    ("setmaxnreg", r"USETMAXREG"),
    ("pdl", r"ACQBULK|PREEXIT"),
    ("fence", r"FENCE|MEMBAR|ERRBAR|CCTL"),
    ("async.wait", r"LDGDEPBAR|DEPBAR|WARPGROUP"),
    ("move", r"U?I?MOV|IMAD\.MOV|CS2R|S2U?R|R2UR|UR2|P2R|R2P|U?SEL|U?PLOP3|U?PRMT|CREDUX"),
    ("branch", r"BRA|BRX|JMP|CALL|RET|EXIT|BSSY|BSYNC|BREAK|WARPSYNC|YIELD|ELECT|NANOSLEEP|BPT"),
    ("integer", r"U?(?:IADD|IMAD|ISETP|IMNMX|LOP3|SHF|SHL|SHR|LEA|VIADD|VIMNMX|POPC|FLO|BREV|"
                r"IABS|SGXT|BMSK|IDP|ISCADD|VI)"),
)  # fmt: skip
_GROUPS = tuple((name, re.compile(pattern)) for name, pattern in GROUPS)

TENSOR = frozenset({"tcgen05.mma", "wgmma", "mma.sync"})
_NATIVE = {"sm_90a": "wgmma", "sm_100a": "tcgen05", "sm_103a": "tcgen05"}
_INPUTS = {
    "H": "16-bit or tf32",
    "Q": "fp8, fp6 or fp4",
    "O": "mxfp4 or nvfp4",
    "I": "int8",
    "B": "1-bit",
    "D": "fp64",
}
_WIDTH = re.compile(r"\.(?:ENL2\.)?(256|128|64)\b|\.[US](16|8)\b")
TINY_LOOP = 6


@dataclass(frozen=True)
class Loop:
    """A loop: the instructions from its head to its last jump back. `depth` 1 is outermost."""

    body: tuple[Instruction, ...]
    depth: int

    @property
    def head(self) -> int:
        return self.body[0].pc

    @property
    def lines(self) -> str:
        """Its source lines, those of the file that most of it comes from."""
        places = Counter(i.file for i in self.body if i.file and i.line)
        if not places:
            return ""
        file = places.most_common(1)[0][0]
        numbers = [i.line for i in self.body if i.file == file and i.line]
        first, last = min(numbers), max(numbers)
        return f"{file}:{first}" + (f"-{last}" if last > first else "")


@dataclass(frozen=True)
class TensorUse:
    """Which tensor-core instructions a kernel has. `inputs` counts them by input type."""

    path: str
    inputs: dict[str, int]
    two_cta: bool


def group(instruction: Instruction) -> str:
    """The kind of an instruction; `other` for what has none."""
    if instruction.opcode.startswith("HFMA2") and "-RZ, RZ," in instruction.operands:
        return "move"  # how the compiler loads a constant
    for name, pattern in _GROUPS:
        if pattern.match(instruction.opcode):
            return name
    return "other"


def mix(code: Iterable[Instruction]) -> dict[str, int]:
    """How many instructions there are of each kind, most first."""
    return dict(Counter(group(i) for i in code).most_common())


def width(opcode: str) -> int:
    """Bits that one thread moves with a memory access."""
    found = _WIDTH.search(opcode)
    return int(found[1] or found[2]) if found else 32


def widths(code: Iterable[Instruction], kind: str) -> dict[int, int]:
    """How many accesses of a kind (`global.load`, …) there are of each width in bits."""
    return dict(sorted(Counter(width(i.opcode) for i in code if group(i) == kind).items()))


def loops(code: Sequence[Instruction]) -> tuple[Loop, ...]:
    """Loops, those where most time is likely first: deepest, then longest.

    Found by jumps back. No loops in that sense are the compiler's closing jump onto itself, short
    ones that only wait for a barrier, and those that take the lanes of a warp one after the other.
    """
    spans: dict[int, int] = {}
    for at in code:
        if at.target is not None and at.target < at.pc and at.opcode in ("BRA", "BRA.U"):
            spans[at.target] = max(spans.get(at.target, 0), at.pc)
    found = []
    for head, last in spans.items():
        body = tuple(i for i in code if head <= i.pc <= last)
        if len(body) <= TINY_LOOP and all(_waits(i) for i in body):
            continue
        depth = sum(1 for h, end in spans.items() if h <= head and last <= end)
        found.append(Loop(body, depth))
    return tuple(sorted(found, key=lambda loop: (-loop.depth, -len(loop.body))))


def innermost(found: Sequence[Loop]) -> tuple[Loop, ...]:
    """Those without a loop inside."""
    return tuple(
        loop
        for loop in found
        if not any(
            other is not loop and loop.head <= other.head and other.body[-1].pc <= loop.body[-1].pc
            for other in found
        )
    )


def tensor_use(code: Iterable[Instruction]) -> TensorUse | None:
    """Which tensor-core path a kernel takes; None if it uses no tensor core."""
    used = [(i, kind) for i in code if (kind := group(i)) in TENSOR]
    if not used:
        return None
    best = min((kind for _, kind in used), key=("tcgen05.mma", "wgmma", "mma.sync").index)
    chosen = [i for i, kind in used if kind == best]
    letter = 3 if best == "tcgen05.mma" else 0
    return TensorUse(
        path=best.removesuffix(".mma"),
        inputs=dict(Counter(_INPUTS[i.opcode[letter]] for i in chosen)),
        two_cta=any("2CTA" in i.opcode for i in chosen),
    )


def native_path(target: str) -> str | None:
    """The fastest tensor-core path of a target; None where there is only one."""
    return _NATIVE.get(target)


def _waits(instruction: Instruction) -> bool:
    return group(instruction) in ("mbarrier", "branch", "move", "async.wait", "integer")
