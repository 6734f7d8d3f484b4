# Each target makes what it needs: a virtual environment in .venv with the lock installed.
#   make LOCK=requirements/gpu.lock …   on a GPU machine
#   make PYTHON=python3.12 …            with another interpreter (3.11 or newer)

PYTHON ?= python3
LOCK ?= requirements/cpu.lock
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Only asked when an ordinary `pip install` cannot find the CPU build of PyTorch.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
INSTALLED := .venv/installed-$(subst /,-,$(LOCK))

.PHONY: quickstart test test-all lint format bench soak clean-venv

quickstart: $(INSTALLED)
	@$(BIN)/rankgen quickstart

test: $(INSTALLED)
	@$(BIN)/python -m pytest -m "not slow" --durations=20

test-all: $(INSTALLED)
	@$(BIN)/python -m pytest

lint: $(INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(INSTALLED)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED)
	@mkdir -p benchmarks/results
	@for file in $(filter-out %/kill_points.py %_peers.py %/real_rankings.py %/results_file.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

# Fifty label runs killed at seeded points and resumed: some twenty minutes.
soak: $(INSTALLED)
	@$(BIN)/python benchmarks/kill_points.py 50

$(INSTALLED): $(LOCK) pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "rankgen needs Python 3.11 or newer; name one with make PYTHON=python3.11"; exit 3; }
	@echo "Installing $(LOCK) into .venv (about 5 GB, some minutes)…"
	@torch=$$(sed -n 's/^torch==/torch==/p' $(LOCK)); \
	$(PIP) install --quiet --no-deps "$$torch" 2>/dev/null || \
	$(PIP) install --quiet --no-deps --index-url $(TORCH_INDEX) "$$torch"
	@$(PIP) install --quiet --progress-bar off --no-deps -r $(LOCK)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@rm -f .venv/installed-* && touch $@

clean-venv:
	rm -rf .venv
