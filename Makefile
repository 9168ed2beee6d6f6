# make study   environment, then the shipped study (prunescope run)
# make test    environment, then the fast tests
# make check   what CI runs: format, lint, types, all tests
# make readme  the README's table and figure from the results at hand
#
# PYTHON=python3.12   makes the environment with this Python
# TORCH=cpu           makes it without CUDA, for a machine without a GPU: see requirements-cpu.txt

PYTHON ?= python3
VENV := .venv
IN_VENV := . $(VENV)/bin/activate &&
PIP := $(IN_VENV) python -m pip install --disable-pip-version-check -q
# An environment once made for the CPU stays so when it is brought up to date.
TORCH ?= $(shell cat $(VENV)/.run 2> /dev/null)

.PHONY: study test check readme setup
study: $(VENV)/.run
	$(IN_VENV) prunescope run
	@echo 'Done: open report/report.html'

test: $(VENV)/.dev
	$(IN_VENV) python -m pytest

check: $(VENV)/.dev
	$(IN_VENV) ruff format --check && ruff check && basedpyright --level error && python -m pytest -m "not gpu"

readme: $(VENV)/.run
	$(IN_VENV) python scripts/update_readme.py

# Everything that the tests and checks need, for an editor or a debugger.
setup: $(VENV)/.dev

$(VENV)/.run: requirements.txt requirements-cpu.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "prunescope needs Python 3.11 or newer; set PYTHON=python3.12, say")'
	@echo 'The environment: some minutes without a word.'
	$(PYTHON) -m venv $(VENV)
ifeq ($(TORCH),cpu)
	$(PIP) -c requirements.txt -r requirements-cpu.txt -e '.[deploy]' || { cat requirements-cpu.txt >&2; false; }
else ifeq ($(TORCH),)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -e .
else
	$(error found TORCH=$(TORCH), wanted cpu, or nothing for the build with CUDA)
endif
	echo $(TORCH) > $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(PIP) --no-deps -r requirements-dev.txt
	touch $@
