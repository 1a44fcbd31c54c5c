# Two commands, each all the set-up there is: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test browser slow install clean

demo: install ## train, translate the sample and evaluate the embedded corpus
	$(BIN)/nmt train
	$(BIN)/nmt translate data/sample.en
	$(BIN)/nmt evaluate

test: $(VENV)/dev browser ## lint, type-check and test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deno fmt --check --quiet
	$(BIN)/deno lint --quiet
	$(BIN)/pytest

browser: ## Chromium for tests/browser, where apt may install it; else they skip aloud
	@command -v chromium chromedriver >/dev/null || { \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -qq -y --no-install-recommends chromium chromium-driver >/dev/null; } \
		|| echo "no chromium and chromedriver here: the browser tests will be skipped"

slow: $(VENV)/dev ## the tests that take minutes
	$(BIN)/pytest -m slow

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nmt needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean: ## remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist
