PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/
READY := $(VENV)/ready

.PHONY: help demo test slow lint types bench readme docs results clean

help:
	@echo "make demo     prove every formula, then train with them beside torch.nn"
	@echo "make test     the tests; ARGS='-k sigmoid' picks some of them"
	@echo "make slow     the tests that take minutes"
	@echo "make lint     style and formatting"
	@echo "make types    static types"
	@echo "make bench    speed beside torch"
	@echo "make readme   write the tables of the README anew"
	@echo "make docs     write the pages of docs/ anew"
	@echo "make results  run every recipe and write RESULTS.md; RECIPES='digits' runs some of them"
	@echo "make clean    remove the environment and the caches; runs/ stays"

$(READY): pyproject.toml constraints.txt scripts/environment.sh
	@PYTHON="$(PYTHON)" sh scripts/environment.sh $(VENV)
	@touch $@

demo: $(READY)
	@$(RUN)manualgrad demo

test: $(READY)
	@OMP_NUM_THREADS=1 $(RUN)pytest -n auto --dist worksteal -q -rfEs $(ARGS)

slow: $(READY)
	@OMP_NUM_THREADS=1 $(RUN)pytest -m slow $(ARGS)

lint: $(READY)
	@$(RUN)ruff check .
	@$(RUN)ruff format --check .

types: $(READY)
	@$(RUN)mypy

bench: $(READY)
	@$(RUN)python -m manualgrad.benchmarks

readme: $(READY)
	@$(RUN)python -m tests.test_readme

docs: $(READY)
	@$(RUN)python -m tests.explaining.test_docs
	@$(RUN)python -m tests.checking.test_docs

results: $(READY)
	@$(RUN)python -m tests.test_results $(RECIPES)

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find manualgrad recipes tests -name __pycache__ -type d -prune -exec rm -rf {} +
