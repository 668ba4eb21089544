# `make run` and `make test` set everything up by themselves: they need only make and a
# Python 3.11 or newer with venv (tested on 3.11 to 3.13). Works with make 3.81 and newer.

VENV = .venv
BIN = $(VENV)/bin
LOCKS = requirements.lock requirements-dev.lock
# What is installed: all locks for tests and checks, the first for the rest. An environment that has
# all is kept up to date as a whole.
READY = $(VENV)/.ready-dev
RUN_READY = $(or $(wildcard $(READY)),$(VENV)/.ready-run)
PYTHON =
SCENARIO = scenarios/deepseek.toml
WORKERS = auto
ARGS =

.PHONY: help run test browser-test check format cover campaign bench rare variance baselines docs validation gallery lock setup always clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1@\2/p' Makefile | awk -F@ '{printf "%-20s %s\n", $$1, $$2}'
	@echo 'ARGS="..." is passed on (make test ARGS="-k drawdown"), PYTHON=... picks the Python,'
	@echo 'SCENARIO=... the scenario of make run, WORKERS=... the number of test processes.'

run: $(RUN_READY)  ## simulate scenarios/deepseek.toml, print the summary, write a run folder
	$(BIN)/crashsim run $(SCENARIO) $(ARGS)

test: $(READY)  ## all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

browser-test: $(VENV)/browser  ## reports and explore pages in a headless Chromium
	PYTHONPATH=$(VENV)/browser $(BIN)/python -m pytest -m browser tests/reports $(ARGS)

check: $(READY)  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## rewrite the sources as `make check` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cover: $(READY)  ## all tests, with branch coverage
	$(BIN)/python -m pytest -n $(WORKERS) --cov $(ARGS)

campaign: $(READY)  ## try to lose, spoil or misread what is stored, 3,000 trials; ARGS="kills --times 20 --seed 3" for less
	$(BIN)/python scripts/campaign.py $(ARGS)

bench: $(VENV)/bench  ## benchmarks, one at a time, beside numba, JAX and QuantLib
	PYTHONPATH=$(VENV)/bench $(BIN)/python -m pytest benchmarks --benchmark-enable -p no:randomly $(ARGS)

rare: $(READY)  ## hold rare-event splitting against a million plain paths, a few minutes
	$(BIN)/python scripts/rare_check.py $(ARGS)

variance: $(READY)  ## measure what antithetic, stratified, Sobol draws and controls would gain
	$(BIN)/python benchmarks/variance_reduction.py $(ARGS)

baselines: $(READY)  ## make simulator/history/data/*.csv again from the source series
	$(BIN)/python scripts/make_baselines.py $(ARGS)

docs: $(READY)  ## write docs/cli.md, docs/parameters.md and what the commands of docs/howto/ and the tutorial show
	$(BIN)/python scripts/make_cli_docs.py
	$(BIN)/python scripts/make_model_docs.py
	$(BIN)/python scripts/make_howto_docs.py
	$(BIN)/python scripts/make_tutorial.py

validation: $(READY)  ## run the hindcast, write docs/validation.md and its figures
	$(BIN)/python scripts/make_validation.py $(ARGS)

gallery: $(READY)  ## draw docs/gallery.md and the picture of the README
	$(BIN)/python scripts/make_gallery.py $(ARGS)

lock: $(RUN_READY)  ## resolve both locks again; ARGS=--upgrade takes newer versions
	scripts/lock.sh $(BIN)/python $(ARGS)

setup: $(RUN_READY)  ## only prepare .venv, as make run needs it

$(READY): $(LOCKS) pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(VENV)" "$(PYTHON)" $(LOCKS)
	@touch $@

$(VENV)/.ready-run: requirements.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(VENV)" "$(PYTHON)" requirements.lock
	@touch $@

# In a folder of its own: without the playwright it asks for it would not pass `pip check`.
$(VENV)/browser: requirements-browser.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes --upgrade --target $@ -r requirements-browser.lock
	@touch $@

# Peers in a folder of their own: they are needed for nothing else.
$(VENV)/bench: benchmarks/requirements.lock $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
		--require-hashes --upgrade --target $@ -r benchmarks/requirements.lock
	@touch $@

# A Python that was asked for must have effect, even where an environment stands already.
ifneq ($(PYTHON),)
$(READY) $(VENV)/.ready-run: always
endif
always:

clean:  ## remove the environment and caches; results stay
	rm -rf $(VENV) .venv-lock dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
