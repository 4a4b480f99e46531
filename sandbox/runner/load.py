"""Loading a solution, by language. This is where candidate code first runs."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

SOURCES = "/sandbox/in/src"
LIBRARY = "/sandbox/in/solution.so"


def load(request: dict[str, Any]) -> Callable[..., Any]:
    """The solution's entry point, ready to be called with torch tensors."""
    language = request["language"]
    if language in ("cpp", "cuda"):
        import tvm_ffi

        return tvm_ffi.load_module(LIBRARY)[request["entry_symbol"]]  # type: ignore[no-any-return]
    sys.path.insert(0, SOURCES)
    path = f"{SOURCES}/{request['entry_file']}"
    spec = importlib.util.spec_from_file_location("solution", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{request['entry_file']} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules["solution"] = module
    spec.loader.exec_module(module)
    return getattr(module, request["entry_symbol"])  # type: ignore[no-any-return]
