# `make demo` and `make test` are all a newcomer needs: each makes a virtual environment in .venv if there is none.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet

.PHONY: demo spaces docs test test-slow torture lint types format cards strip-notebooks train evaluate-toy bench bench-quick clean help

help:
	@echo "make demo             score toy clips and write demo_out/report.html"
	@echo "make spaces           lay out a complete Space of each metric in build/spaces (OWNER=account writes it into the cards)"
	@echo "make docs             build the documentation into build/site"
	@echo "make test             lint, types, tests, docstring and README examples"
	@echo "make test-slow        the tests that take minutes"
	@echo "make torture          20,000 damaged files (about 15 minutes; MUTANTS=1000 for fewer, MINUTES=30 to stop after so many)"
	@echo "make format           format the code"
	@echo "make cards            write the option tables of the metric cards"
	@echo "make strip-notebooks  take outputs out of the notebooks"
	@echo "make train            train the toy model again (about 20 minutes), into build/toy"
	@echo "make evaluate-toy     measure the shipped toy model and rewrite its card"
	@echo "make bench            all benchmarks, into build/benchmarks (about 20 minutes); BENCH_REPEAT=5 for more turns"
	@echo "make bench-quick      the same with tiny sizes, to see that they run"

demo: $(VENV)/.installed
	$(BIN)/vqe demo --out demo_out

spaces: $(VENV)/.installed
	@for name in $(notdir $(patsubst %/app.py,%,$(wildcard metrics/*/app.py))); do \
		$(BIN)/python metrics/assemble.py $$name build/spaces/$$name $(if $(OWNER),--owner $(OWNER)) || exit 1; done

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: lint types
	$(BIN)/python -m pytest -q --numprocesses=2 --dist=worksteal

test-slow: $(VENV)/.installed-slow
	$(BIN)/python -m pytest -q -rs -m slow --numprocesses=2 --dist=worksteal tests

# Mutants of the files of tests/media/corpus, read as `vqe score` reads rows.
torture: $(VENV)/.installed-dev
	$(BIN)/python -m tests.torture.mutants --mutants $(or $(MUTANTS),20000) --minutes $(or $(MINUTES),0) \
		--seed $(or $(SEED),0)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cards: $(VENV)/.installed
	$(BIN)/python metrics/cards.py

strip-notebooks: $(VENV)/.installed-dev
	$(BIN)/nbstripout notebooks/*.ipynb

train: $(VENV)/.installed-dev
	$(BIN)/python -m training.train --out build/toy

evaluate-toy: $(VENV)/.installed-dev
	$(BIN)/python -m training.evaluate

# One process after the other: a benchmark wants the machine for itself.
BENCHMARKS := decode encode end_to_end cache rows sounds memory runs
BENCH_OPTIONS = $(if $(BENCH_REPEAT),--repeat $(BENCH_REPEAT))

bench: $(VENV)/.installed-dev
	@for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name $(BENCH_OPTIONS) || exit 1; done

bench-quick: $(VENV)/.installed-dev
	@for name in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$name --quick --out build/benchmarks/quick || exit 1; done

clean:
	rm -rf $(VENV) build dist *.egg-info demo_out

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than what they were made from, so an edited setup.py installs again.
$(VENV)/.installed: setup.py pyproject.toml | $(BIN)/python
	@echo "Installing (torch is large: this takes some minutes the first time)"
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: setup.py pyproject.toml | $(BIN)/python
	@echo "Installing with development tools (torch is large: this takes some minutes the first time)"
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.installed $@

$(VENV)/.installed-docs: setup.py pyproject.toml | $(BIN)/python
	@echo "Installing with the tools of the documentation"
	$(PIP) --editable '.[docs]'
	touch $(VENV)/.installed $@

# A server of transformers, for the endpoint test.
$(VENV)/.installed-slow: $(VENV)/.installed-dev
	$(PIP) --editable '.[dev,serving]'
	touch $@
