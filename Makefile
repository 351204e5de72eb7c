# Two commands do everything: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: demo ui test tests test-more test-rare mutants faults many lint clean format lock bench bench-memory bench-reclaim bench-jobs bench-events env env-demo

demo: $(VENV)/installed
	$(RUN) -m dev.demo

ui: $(VENV)/installed
	$(RUN) -m dev.ui

# All but what is marked `more`, and the checks of the code beside them: an Airflow under test is idle for much of its time.
test: $(VENV)/installed
	$(MAKE) --no-print-directory --jobs 2 lint tests

tests: $(VENV)/installed
	$(RUN) -m pytest -m "not more and not rare" --numprocesses 2 --no-loadscope-reorder

# What is marked `more`, and nothing else: servers' versions, clusters, storms, kills, long walks.
# One of three processes waits for Airflow most of the time.
test-more: $(VENV)/installed
	$(RUN) -m pytest -m "more and not rare" --numprocesses 3 --no-loadscope-reorder

# What takes very long, or tries in one more way what the others try: before a release, half an hour.
test-rare: $(VENV)/installed
	$(RUN) -m pytest -m rare --numprocesses 2 --no-loadscope-reorder

# Takes the guards away that hold the promises, one by one; a test has to tell.
mutants: $(VENV)/installed
	$(RUN) -m tests.mutants

# The faults of the tests at full size: less than half an hour.
faults: $(VENV)/installed
	$(RUN) -m tests.faults

# Fifty clients at once on one server: some minutes.
many: $(VENV)/installed
	$(RUN) -m tests.many

lint: $(VENV)/installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	PYTHONPATH=include $(VENV)/bin/lint-imports
	$(VENV)/bin/mypy

# An hour, on an idle machine. SCALE=small: a quarter of that, and nothing is written to the docs.
bench: $(VENV)/installed
	$(RUN) -m bench.archive
	$(RUN) -m bench.restore
	$(RUN) -m bench.small_windows
	$(RUN) -m bench.small_table
	$(RUN) -m bench.fleet
	$(RUN) -m bench.compressions

# The restores take most of it, a quarter of an hour. SCALE=small: a tenth of the windows, and nothing is written.
bench-memory: $(VENV)/installed
	$(RUN) -m bench.memory
	$(RUN) -m bench.restore_memory

# SCALE=small: a tenth of the rows, two minutes; nothing is written to the docs.
bench-reclaim: $(VENV)/installed
	$(RUN) -m bench.reclaim

# Half an hour. SCALE=small: a tenth or less of the jobs, some minutes; nothing is written to the docs.
bench-jobs: $(VENV)/installed
	$(RUN) -m bench.jobs
	$(RUN) -m bench.policy_rows

# Half an hour. SCALE=small: a tenth of the events, some minutes; nothing is written to the docs.
bench-events: $(VENV)/installed
	$(RUN) -m bench.events

format: $(VENV)/installed
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# The secrets for docker compose, into .env; the second one for a try without databases and a bucket of your own.
env:
	@$(PYTHON) -m dev.dotenv

env-demo:
	@$(PYTHON) -m dev.dotenv --demo

# Writes the lock file anew from the requirements.
lock: $(VENV)/installed
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 requirements-dev.txt -o constraints.txt \
		--no-header --no-emit-index-url --no-annotate

clean:
	rm -rf $(VENV) .state .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: requirements.txt requirements-dev.txt constraints.txt dev/install.sh
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11 to 3.13 is needed, as PYTHON=python3.x")'
	@echo "installing the pinned packages into $(VENV) (a minute or less)"
	$(PYTHON) -m venv $(VENV)
	@sh dev/install.sh $(VENV)
	@touch $@
