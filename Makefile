# Two words for a newcomer: `make demo` and `make test`. Each does all of its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tests start some hundreds of processes, each of which would compile all of cogpack anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo quick test nightly bench bench-large check fmt packages loaders site clean

demo: $(VENV)/installed
	$(BIN)/python scripts/demo.py

test: $(VENV)/installed-tests packages check
	$(BIN)/python examples/minilm/fetch_weights.py
	$(BIN)/python scripts/run_tests.py

# What to run after each change: each verb and each sink once, and what takes no time.
quick: export COGPACK_EXAMPLES ?= 20
quick: check
	$(BIN)/python -m pytest -q -m "not integration and not slow" --ignore=tests/integration --hypothesis-profile=quick -n auto --durations=3 --durations-min=1

# All of it at full size: long transfers of 100 GB (of the pull, 50), which want 57 GB of disk, 10,000
# examples, a bad line of 5 x 2 GiB.
nightly: export COGPACK_LONG_GB ?= 100
nightly: export COGPACK_EXAMPLES ?= 10000
nightly: export COGPACK_BAD_LINE_MIB ?= 2048
nightly: export COGPACK_BAD_LINE_RUNS ?= 5
nightly: export COGPACK_KILLS ?= 60
nightly: export COGPACK_SUBSETS ?= all
nightly: test

# How fast it is beside its peers, from an installed wheel, in at most 25 minutes; docs/benchmarks.md is written anew.
# bench-large fetches 3 GB of CUDA wheels and a newer Docker, and wants 40 GB of disk and two hours.
# BENCH="--only push --quick" for a part of it.
bench: .bench/bin/pip
	sh scripts/integration-packages.sh aria2 mmdebstrap zstd
	.bench/bin/pip install --quiet --force-reinstall --no-deps . && .bench/bin/pip install --quiet .
	PATH="$(CURDIR)/.bench/bin:$(CURDIR)/.tools/usr/bin:$$PATH" .bench/bin/python benchmarks $(BENCH)

bench-large: override BENCH += --large
bench-large: export NEWER_DOCKER = 1
bench-large: .bench/bin/uv bench

.bench/bin/uv: .bench/bin/pip
	.bench/bin/pip install --quiet uv

.bench/bin/pip:
	$(PYTHON) -m venv .bench

check: $(VENV)/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: $(VENV)/installed-tests
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The real registry, Docker and friends for the integration tests. Without them those tests say why they are skipped.
packages:
	sh scripts/integration-packages.sh

# What the loader matrix wants: torch, transformers and friends, some gigabytes where no CPU build of torch is at hand.
loaders: $(VENV)/installed-loaders

$(VENV)/installed-loaders: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --no-compile --editable '.[test,loaders]'
	touch $@

# docs/ as a site in site/, with search; a link or an anchor that leads nowhere is an error.
site: $(VENV)/installed-site
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet -b html docs site

$(VENV)/installed-site: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@ $(VENV)/installed

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/installed-tests: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) .demo .bench site
