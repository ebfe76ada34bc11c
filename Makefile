# Each target makes the virtual environment by itself where there is none.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: test fidelity chaos demo lint format types check lock clean

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

test: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

# Real command lines through clusters of this machine, where their corpus is: ../shared/fidelity or FIDELITY_DIR.
fidelity: $(STAMP)
	@$(BIN)/python -m tests.fidelity $(ARGS)

# A whole cluster of this machine while its parts are killed and cut off, and a verdict; --help says what there is.
chaos: $(STAMP)
	@$(BIN)/python -m tests.chaos $(ARGS)

# KEEP=1 leaves the cluster running. Where there is no ffmpeg, one from a wheel is installed beside the package.
demo: $(STAMP)
	@command -v ffmpeg >/dev/null 2>&1 || $(BIN)/python -c 'import imageio_ffmpeg' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-ffmpeg.lock
	@$(BIN)/python -m dffmpeg.standalone.demo $(if $(KEEP),--keep)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

# Needs uv; the result names no registry.
COMPILE := uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
  --python-version 3.11
lock:
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	echo imageio-ffmpeg | $(COMPILE) --constraint requirements.lock --output-file requirements-ffmpeg.lock -

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
