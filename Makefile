# linkpulse: `make help` lists what there is. Everything made goes to build/ and .venv/.

SHELL := /bin/sh
.SUFFIXES:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
TOOLS = PYTHONPATH=tools $(PY) -m linkpulse_tools
PIP := $(PY) -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install -q -q --require-hashes -r

COUNT ?=
INTERVAL ?= 5
FORMAT ?= cbor
TAGS ?= short
THING ?= linkpulse-demo
BROKER ?= embedded
MICROPYTHON ?=
TARGET ?= unix
BOARD ?= qemu-mps2
HEAP ?=
LOOPBACK ?=
PROC ?= /proc
export LINKPULSE_MICROPYTHON := $(MICROPYTHON)
export LINKPULSE_THING := $(THING)

# `make report` prints JSON for people unless told otherwise.
REPORT_FORMAT = $(if $(filter command line environment override,$(origin FORMAT)),$(FORMAT),json)
REPORT_TAGS = $(if $(filter command line environment override,$(origin TAGS)),$(TAGS),long)

.PHONY: help setup run report firmware qemu test lint size packages dist bench fuzz soak-virtual soak advisor docs lock clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' Makefile

setup: build/.run ## create the virtual environment with the command linkpulse
	@echo "ready: $(VENV)/bin/linkpulse" >&2

run: build/.run ## report this machine to a local broker until Ctrl-C: TARGET=qemu COUNT= INTERVAL= FORMAT= TAGS= THING= BROKER= MICROPYTHON= LOOPBACK=1
	@$(TOOLS) run $(if $(COUNT),--count '$(COUNT)') --interval '$(INTERVAL)' --format '$(FORMAT)' --tags '$(TAGS)' \
	  --thing "$$LINKPULSE_THING" --broker '$(BROKER)' --target '$(TARGET)' $(if $(HEAP),--heap '$(HEAP)') \
	  $(if $(filter-out 0,$(LOOPBACK)),--loopback)

report: build/.run ## print one report of this machine: FORMAT= TAGS= PROC= LOOPBACK=1
	@$(TOOLS) report --format '$(REPORT_FORMAT)' --tags '$(REPORT_TAGS)' --thing "$$LINKPULSE_THING" --proc '$(PROC)' \
	  $(if $(filter-out 0,$(LOOPBACK)),--loopback)

firmware: build/.run ## build a board's firmware: BOARD=qemu-mps2 HEAP=65536
	@$(TOOLS) firmware --board '$(BOARD)' $(if $(HEAP),--heap '$(HEAP)')

qemu: build/.run ## start the board in QEMU and open its REPL: HEAP=
	@$(TOOLS) qemu $(if $(HEAP),--heap '$(HEAP)')

test: build/.test ## run all tests
	@$(PY) tools/system_packages.py
	@PYTHONPATH=tools $(PY) -m pytest tests $(ARGS)

lint: build/.test ## check style, format, spelling, layers, and how far the core tests reach
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@git ls-files -z | xargs -0 $(VENV)/bin/codespell
	@PYTHONPATH=lib:tools $(VENV)/bin/lint-imports --cache-dir build/imports >build/imports.log || { cat build/imports.log; exit 1; }
	@PYTHONPATH=tools $(PY) -m coverage run -m pytest -q -q tests/core
	@$(PY) -m coverage report --skip-covered --show-missing

size: build/.run ## compare the size of the device modules with their budgets
	@$(TOOLS) size

packages: build/.run ## write the package files that mip installs from
	@$(TOOLS) packages

dist: build/.run ## build all packages into build/dist, with SHA256SUMS
	@$(TOOLS) dist

bench: build/.bench ## compare with AWS's Python agent; TARGET=qemu: measure the agent on the board in QEMU
	@PYTHONPATH=tools $(PY) -m tests.bench$(if $(filter qemu,$(TARGET)),.qemu) $(ARGS)

fuzz: build/.test ## run a million inputs through every parser on both interpreters: ARGS="--seed N --parser NAME --inputs N"
	@PYTHONPATH=tools $(PY) -m tests.fuzz $(ARGS)

soak-virtual: build/.test ## run 72 virtual hours of the agent: ARGS="--hours N --seed N"
	@PYTHONPATH=tools $(PY) -m tests.soak virtual $(ARGS)

soak: build/.test ## run an hour against mosquitto over a failing link: ARGS="--minutes N --seed N"
	@PYTHONPATH=tools $(PY) -m tests.soak real $(ARGS)

advisor: build/.test ## run the cases of AWS's Device Advisor
	@PYTHONPATH=tools:. $(PY) -m tests.faults.advisor $(ARGS)

docs: build/.run ## update the generated parts of docs/: the table of settings, the picture of a report
	@$(TOOLS) settings --write docs/settings.md
	@PYTHONPATH=tools $(PY) -m linkpulse_tools.commands.picture docs/run.svg

lock: ## update requirements/*.txt from pyproject.toml (PYTHON= the oldest supported one)
	@PYTHON='$(PYTHON)' sh requirements/lock.sh

clean: ## remove everything that was made
	rm -rf build $(VENV)

# Set-up: one stamp a step; stamps of an environment that is gone do not count. All it says goes to standard error, so that a report can be piped.
ifeq ($(wildcard $(PY)),)
$(shell rm -f build/.venv build/.run build/.test build/.bench)
endif

build/.venv:
	@mkdir -p build
	@echo "[1/2] virtual environment in $(VENV)" >&2
	@$(PYTHON) -c 'import sys; sys.exit("linkpulse needs Python 3.10 or newer, this is " + sys.version) if sys.version_info < (3, 10) else 0'
	@$(PYTHON) -m venv $(VENV) >&2
	@touch $@

build/.run: requirements/run.txt build/.venv
	@echo "[2/2] packages of requirements/run.txt" >&2
	@$(INSTALL) requirements/run.txt >&2
	@printf '%s\n' '#!/bin/sh' 'PYTHONPATH="$(CURDIR)/tools" exec "$(CURDIR)/$(PY)" -m linkpulse_tools "$$@"' >$(VENV)/bin/linkpulse
	@chmod +x $(VENV)/bin/linkpulse
	@touch $@

build/.test: requirements/test.txt build/.run
	@echo "[+] packages of requirements/test.txt" >&2
	@$(INSTALL) requirements/test.txt >&2
	@touch $@

build/.bench: requirements/bench.txt build/.test
	@echo "[+] packages of requirements/bench.txt" >&2
	@$(INSTALL) requirements/bench.txt >&2
	@touch $@
