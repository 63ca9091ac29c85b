# Everything starts here, from a fresh clone: `make up` runs the platform, `make test` proves it.
# Needs python3 (3.11 or newer) and make; the rest is fetched, pinned by hash. See README.md.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Processes are started again and again, by the tests most of all: without kept bytecode each compiles the platform
# anew, which is half of what a start costs.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=
# One more than two cores: the scenarios wait for others much of their time.
WORKERS ?= 3

.PHONY: help up test lint types contracts unit bench soak demo verify client cli wheel sbom audit requirements
.PHONY: test-packages test-deps venv clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

up: $(VENV)/.runtime ## install what is missing, then run the platform in capture mode (Ctrl-C stops it)
	@exec $(BIN)/mailward up

# While one core fetches what the tests need, the other makes the environment and checks types in it.
test: test-packages ## install what the tests need, then lint, types, import contracts and every test
	@$(MAKE) --no-print-directory -j2 --output-sync=line types test-deps lint contracts
	@$(MAKE) --no-print-directory unit

lint: $(VENV)/.dev ## ruff: style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy --explicit-package-bases src/mailward src/mailward_client tests bench demo

contracts: $(VENV)/.dev ## import-linter: who may import whom
	@$(BIN)/lint-imports --no-cache

# One file per worker: a module's fixtures start real servers, and should start them once.
unit: $(VENV)/.dev ## pytest alone (PYTEST_ARGS="tests/protocol -x")
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

bench: test-deps $(VENV)/.dev ## beside Postfix and Haraka, in one run; BENCH_ARGS: --quick, --store postgres, --stored N, --nodes
	@tools/install-node.sh haraka
	@$(BIN)/python -m bench $(BENCH_ARGS)

soak: test-deps $(VENV)/.dev ## kill -9 of every role and node, 20 rounds of 5,000 messages each (SOAK_ARGS); other long forms
	@$(BIN)/python -m tests.scenarios.soak $(SOAK_ARGS)
	@$(BIN)/python -m tests.scenarios.disturbed $(SOAK_ARGS)
	@$(BIN)/python -m tests.scenarios.inbound_soak $(SOAK_ARGS)
	@$(BIN)/python -m tests.scenarios.bad_endpoints $(SOAK_ARGS)
	@MAILWARD_SOAK=1 $(BIN)/pytest -m soak --timeout 7200 -p no:cacheprovider $(PYTEST_ARGS) || [ $$? -eq 5 ]

demo: $(VENV)/.runtime ## start, submit a folder of real messages by SMTP and by API, show what became of each
	@case "$(DEMO_ARGS)" in *--folder*) ;; *) tools/install-messages.sh ;; esac
	@$(BIN)/python -m demo $(DEMO_ARGS)

asvs: $(VENV)/.dev ## docs/asvs.md again, from the marks of the tests and docs/asvs.toml
	@$(BIN)/python -m tests.asvs

verify: $(VENV)/.runtime ## run the check behind every security promise against the running system
	@$(BIN)/mailward verify

client: $(VENV)/.dev ## write what of mailward_client follows from the OpenAPI document
	@$(BIN)/python -m tests.client.generate

cli: $(VENV)/.dev ## write docs/cli.md from the commands
	@$(BIN)/python -m tests.app.commands.document

# The bytes of a wheel follow from the commit alone: its times are the commit's.
wheel: $(VENV)/.dev ## build/dist: the platform's wheel and the client's, the same bytes each time
	@rm -rf build/dist && mkdir -p build/dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 1700000000) \
	  $(BIN)/pip wheel -q --no-deps --no-build-isolation --no-index -w build/dist . ./client
	@sha256sum build/dist/*.whl

sbom: $(VENV)/.runtime ## build/sbom.json (CycloneDX) and build/licences.txt
	@mkdir -p build
	@$(BIN)/mailward sbom > build/sbom.json
	@$(BIN)/mailward sbom --licences > build/licences.txt
	@echo "build/sbom.json build/licences.txt"

audit: $(VENV)/.runtime ## ask a vulnerability service about every pin; says so where none can be reached (AUDIT_ARGS)
	@$(BIN)/mailward advisories --pins requirements/runtime.txt --pins requirements/multibuffer.txt --pins requirements/dev.txt --pins requirements/build.txt $(AUDIT_ARGS)

test-packages:
	@tools/install-test-deps.sh packages

test-deps:
	@tools/install-test-deps.sh

venv: $(VENV)/.dev

$(VENV)/.runtime: requirements/build.txt requirements/runtime.txt requirements/multibuffer.txt pyproject.toml
	@tools/make-venv.sh $(VENV) runtime
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@tools/make-venv.sh $(VENV) dev
	@touch $@

requirements: $(VENV)/.dev ## resolve requirements/*.in again (versions stay unless UPGRADE=1)
	@tools/lock-requirements.sh $(BIN)/pip-compile

clean: ## remove what these targets made (not ./data)
	@rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
