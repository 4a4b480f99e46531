"""From a cubin to instructions: NVIDIA's disassembler in the sandbox, and its text as data.

A cubin is made from an adversary's source, so the tools that read it run where candidates run. One
call gives the machine code with source lines (`nvdisasm`), and what the file says about each kernel
(`cuobjdump`): registers, stack, shared memory, barriers, declared block size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.box import Command, Limits, Sandbox
from sandbox.build.toolchain import Disassembler
from sandbox.errors import AssayError

SOURCES = "/sandbox/in/src/"
# Without data-flow analysis (which finds the targets of computed jumps) it takes a quarter less.
_SCRIPT = """
"$1" -ndf -c -g /sandbox/in/kernel.cubin > /sandbox/out/sass &
"$2" -elf /sandbox/in/kernel.cubin > /sandbox/out/elf &
"$2" -res-usage /sandbox/in/kernel.cubin > /sandbox/out/usage 2>&1
c++filt < /sandbox/out/usage > /sandbox/out/plain 2>&- || cp /sandbox/out/usage /sandbox/out/plain
wait
"""
_SECTION = re.compile(r"^\s*\.section\s+\.text\.(?P<kernel>[^,\s]+),")
_END = re.compile(r"^//-{5,}|^\s*\.section\s")
_INSTRUCTION = re.compile(
    r"^\s*/\*(?P<pc>[0-9a-f]{4,})\*/\s+(?:(?P<predicate>@!?U?P[0-9T]+)\s+)?"
    r"(?P<opcode>[A-Z][\w.]*)\s*(?P<operands>[^;]*?)\s*;"
)
_LABEL = re.compile(r"^(?P<label>[.$\w]+):\s*$")
_LINE = re.compile(r'^\s*//## File "(?P<file>[^"]*)", line (?P<line>\d+)')
_TARGET = re.compile(r"`\((?P<label>[^)]+)\)")
_PLAIN = re.compile(r"^ Function (?P<name>.*):$", re.MULTILINE)
_USAGE = re.compile(
    r"^ Function (?P<kernel>\S+):\n\s+REG:(?P<registers>\d+) STACK:(?P<stack>\d+) "
    r"SHARED:(?P<shared>\d+) LOCAL:(?P<local>\d+)",
    re.MULTILINE,
)
MAX_TEXT_BYTES = 32 << 20
MAX_NAME = 400


@dataclass(frozen=True)
class Instruction:
    """One machine instruction. `target` is where a branch goes, `line` its source line."""

    pc: int
    opcode: str
    operands: str
    predicate: str = ""
    target: int | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Machine:
    """A kernel as the cubin holds it.

    Attributes:
        kernel: its symbol.
        name: the symbol as C++ names it, where that is known.
        attributes: its EIATTR entries, as printed.
    """

    kernel: str
    name: str
    instructions: tuple[Instruction, ...]
    registers: int
    stack_bytes: int
    shared_bytes: int
    attributes: dict[str, str]

    def number(self, attribute: str) -> int | None:
        """The first value of an attribute."""
        match = re.search(r"0x[0-9a-f]+|\d+", self.attributes.get(attribute, ""))
        return int(match[0], 0) if match else None


@dataclass(frozen=True)
class Disassembly:
    """All kernels of a cubin, and the machine code as text."""

    kernels: tuple[Machine, ...]
    text: str


def disassemble(
    cubin: bytes, tools: Disassembler, sandbox: Sandbox, timeout_s: float = 60.0
) -> Disassembly:
    """Take a cubin apart.

    Raises:
        AssayError: `not_disassembled`: the tools do not read it.
    """
    done = sandbox.run(
        Command(
            argv=("/bin/sh", "-c", _SCRIPT, "sh", str(tools.nvdisasm), str(tools.cuobjdump)),
            files={"kernel.cubin": cubin},
            limits=Limits(wall_s=timeout_s, cpu_s=max(2, int(timeout_s)), processes=16),
        )
    )
    if sum(map(len, done.outputs.values())) > MAX_TEXT_BYTES:
        raise AssayError("not_disassembled", f"Its text has more than {MAX_TEXT_BYTES >> 20} MiB.")
    text, elf, usage, plain = (
        done.outputs.get(name, b"").decode("utf-8", "replace")
        for name in ("sass", "elf", "usage", "plain")
    )
    kernels = parse(text, elf, usage, plain)
    if not kernels:
        words = (done.stderr or b"").decode("utf-8", "replace").strip()[-300:]
        raise AssayError(
            "not_disassembled", f"nvdisasm {tools.version} reads no kernel: {words or 'no message'}"
        )
    return Disassembly(kernels, text.replace(SOURCES, ""))


def parse(text: str, elf: str, usage: str, plain: str = "") -> tuple[Machine, ...]:
    """Kernels in the order of the file, from the tools' output; `plain` is `usage` demangled."""
    code = instructions(text)
    attributes = _attributes(elf)
    symbols = [found["name"] for found in _PLAIN.finditer(usage)]
    names = [found["name"] for found in _PLAIN.finditer(plain)]
    known = dict(zip(symbols, names, strict=True)) if len(names) == len(symbols) else {}
    return tuple(
        Machine(
            kernel=used["kernel"],
            name=_printable(known.get(used["kernel"], used["kernel"])),
            instructions=code[used["kernel"]],
            registers=int(used["registers"]),
            stack_bytes=int(used["stack"]),
            shared_bytes=int(used["shared"]),
            attributes=attributes.get(used["kernel"], {}),
        )
        for used in _USAGE.finditer(usage)
        if used["kernel"] in code
    )


