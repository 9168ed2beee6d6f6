# make study   environment, then the shipped study (dvc repro)
# make test    environment, then the fast tests
# make check   what CI runs: format, lint, types, all tests
# make readme  the README's table and figure from the results at hand

PYTHON ?= python3
VENV := .venv
IN_VENV := . $(VENV)/bin/activate &&

.PHONY: study test check readme setup
study: $(VENV)/.run
	$(IN_VENV) dvc repro

test: $(VENV)/.dev
	$(IN_VENV) python -m pytest

check: $(VENV)/.dev
	$(IN_VENV) ruff format --check && ruff check && basedpyright --level error && python -m pytest -m "not gpu"

readme: $(VENV)/.run
	$(IN_VENV) python scripts/update_readme.py

# Everything that the tests and checks need, for an editor or a debugger.
setup: $(VENV)/.dev

$(VENV)/.run: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "prunescope needs Python 3.11 or newer; set PYTHON=python3.12, say")'
	$(PYTHON) -m venv $(VENV)
	$(IN_VENV) python -m pip install --disable-pip-version-check -q -r requirements.txt
	$(IN_VENV) python -m pip install --disable-pip-version-check -q --no-deps -e .
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(IN_VENV) python -m pip install --disable-pip-version-check -q --no-deps -r requirements-dev.txt
	touch $@
