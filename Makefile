# Each target makes what it needs: a virtual environment in .venv with the lock installed.
#   make LOCK=requirements/gpu.lock …   on a GPU machine
#   make PYTHON=python3.12 …            with another interpreter (3.11 to 3.13) than python3

PYTHON ?=
LOCK ?= requirements/cpu.lock
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Only asked for a lock with the CPU build of PyTorch, when an ordinary `pip install` cannot find it.
export TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
INSTALLED := .venv/installed-$(subst /,-,$(LOCK))

.PHONY: quickstart test test-browser test-all lint docs pages format bench kill-storm mutants soak locks clean-venv asked-python

quickstart: $(INSTALLED)
	@$(BIN)/rankgen quickstart

test: $(INSTALLED)
	@$(BIN)/python -m pytest -m "not slow and not browser" --durations=20

# Needs a chromium, as `apt-get install chromium` brings it.
test-browser: $(INSTALLED)
	@$(BIN)/python -m pytest -m browser tests/browser

test-all: $(INSTALLED)
	@$(BIN)/python -m pytest

lint: $(INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python docs/write_pages.py --check

# The page of all options, and what every --help prints.
docs: $(INSTALLED)
	@$(BIN)/python docs/write_pages.py

# The script of the pages anew from its sources and its lock; needs node and npm.
pages:
	@cd students/pages/web && npm ci --silent --ignore-scripts && npm run --silent build

format: $(INSTALLED)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(INSTALLED)
	@mkdir -p benchmarks/results
	@for file in $(filter-out %/kill_points.py %/large_runs.py %/mutants.py %/report_size.py %/soak.py %_peers.py %_plot.py %/real_rankings.py %/results_file.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

# Faults put into a copy of the tree, to see whether the tests notice: some ten minutes.
mutants: $(INSTALLED)
	@$(BIN)/python benchmarks/mutants.py

# Fifty label runs killed at seeded points and resumed: some forty minutes.
kill-storm: $(INSTALLED)
	@$(BIN)/python benchmarks/kill_points.py 50

# Two hours of labelling while workers, nodes, drivers, server, disk and store fail.
soak: $(INSTALLED)
	@$(BIN)/python benchmarks/soak.py

$(INSTALLED): $(LOCK) pyproject.toml
	@requirements/install.sh $(LOCK) .venv $(PYTHON)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@rm -f .venv/installed-* && touch $@

# A Python that is named must be the one of .venv, also when nothing is left to install.
ifneq ($(PYTHON),)
$(INSTALLED): | asked-python
endif
asked-python:
	@requirements/install.sh --check-python .venv $(PYTHON)

# Both locks anew from pyproject.toml and requirements/*.in, by uv; requirements/README.md tells more.
UV ?= uv
TORCH_LINKS ?= $(TORCH_INDEX)/torch/
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make locks" $(UV) pip compile --quiet --no-annotate \
	--python-version 3.11 --python-platform x86_64-manylinux_2_34 $(UPGRADE) pyproject.toml \
	--extra retrieval --extra colbert --extra students --extra ship --extra offline --extra s3 --extra dev
locks:
	@$(COMPILE) --find-links $(TORCH_LINKS) requirements/cpu.in \
		--excludes requirements/cpu.excludes --output-file requirements/cpu.lock
	@$(COMPILE) --extra teacher requirements/gpu.in \
		--excludes requirements/gpu.excludes --output-file requirements/gpu.lock

clean-venv:
	rm -rf .venv
