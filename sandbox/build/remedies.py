"""What to try, for the compiler messages that agents meet most often.

Patterns of the messages that nvcc 13, ptxas 13, g++ 12 and Triton 3.7 print; the first that matches is
taken. A remedy is a hint: it never replaces the message.
"""

from __future__ import annotations

import re

_REMEDIES = tuple(
    (re.compile(pattern), remedy)
    for pattern, remedy in (
        (
            r"'wgmma\.\S+.*(?:not supported on|cannot be compiled).*'sm_1\d\d",
            "wgmma exists on sm_90a only. On Blackwell (sm_100a, sm_103a) use tcgen05.mma; on "
            "sm_120 mma.sync.",
        ),
        (
            r"'(?:wgmma|setmaxnreg)\S*.*'sm_90'",
            "Compile for sm_90a: the a in the target enables it.",
        ),
        (
            r"(?:'tcgen05|\.cta_group::\d').*'sm_(?:100|103)'",
            "Compile for sm_100a or sm_103a: the a in the target enables tcgen05.",
        ),
        (
            r"(?:'tcgen05|\.cta_group::\d').*not supported on",
            "tcgen05 and its tensor memory exist on sm_100a and sm_103a only. On sm_90a use wgmma; "
            "guard code for several targets with __CUDA_ARCH__.",
        ),
        (
            r"requires \.target (sm_\w+) or higher|not supported on \.target",
            "The instruction does not exist on this target: choose another target, or guard it with "
            "__CUDA_ARCH__.",
        ),
        (
            r"uses too much shared data",
            "A block has at most 227 KiB on sm_90a and sm_100a, 99 KiB on sm_120: smaller tiles, fewer "
            "stages, narrower types.",
        ),
        (
            r"Arguments mismatch for instruction|Unexpected instruction types",
            "An operand of the inline assembly has the wrong type: compare the instruction's types "
            'with the constraints ("r" 32 bits, "l" 64 bits, "f" float, "d" double, "h" 16 bits).',
        ),
        (
            r"implied by constraint",
            'Give the operand the size of its constraint: "r" 32 bits, "l" 64, "h" 16. A shared '
            "address is 32 bits after __cvta_generic_to_shared.",
        ),
        (
            r"Unknown modifier|Parsing error|Not a name of any known instruction",
            "The PTX is not valid: check its spelling and the order of its modifiers in the PTX ISA "
            "manual.",
        ),
        (
            r"Unresolved extern function",
            "A device function is declared but not defined in this file; each .cu is compiled alone. "
            "Put its definition into a header that both include.",
        ),
        (
            r"calling a __host__ function",
            "Mark the function __device__. The C++ standard library's containers and functions are "
            "for the host; CUDA has cuda::std::.",
        ),
        (
            r"undefined in device code",
            "It exists on the host only: mark it __device__, or __constant__ or constexpr for values.",
        ),
        (
            r"identifier \"(?:__nv_bfloat16|nv_bfloat16|__nv_bfloat162|__float2bfloat16)",
            "#include <cuda_bf16.h>",
        ),
        (r"identifier \"(?:half|half2|__half|__half2|__float2half)", "#include <cuda_fp16.h>"),
        (r"identifier \"(?:__nv_fp8|__NV_E4M3|__NV_E5M2)", "#include <cuda_fp8.h>"),
        (r"identifier \"(?:u?int(?:8|16|32|64)_t|uintptr_t)\"", "#include <cstdint>"),
        (
            r"identifier \".*\" is undefined|was not declared in this scope",
            "It is misspelt, out of scope, or its header is not included.",
        ),
        (
            r"more than one operator|ambiguous",
            "Operands of different types: convert explicitly, e.g. __half2float(x) * y.",
        ),
        (
            r"no operator .* matches|no instance of .* matches|no matching function",
            "The operand types do not fit: convert explicitly, or access the members (.x, .y).",
        ),
        (
            r"No such file or directory|cannot open source file",
            "Only the solution's own files, CUDA's, the C++ standard library's and tvm-ffi's headers "
            "are there. Add the header to the solution's sources.",
        ),
        (
            r"must be configured",
            "Launch it: kernel<<<grid, block, shared_bytes, stream>>>(…).",
        ),
        (
            r"must have a constant value",
            "Array sizes and template arguments must be known when compiling: constexpr, or a "
            "template parameter.",
        ),
        (r"has already been declared|redefinition of", "Rename one of the two, or drop it."),
        (
            r"must have a void return type",
            "A kernel returns nothing: write results through a pointer.",
        ),
        (r"static assertion failed", "The source itself demands this; see the assertion's text."),
        (r"must be a modifiable lvalue", "It is const: write through a pointer that is not."),
        (
            r"(?:too few|too many) arguments",
            "Compare the call with the function's declaration.",
        ),
        (
            r"a value of type .* cannot be used to initialize",
            "Cast explicitly, e.g. reinterpret_cast<const float4*>(pointer) for wide loads of "
            "pointers that are aligned to 16 bytes.",
        ),
        (r"expected (?:a|an) \"|expected '", "A syntax error here or on the line before."),
        (
            r"undefined reference",
            "It is declared but not defined in any of the solution's files.",
        ),
        (
            r"out of resource: shared memory|OutOfResources.*shared memory",
            "Smaller blocks (BLOCK sizes), fewer pipeline stages (num_stages), or narrower types.",
        ),
        (
            r"arange's (?:range|arguments)|must be (?:a )?power of 2",
            "Triton's block sizes are powers of two: triton.next_power_of_2(n), with a mask.",
        ),
        (
            r"Cannot access global variable",
            "Pass it as an argument annotated tl.constexpr, or make it tl.constexpr(value).",
        ),
        (
            r"[Ii]ncompatible (?:dimensions|shapes)|Cannot make_shape_compatible|shape mismatch",
            "Shapes of the operands differ: expand with [:, None] or [None, :].",
        ),
        (
            r"Torch not compiled with CUDA enabled|Found no NVIDIA driver|Cannot access accelerator",
            "The host code asks for a GPU while it is compiled without one. Create tensors on the "
            "inputs' device (device=x.device), not on 'cuda'.",
        ),
        (
            r"launched no kernel",
            "The entry point must launch its kernels for these arguments, whatever their values.",
        ),
        (r"NameError", "It is misspelt, out of scope, or not imported."),
    )
)


def remedy(message: str) -> str | None:
    """What to try; None where there is nothing to add."""
    for pattern, text in _REMEDIES:
        if pattern.search(message):
            return text
    return None
