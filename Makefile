# make demo   sets everything up and runs the whole chain
# make test   sets everything up and passes the tests
# make check  lint, types, import layers and tests
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev,firmware,monitor,scale,simulate,train
PYTEST_ARGS ?=
BIN := $(VENV)/bin

.PHONY: demo test heavy check lint wheel clean

$(VENV)/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "l1chain needs Python 3.11 or newer; run make with PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "cannot make a virtual environment; on Debian: apt-get install python3-venv"; exit 2; }
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.extras-$(EXTRAS): $(VENV)/.core
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

demo: $(VENV)/.core
	$(BIN)/l1chain demo

test: $(VENV)/.extras-$(EXTRAS)
	$(BIN)/python -m pytest -n auto -m 'not heavy' $(PYTEST_ARGS)

heavy: $(VENV)/.extras-$(EXTRAS)
	$(BIN)/python -m pytest -m heavy $(PYTEST_ARGS)

lint: $(VENV)/.extras-$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

wheel: $(VENV)/.extras-$(EXTRAS)
	$(BIN)/python -m hatchling build -t wheel

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
