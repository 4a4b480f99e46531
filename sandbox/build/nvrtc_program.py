"""Compiles one device-only CUDA source with NVRTC: runs inside the sandbox, as a program.

Arguments: the source, where the cubin goes, then NVRTC's options. The PTX goes beside the cubin, the log to
standard error, and the exit status is 1 if it does not compile.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_INTEGERS = """\
#pragma once
typedef signed char int8_t; typedef unsigned char uint8_t;
typedef short int16_t; typedef unsigned short uint16_t;
typedef int int32_t; typedef unsigned int uint32_t;
typedef long int64_t; typedef unsigned long uint64_t;
typedef long intptr_t; typedef unsigned long uintptr_t;
namespace std { using ::int8_t; using ::uint8_t; using ::int16_t; using ::uint16_t; using ::int32_t;
using ::uint32_t; using ::int64_t; using ::uint64_t; using ::intptr_t; using ::uintptr_t; }
"""
HEADERS = {
    # Device code needs the integer types and `size_t` (which NVRTC has) of the host's headers, and NVRTC has
    # built in what it needs of the runtime's.
    "cstdint": _INTEGERS,
    "stdint.h": _INTEGERS,
    "cstddef": "#pragma once\n",
    "stddef.h": "#pragma once\n",
    "cuda_runtime.h": "#pragma once\n",
}


def main(source: Path, cubin: Path, options: list[str]) -> int:
    from cuda.bindings import nvrtc

    texts, names = ([word.encode() for word in words] for words in (HEADERS.values(), HEADERS))
    text, path = source.read_bytes(), str(source).encode()
    program = _value(nvrtc.nvrtcCreateProgram(text, path, len(names), texts, names))
    words = [option.encode() for option in options]
    (result,) = nvrtc.nvrtcCompileProgram(program, len(words), words)
    sys.stderr.write(
        _read(nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog, program).decode()
    )
    if int(result) != 0:
        return 1
    cubin.write_bytes(_read(nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN, program))
    ptx = _read(nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX, program)
    cubin.with_suffix(".ptx").write_bytes(ptx.rstrip(b"\0"))
    return 0


def _read(size: Any, get: Any, program: Any) -> bytes:
    content = b" " * int(_value(size(program)))
    _value(get(program, content))
    return content


def _value(result: Any) -> Any:
    if int(result[0]) != 0:
        raise RuntimeError(f"NVRTC: {result[0].name}")
    return result[1] if len(result) == 2 else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
