# Run in the environment of the README (`. .venv/bin/activate`), or give PYTHON=path/to/python.
PYTHON ?= python

.DEFAULT_GOAL := help
.PHONY: help check test bench site

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

check:  ## lint, format and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test:  ## the whole suite
	$(PYTHON) -m pytest

bench:  ## training speed against a plain DataLoader and against the compute floor
	$(PYTHON) scripts/bench_training.py

site:  ## the documentation site, into docs/_build/html (pip install -e ".[docs]")
	$(PYTHON) -m sphinx -q -E -W --keep-going -b html docs docs/_build/html
