.DEFAULT_GOAL := help
SCENARIO ?= failover
SEEDS ?= 1000
LAB_SEEDS ?= 50
PYTEST_ARGS ?= -m "not slow and not deep"
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(STAMP) ## Watch a real failover: make demo [SCENARIO=failover|planned|async|diverge|compensate|split-brain|roundtrip|drill|live-drill|aws]
	$(VENV)/bin/seawall demo --scenario $(SCENARIO) $(DEMO_ARGS)

test: $(STAMP) browser rsync by-hand ## Lint, types, import rules and all tests
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

deep: $(STAMP) browser rsync by-hand ## More deaths and troubles on whole labs than make test has time for
	$(PY) -m pytest -n 2 --dist loadfile -m "deep and not slow"

bench: $(STAMP) ## Measure the orchestrator against the same calls made directly: make bench [BENCH_ARGS="--runs 10"]
	$(PY) -m tests.bench $(BENCH_ARGS)

torture: $(STAMP) ## Seeded disasters, each judged, over a simulated world and on real sites: make torture [SEEDS=1000] [LAB_SEEDS=50]
	$(PY) -m tests.torture --world sim --seeds $(SEEDS) $(TORTURE_ARGS)
	$(PY) -m tests.torture.lab --seeds $(LAB_SEEDS)

generate: $(STAMP) ## Write the files that are generated from code: JSON schemas, the OpenAPI document, IAM policies, docs/safety.md, the table of docs/awssim.md
	$(PY) -m tests.torture.table
	$(PY) -m activities.runbook_file --schema
	$(PY) -m activities.report_render
	$(PY) -m workers.hooks
	$(PY) -m infra.awssim.coverage
	$(PY) -m infra.aws.policies

format: $(STAMP) ## Format the code
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

wheel: $(STAMP) ## Build the wheel, install it in a clean environment and run the command
	infra/check_wheel.sh

install: $(STAMP) ## Make the environment in .venv

$(STAMP): pyproject.toml uv.lock
	infra/install.sh $(VENV)
	@touch $@

browser: ## Install Chromium for the tests of the Web UI, where that can be done
	@infra/browser.sh

rsync: ## Install rsync for the tests of the kind files, where that can be done
	@infra/rsync.sh

by-hand: ## Install what the tests of the page for break-glass type, where that can be done
	@infra/by_hand.sh

clean: ## Remove the environment, caches and labs
	-@[ -x $(VENV)/bin/seawall ] && for lab in .seawall/*/; do $(VENV)/bin/seawall lab down --all --folder "$$lab"; done
	rm -rf $(VENV) .seawall build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help demo test deep bench torture generate format wheel install browser rsync by-hand clean
