# Everything one runs in a checkout. `make demo` and `make test` set up what they need in .venv first.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --constraint constraints.txt
PINS := pyproject.toml constraints.txt
# One more than the two cores that CI has: tests of processes wait a good part of their time.
WORKERS ?= 3
# Where bytecode is not kept, each process of the tests compiles the whole program anew: half a second of CPU.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow crash programs lint bench judge clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.runtime  ## the main job on the sample articles; ARGS=--exit stops after the summary
	@$(BIN)/syndicate demo $(ARGS)

test: $(VENV)/.test  ## all tests but the slow ones; a few need Chromium
	@.ci/programs chromium
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist worksteal $(ARGS)

test-slow: $(VENV)/.test  ## the slow ones, and every property once more with many more examples
	@.ci/programs
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -m "slow or hypothesis" --timeout 1800 -n $(WORKERS) --dist worksteal $(ARGS)

crash: $(VENV)/.test  ## a hundred and more kills while mail is sent; prints what arrived against the ledger
	PYTHONPATH=tests $(BIN)/python tests/crash/full.py $(ARGS)

programs:  ## installs or names what tests and bench need beyond Python: browser, readers, servers, judges of mail
	@.ci/programs

lint: $(VENV)/.test  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test  ## each benchmark prints JSON
	@for file in benchmarks/*.py; do test -e "$$file" || continue; \
	echo "$$file" >&2; $(BIN)/python "$$file" $(ARGS) || exit 1; done

judge: $(VENV)/.test  ## judges that no registry offers, each where its variable names a checkout
	@echo "FEEDVALIDATOR=$${FEEDVALIDATOR:-(not set: a checkout of github.com/w3c/feedvalidator)}"
	@echo "BOUNCES=$${BOUNCES:-(not set: a checkout of github.com/sisimai/rb-sisimai)}"
	@if test -n "$$BOUNCES"; then $(BIN)/python judges/bounces.py "$$BOUNCES"; fi
	@if test -n "$$FEEDVALIDATOR"; then $(PIP) html5lib && $(BIN)/python judges/feedvalidator.py "$$FEEDVALIDATOR" $(ARGS); fi

clean:  ## what make and the tools made; never a database, its key, feeds or an outbox
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage build dist
	find syndicate tests benchmarks -type d -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/.runtime: $(PINS) | $(BIN)/python
	@echo "Installing Syndicate into $(VENV) ..." >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(PINS) | $(BIN)/python
	@echo "Installing Syndicate and what its tests need into $(VENV) ..." >&2
	@$(PIP) --editable ".[test]"
	@touch $(VENV)/.runtime $@

$(BIN)/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			"$$python" -m venv --clear $(VENV) && exit 0; \
			echo "$$python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
		fi; \
	done; \
	echo "Syndicate needs Python 3.11 or newer; none was found as python3, python3.14 ... python3.11" >&2; exit 1
