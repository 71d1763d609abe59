# `make help` lists the targets. Each target installs what it needs, so none depends on another having run before.

.DEFAULT_GOAL := help
.NOTPARALLEL:
PYTHON := .venv/bin/python
TIERS := $(wildcard tests/unit tests/property tests/conformance tests/integration tests/fuzz)

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do \
		printf '  make %-16s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: ## Install everything that the demo and the tests need
	@scripts/setup.sh test

.PHONY: demo
demo: ## Run the whole path on this machine until Ctrl-C (ONCE=1: check every outcome and stop; FREE_PORTS=1: any ports)
	@scripts/setup.sh demo
	@exec .venv/bin/plumbline demo $(if $(ONCE),--once)

.PHONY: demo-once
demo-once: ## The same as make demo ONCE=1
	@$(MAKE) --no-print-directory demo ONCE=1

.PHONY: test
test: ## Run the tests that belong to every change (unit, property, conformance, integration, fuzz; PROCESSES=2: at once)
	@scripts/setup.sh test
	$(PYTHON) -m pytest -rs -m "not slow" $(if $(PROCESSES),--numprocesses $(PROCESSES) --dist loadgroup) $(TIERS)

.PHONY: test-postgresql
test-postgresql: ## Run the tests of stores on a real PostgreSQL in place of SQLite
	@scripts/setup.sh test
	PLUMBLINE_TEST_STORE=postgresql $(PYTHON) -m pytest -rs tests/unit/adapters/database tests/unit/pipeline tests/unit/worklist \
		tests/unit/services tests/property tests/integration/test_retention.py

.PHONY: test-browser
test-browser: ## Run the pages in headless Chromium
	@scripts/setup.sh test
	$(PYTHON) -m pytest -rs tests/browser

.PHONY: test-all
test-all: ## Run every test, the slow ones too
	@scripts/setup.sh test
	$(PYTHON) -m pytest -rs

.PHONY: fuzz
fuzz: ## Throw mutated conversations, datasets and journals at the listener for FUZZ_SECONDS each (default 600)
	@scripts/setup.sh test
	PLUMBLINE_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) $(PYTHON) -m pytest -rs -o timeout=0 tests/fuzz

.PHONY: bench
bench: bench-priors bench-pairs bench-ct bench-worklist bench-listener ## Run every benchmark; figures go to build/figures

.PHONY: bench-pairs
bench-pairs: ## Measure the virtual patients' pairs at full size, against their truth
	@scripts/setup.sh demo
	$(PYTHON) tests/benchmark/phantom_pairs.py

.PHONY: accuracy-ct
accuracy-ct: ## Measure randomised CT pairs with known truth (hours: renders about 300 volumes, which are kept)
	@scripts/setup.sh check
	$(PYTHON) -m tests.benchmark.ct_accuracy

.PHONY: bench-ct
bench-ct: ## Time a CT pair of 512 x 512 x 300 beside whole-volume rigid registration by SimpleITK and elastix
	@scripts/setup.sh benchmark
	$(PYTHON) -m tests.benchmark.ct_speed

.PHONY: bench-priors
bench-priors: ## Choose references in made-up histories, read labelled spine text, match among 2,000 and 100,000 studies
	@scripts/setup.sh demo
	$(PYTHON) tests/benchmark/priors.py

.PHONY: bench-worklist
bench-worklist: ## Search, update and be told of a worklist of 10,000 by 20 readers at once
	@scripts/setup.sh check
	$(PYTHON) -m tests.benchmark.worklist

.PHONY: bench-listener
bench-listener: ## Receive beside storescp and Orthanc, and 100,000 instances into one ledger
	@scripts/setup.sh test
	$(PYTHON) -m tests.benchmark.listener

.PHONY: faults
faults: ## Kill, empty and restart everything while 100 exams are under way (40 minutes at most; SEED=1, EXAMS=100, MINUTES=35)
	@scripts/setup.sh test
	$(PYTHON) -m tests.faults.campaign --seed $(or $(SEED),1) --exams $(or $(EXAMS),100) --minutes $(or $(MINUTES),35)

.PHONY: bench-scale
bench-scale: ## Compare exams with one measuring process and with two; count what an exam costs besides its measurement
	@scripts/setup.sh test
	$(PYTHON) -m tests.benchmark.scale

.PHONY: screenshots
screenshots: ## Take a screenshot of every page into docs/screenshots (ADDRESS=... ORTHANC=... : of a demonstration that runs already)
	@scripts/setup.sh test
	$(PYTHON) -m tests.browser.screenshots $(ADDRESS) $(ORTHANC)

.PHONY: check
check: ## Check format, lint, types, layers, links and lock
	@scripts/setup.sh check
	@scripts/check.sh

.PHONY: lock
lock: ## Resolve requirements.lock again from pyproject.toml
	@scripts/setup.sh check
	$(PYTHON) scripts/lock.py

.PHONY: clean
clean: ## Remove everything that was built here, the Python environment too
	rm -rf .venv build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
