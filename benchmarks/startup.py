"""How long a server takes to be ready, and what it holds: `assay serve` against a bare SDK server.

Goals: at most 1.3 times the bare server's time, less than 100 MB. Both are started in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import uvicorn
from mcp.server import MCPServer
server = MCPServer("bare", log_level="ERROR")
@server.tool()
async def add(a: int, b: int) -> int:
    return a + b
class Ready(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print("listening on", flush=True)
app = server.streamable_http_app()
Ready(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error")).run()
"""


def start(argv: list[str]) -> tuple[float, float]:
    """Seconds until a server listens, and its resident megabytes then."""
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("listening on"):
            break
    ready = time.perf_counter() - started
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
    process.terminate()
    process.wait()
    return ready, resident


def main() -> None:
    """Start both in turn, print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        state = str(Path(directory) / "state")
        assay = [sys.executable, "-m", "tools.cli"]
        subprocess.run(
            [*assay, "init", "--state", state, "--json"], check=True, capture_output=True
        )
        bare, ours = [], []
        for _ in range(options.rounds):
            bare.append(start([sys.executable, "-c", BARE]))
            ours.append(start([*assay, "serve", "--state", state, "--port", "0"]))
    figures = {
        "bare_s": statistics.median(ready for ready, _ in bare),
        "assay_s": statistics.median(ready for ready, _ in ours),
        "bare_mb": statistics.median(resident for _, resident in bare),
        "assay_mb": statistics.median(resident for _, resident in ours),
    }
    figures["ratio"] = figures["assay_s"] / figures["bare_s"]
    if options.json:
        print(json.dumps(figures))
    else:
        print("  ".join(f"{name} {value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
