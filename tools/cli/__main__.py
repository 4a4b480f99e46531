"""`python -m tools.cli` is the `assay` command."""

from tools.cli import main

main()