def _printable(name: str) -> str:
    """A symbol may be anything; what is shown is one line."""
    return "".join(c for c in name if c.isprintable())[:MAX_NAME]


def instructions(text: str) -> dict[str, tuple[Instruction, ...]]:
    """The instructions of each kernel in nvdisasm's text, padding left out."""
    found: dict[str, tuple[Instruction, ...]] = {}
    kernel, lines = "", list[str]()
    for line in [*text.splitlines(), "\t.section\t.end"]:
        section = _SECTION.match(line)
        if kernel and (section or _END.match(line)):
            found[kernel] = _instructions(lines)
            kernel = ""
        if section:
            kernel, lines = section["kernel"], []
        elif kernel:
            lines.append(line)
    return found


def _instructions(lines: list[str]) -> tuple[Instruction, ...]:
    found: list[tuple[re.Match[str], str | None, int | None]] = []
    labels: dict[str, int] = {}
    waiting: list[str] = []
    file: str | None = None
    number: int | None = None
    for line in lines:
        if (match := _INSTRUCTION.match(line)) is not None:
            labels |= dict.fromkeys(waiting, int(match["pc"], 16))
            waiting.clear()
            found.append((match, file, number))
        elif (place := _LINE.match(line)) is not None:
            file, number = place["file"].removeprefix(SOURCES), int(place["line"])
        elif (label := _LABEL.match(line)) is not None:
            waiting.append(label["label"])
    return tuple(
        Instruction(
            pc=int(match["pc"], 16),
            opcode=match["opcode"],
            operands=match["operands"],
            predicate=match["predicate"] or "",
            target=labels.get(goal["label"])
            if (goal := _TARGET.search(match["operands"]))
            else None,
            file=place,
            line=at,
        )
        for match, place, at in found
        if match["opcode"] != "NOP"
    )


def _attributes(elf: str) -> dict[str, dict[str, str]]:
    """The `.nv.info.KERNEL` sections in cuobjdump's text."""
    found: dict[str, dict[str, str]] = {}
    kernel = attribute = ""
    for line in elf.splitlines():
        if line.startswith("."):
            kernel = line.removeprefix(".nv.info.") if line.startswith(".nv.info.") else ""
        elif kernel and "Attribute:" in line:
            attribute = line.partition("Attribute:")[2].strip().removeprefix("EIATTR_")
        elif kernel and attribute and "Value:" in line:
            found.setdefault(kernel, {})[attribute] = line.partition("Value:")[2].strip()
            attribute = ""
    return found
