"""Looks for the problem, the ledger, tokens, other processes. Target: what the sandbox shows."""

EXPECT = "rejected"
WORDS = "found []"
SOURCE = """\
import os
found = []
for root in ("/home", "/root", "/var", "/etc/shadow", "/sandbox/lib/server", "/run", "/proc/2"):
    if os.path.exists(root):
        found.append(root)
for directory, _, files in os.walk("/"):
    if directory.startswith(("/proc", "/usr", "/sys")) or "site-packages" in directory:
        continue
    found += [f"{directory}/{f}" for f in files if f in ("workloads.jsonl", "settings.json", "principals.json")]
found += [name for name in os.environ if "TOKEN" in name or "ASSAY" in name]
def run(x, w, y):
    raise RuntimeError(f"found {[f for f in found if 'json' in f or 'TOKEN' in f or 'shadow' in f]}")
"""
