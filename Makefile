# Each target makes the virtual environment by itself where there is none.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: test browser fidelity chaos demo lint format types audit fuzz check lock vendor clean

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

test: $(STAMP)
	$(BIN)/python -m pytest $(ARGS)

# The pages in a real browser, with screenshots for a person to look at.
SCREENSHOTS ?= build/screenshots
browser: $(STAMP)
	@mkdir -p $(SCREENSHOTS)
	DFFMPEG_TEST_SCREENSHOTS=$(abspath $(SCREENSHOTS)) $(BIN)/python -m pytest tests/browser $(ARGS)

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

# Patterns in our own code, and known faults of the packages in the lock. The latter asks the package index's
# database of faults; where an index has none, it says so of each package and fails nothing.
audit: $(STAMP)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive dffmpeg
	$(BIN)/pip-audit --disable-pip --require-hashes --requirement requirements.lock --progress-spinner off

# What reads bytes that somebody else chose, each for a while; ARGS="--seconds 600 --keep" for a long run.
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(ARGS)

check: lint types test

# Needs uv; the result names no registry.
COMPILE := uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
  --python-version 3.11
lock:
	$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml
	echo imageio-ffmpeg | $(COMPILE) --constraint requirements.lock --output-file requirements-ffmpeg.lock -

# Swagger UI and ReDoc, which ship with the package. Needs npm.
VENDOR := dffmpeg/web/static/vendor
vendor:
	rm -rf build/vendor && mkdir -p build/vendor/swagger-ui build/vendor/redoc
	cd build/vendor && npm pack --silent swagger-ui-dist@5.35.0 redoc@2.5.4
	tar -xzf build/vendor/swagger-ui-dist-5.35.0.tgz -C build/vendor/swagger-ui --strip-components=1
	tar -xzf build/vendor/redoc-2.5.4.tgz -C build/vendor/redoc --strip-components=1
	cd build/vendor/swagger-ui && cp LICENSE NOTICE swagger-ui.css swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt \
	  $(CURDIR)/$(VENDOR)/swagger-ui/
	cp build/vendor/redoc/LICENSE build/vendor/redoc/bundles/redoc.standalone.js.LICENSE.txt \
	  build/vendor/redoc/bundles/*.worker.js.LICENSE.txt $(VENDOR)/redoc/
	sed 's|https://cdn.redoc.ly/redoc/logo-mini.svg|data:,|' build/vendor/redoc/bundles/redoc.standalone.js \
	  > $(VENDOR)/redoc/redoc.standalone.js

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
