# Everything a person does here, one word each. Steps that need a tool install it first.

SHELL := bash
BIN := .venv/bin
export MAKECMDGOALS
export PYTHON

comma := ,

.DEFAULT_GOAL := help
.PHONY: help demo down check check-style check-types check-imports check-tests test attack test-images test-engines test-systemd test-upgrade bench chaos lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

demo:  ## set this machine up, start the platform, deploy examples/shop, show it
	@scripts/bootstrap.sh demo
	@$(BIN)/python scripts/demo.py

down:  ## stop the demo; no container, network, rule or process of it is left
	@scripts/down.sh

check:  ## format, lint, types, import contracts, unit and contract tests: before every push
	@scripts/bootstrap.sh python
	@$(MAKE) --no-print-directory --jobs --output-sync=target check-style check-types check-imports check-tests

check-style:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

check-types:
	$(BIN)/mypy

check-imports:
	$(BIN)/lint-imports --verbose

# Without its bytecode every run compiles every test anew, and nothing here is made of a schema.
check-tests:
	env --unset=PYTHONDONTWRITEBYTECODE $(BIN)/pytest -q -n 2 -p no:schemathesis tests/unit tests/contract -m 'not docker'

test: check test-images  ## check, then the tests that need an engine
	@$(BIN)/python scripts/rings.py

attack: test-images  ## what a hostile caller, container, image or document may try, each with its bound
	$(BIN)/pytest -q -m attack tests/unit tests/bounds tests/contract tests/integration tests/e2e

test-images:  ## the images that the tests run, from local files
	@scripts/bootstrap.sh test
	@PYTHONPATH=tests $(BIN)/python -m apps.images

test-engines:  ## the tests of the driver against another engine: ENGINE=28.5.1
	@scripts/bootstrap.sh test
	@scripts/test-engines.sh $(ENGINE)

test-systemd:  ## setup, a crash, a power cut and destroy on a machine whose first process is systemd
	@command -v debootstrap > /dev/null || apt-get -q install -y debootstrap
	@scripts/test-systemd.sh

test-upgrade:  ## a running installation of an older release is taken over: FROM=commit
	@scripts/bootstrap.sh test
	@scripts/test-upgrade.sh $(FROM)

bench:  ## how fast it is on this machine, and against whom; ROWS=start,mesh measures these only
	@scripts/bootstrap.sh python
	@scripts/bootstrap.sh demo
	@$(BIN)/python -m bench $(subst $(comma), ,$(ROWS))

chaos:  ## kill things while it works, for an hour at most; SAMPLE=10 for ten random cases (SEED= again)
	@scripts/bootstrap.sh test
	CHAOS_SAMPLE=$(SAMPLE) CHAOS_SEED=$(SEED) CHAOS_SECONDS=$(if $(SAMPLE),270,3000) \
		timeout --foreground --signal INT --kill-after 60 $(if $(SAMPLE),600,3540) $(BIN)/pytest -q tests/chaos --timeout 600

lock:  ## resolve the requirements anew
	@scripts/bootstrap.sh python
	@scripts/lock.sh

clean: down  ## the same as down, and remove what was built and cached here
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
