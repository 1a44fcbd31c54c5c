# `make demo` and `make test` need no other set-up: each creates .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo explain-demo test lint docs browser slow gpu install clean

demo: install ## train, translate the sample and evaluate the embedded corpus
	$(BIN)/nmt train
	$(BIN)/nmt translate data/sample.en
	$(BIN)/nmt evaluate

test: $(VENV)/dev browser ## build the manual, lint, type-check and test
	$(MAKE) --no-print-directory --jobs=2 lint docs
	$(BIN)/pytest --numprocesses=auto --dist=worksteal --durations=25

lint: $(VENV)/dev ## check the style and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/deno fmt --check --quiet
	$(BIN)/deno lint --quiet
	$(BIN)/mypy

docs: $(VENV)/dev ## build the manual into build/docs; a warning is an error
	$(BIN)/sphinx-build -W --keep-going --fresh-env --quiet docs build/docs

browser: ## install Chromium for tests/browser if apt can; otherwise those tests are skipped
	@if ! { command -v chromium && command -v chromedriver; } >/dev/null; then \
		{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq \
		&& apt-get install -qq -y --no-install-recommends chromium chromium-driver >/dev/null; } \
		|| echo "no chromium and chromedriver here: the browser tests will be skipped"; fi

# The runs that explain-demo shows. A missing one is trained first; Multi30k takes an hour or more.
POCKET ?= runs/pocket
MULTI30K ?= runs/multi30k_en_de
PAGES := build/demo

explain-demo: $(VENV)/dev browser ## write pages of two trained models into build/demo and test them in Chromium
	test -f $(POCKET)/model.safetensors || $(BIN)/nmt train pocket --run $(POCKET)
	test -f $(MULTI30K)/model.safetensors \
		|| { $(BIN)/nmt fetch multi30k_en_de && $(BIN)/nmt train multi30k_en_de --run $(MULTI30K); }
	$(BIN)/nmt explain "The old woman who lives in the house is reading a letter." \
		--model $(POCKET) --output $(PAGES)/explain-pocket.html
	$(BIN)/nmt explain "A dog is running through the tall grass near a frisbee." \
		--model $(MULTI30K) --output $(PAGES)/explain-multi30k.html
	$(BIN)/nmt report $(POCKET) --output $(PAGES)/report-pocket.html
	$(BIN)/nmt report $(MULTI30K) --output $(PAGES)/report-multi30k.html
	NMT_DEMO_PAGES=$(PAGES)/explain-pocket.html:$(PAGES)/explain-multi30k.html:$(PAGES)/report-pocket.html:$(PAGES)/report-multi30k.html \
		$(BIN)/pytest tests/browser -k "trained_model or real_run"

slow: $(VENV)/dev ## run the tests that take minutes
	$(BIN)/pytest -m slow

gpu: $(VENV)/dev ## measure a CUDA GPU in half an hour and write docs/results/gpu.md
	$(BIN)/python benchmarks/gpu.py

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
