# Two commands for a fresh machine: `make demo` and `make test`. Both set everything up first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE ?= $(HOME)/.local/state/kernel-assay
# A machine without nvcc gets NVIDIA's from wheels.
EXTRAS := dev,ncu,nvrtc$(shell command -v nvcc >/dev/null 2>&1 || echo ,nvcc)
# The tests are safe side by side; two workers suit two cores.
WORKERS ?= 2

.PHONY: demo test serve lint bench setup system clean

demo: setup
	$(BIN)/assay demo

test: setup
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term

serve: setup
	@test -d $(STATE)/keys || $(BIN)/assay init --state $(STATE) \
		--principal writer:writer --principal verifier:verifier --principal auditor:auditor
	$(BIN)/assay serve --state $(STATE)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m wiki_index.validate wiki_index/pages

bench: setup
	$(BIN)/python benchmarks/run.py

setup: system $(VENV)/ready

# What pip cannot install. As root it is installed; otherwise the exact line is shown.
system:
	@.ci/system-packages

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12 demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .coverage .mypy_cache .ruff_cache .hypothesis
