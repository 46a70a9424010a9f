# `make help` lists what there is. Needs git, make and Python 3.11, 3.12 or 3.13, nothing else.

GPU ?= $(if $(wildcard .venv/.installed-gpu),1,0)
DATA ?=
MODEL ?= vae
TRIALS ?= 50
WORKERS ?=
PROFILE ?=
SEEDS ?=
PORT ?= 5000
PART ?=
ROUNDS ?=
COVERAGE ?=
SUPPORTED := 3.13 3.12 3.11
PYTHON ?= $(firstword $(foreach v,$(SUPPORTED),$(shell python$(v) -c 'print("python$(v)")' 2>/dev/null)) python3)

BUILD := $(if $(filter 1,$(GPU)),gpu,cpu)
LOCK := $(if $(filter 1,$(GPU)),requirements-gpu.lock,requirements.lock)
STAMP := .venv/.installed-$(BUILD)
OVERRIDES := $(if $(DATA)$(PROFILE)$(SEEDS),--write $(addprefix --seeds=,$(SEEDS))) $(if $(DATA)$(PROFILE),--profile $(or $(PROFILE),default) $(addprefix --data=,$(DATA)))
# A file of tests stays in one process: what it has made once, it uses again.
PARALLEL ?= --numprocesses 2 --dist loadfile --no-loadscope-reorder
WATCHDOG := -o faulthandler_timeout=700 -o faulthandler_exit_on_timeout=true  # for what a test's time limit cannot stop
REPORT := dvc repro --force --single-item report

# An archive of the project has no .git: DVC then works without, but makes no experiments.
HAS_GIT := $(shell git rev-parse --git-dir 2>/dev/null)
NO_SCM := grep -qs no_scm .dvc/config.local
define SCM
@$(if $(HAS_GIT),! $(NO_SCM) || dvc config --local --unset core.no_scm,$(NO_SCM) || { dvc config --local core.no_scm true && echo 'No git repository here: DVC works without, and makes no experiments.'; })
endef

# A container's user may have no home folder, which DVC and others ask for.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(CURDIR)/.genlab/home
endif

# What is on PATH is what `python`, `dvc` and `mlflow` mean in every stage.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help moved setup run tune test coverage test-all lint format bench report docs ui sync lock clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo 'Options: run DATA=mnist PROFILE=smoke SEEDS=3; tune MODEL=vae TRIALS=50 WORKERS=2 DATA=mnist; setup GPU=1 PYTHON=python3.12; ui PORT=5000'

setup: $(STAMP)  ## Create .venv with all packages, hash-pinned (GPU=1: TensorFlow with CUDA)

# The scripts of an environment name the place where it was made.
$(STAMP): $(LOCK) $(if $(shell test -s $(STAMP) && test "$$(cat $(STAMP))" != "$$(cd -P .venv && pwd -P)" && echo yes),moved)
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; v in "$(SUPPORTED)".split() or sys.exit("error: Python must be one of $(SUPPORTED). Received: " + v + ". Run: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@(cd -P .venv && pwd -P) >$@

moved:
	@echo 'This project was moved or copied: .venv is made anew.'

run: $(STAMP)  ## Run the whole pipeline (DATA=mnist, PROFILE=smoke, SEEDS=3), then say where the report is
	@mkdir -p .genlab && genlab check $(OVERRIDES) >.genlab/runs
	$(SCM)
	dvc repro
	@test -f reports/index.html || $(REPORT)
	@echo
	@echo "Ran on:        $$(cat .genlab/runs)"
	@echo 'The report:    reports/index.html (open it in a browser)'
	@echo 'The MLflow UI: make ui, then http://127.0.0.1:$(PORT)'

tune: $(STAMP)  ## Search better settings of one model (MODEL=vae TRIALS=50); the same command goes on where it was
	@genlab check $(OVERRIDES) >/dev/null
	$(SCM)
	dvc repro features
	genlab tune $(MODEL) --trials $(TRIALS) $(if $(WORKERS),--workers $(WORKERS))

test: $(STAMP) lint  ## Check the code, then run the tests that take under 10 minutes
	pytest -m 'not slow' $(PARALLEL) $(WATCHDOG) $(if $(COVERAGE),--cov --cov-report=term)

coverage: COVERAGE := 1
coverage: test  ## The same, and print the lines of src that no test runs; fails under 92 %

test-all: $(STAMP) lint  ## Run all tests
	pytest $(PARALLEL)

lint: $(STAMP)  ## Check style, types and the floors
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache

format: $(STAMP)  ## Mend what can be mended by itself
	ruff check --fix .
	ruff format .

bench: $(STAMP)  ## Measure speed and memory of training beside other ways (PART=table ROUNDS=5); an hour and a half
	PYTHONPATH=src python -m benchmarks $(addprefix --part=,$(PART)) $(addprefix --rounds=,$(ROUNDS))

report: $(STAMP)  ## Write reports/index.html anew (after dvc checkout or dvc exp apply)
	$(REPORT)

ui: $(STAMP)  ## Open the MLflow UI on this machine (PORT=5000)
	genlab ui --port $(PORT)

docs: $(STAMP)  ## Write the generated pages of docs/, then build all documents and the API reference into site/
	PYTHONPATH=src python docs/build.py
	NO_MKDOCS_2_WARNING=1 mkdocs build
	@echo 'The documents: site/index.html (open it in a browser)'

sync: $(STAMP)  ## Send to MLflow what could not be sent while it was out of reach
	genlab sync

lock:  ## Renew both lock files from pyproject.toml (needs uv)
	uv pip compile --quiet pyproject.toml --extra cpu --extra dev --extra docs --extra onnx --universal --python-version 3.11 --generate-hashes --no-header -o requirements.lock
	uv pip compile --quiet pyproject.toml --extra gpu --extra dev --extra docs --extra onnx --universal --python-version 3.11 --generate-hashes --no-header -o requirements-gpu.lock

clean:  ## Remove what runs have made; keeps .venv, downloads, mlflow.db and what is not yet sent to MLflow
	rm -rf .genlab/training data/images data/features data/validation.json models/* reports/[!s]* reports/scores/*/scores.json
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* site .dvc/cache .dvc/tmp
