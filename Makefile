# `make` lists the targets. All build products are in .venv/ and build/.
PYTHON ?= python3
BIN    := .venv/bin
BROWSERS := chromium chromium-browser google-chrome
POSTGRES := /usr/lib/postgresql/*/bin/postgres

# Tests start hundreds of processes that import the same modules, so bytecode is kept even if the shell disables it.
# What fails runs once more, alone; if it passes then, it is reported as unstable.
pytest = PYTHONDONTWRITEBYTECODE= $(1)/python -m pytest -q -n auto --dist worksteal --confirm-failures $(if $(UNSTABLE_LOG),--unstable-log="$(UNSTABLE_LOG)")

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all test-real-time test-slow test-dependencies test-weekly test-lowest test-newest setup-all compare compare-newest frameworks attack fleet-faults mutate regen regen-check sync lint types spelling check format bench peers docs lock clean
.DELETE_ON_ERROR:

help:           ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed      ## create .venv from python3 and the pinned requirements

setup-all: .venv/.installed build/peers/.installed build/lowest/.installed    ## also install what only test-all needs
	@if command -v npm >/dev/null; then $(MAKE) -s build/node/.installed; fi

demo: .venv/.installed       ## make a WebRTC call to the local simulator (LIVE=1: to the API, with OPENAI_API_KEY)
	@$(BIN)/realtime demo $(if $(LIVE),--live)

test: .venv/.installed       ## run the fast tests: a minute on two cores
	@$(call pytest,$(BIN)) -m "$(FAST)"

test-all: test test-real-time test-slow test-dependencies    ## run all tests of a change: also browsers, PostgreSQL, node, the official package, older dependencies

test-real-time: setup-all    ## run the tests of calls in real time, without others that compute beside them
	@$(AVAILABLE); \
	$(call pytest,$(BIN)) -m "real_time and not weekly$$without"

test-slow: setup-all         ## run the slow tests, those of the pipeline, and those that start programs
	@$(AVAILABLE); \
	$(call pytest,$(BIN)) -m "(slow or programs) and not real_time and not weekly$$without" || exit $$?; \
	case "$$without" in *postgres*) \
	  echo "OMITTED: fleets on PostgreSQL, which is not installed. On Debian: apt-get install postgresql";; esac; \
	case "$$without" in *browser*) \
	  echo "OMITTED: browser tests, because there is no browser on PATH. On Debian: apt-get install chromium";; esac; \
	case "$$without" in *node*) \
	  echo "OMITTED: node clients, because npm is not on PATH. On Debian: apt-get install npm";; esac

test-dependencies: build/lowest/.installed    ## run the tests that meet dependencies, with the lowest supported versions on the newest Python
	@$(call pytest,build/lowest/bin) -p no:cacheprovider -m "$(FAST)" $(MEET_DEPENDENCIES)

# More and random examples, further cases, and coverage; what fails prints how to draw it again. What judges
# the times of a whole app runs by itself.
test-weekly: setup-all       ## run every test with many random examples, and measure coverage (an hour)
	@$(AVAILABLE); \
	$(call pytest,$(BIN)) --hypothesis-profile=random --cov --cov-report=term:skip-covered \
	  -m "(slow or not slow) and not alone$$without" || exit $$?; \
	$(call pytest,$(BIN)) -n 0 -m "alone$$without"

test-lowest: build/lowest/.installed    ## run all tests but the slow ones with the lowest supported versions (LOWEST_PYTHON=python3.11)
	@$(call pytest,build/lowest/bin) -p no:cacheprovider -m "not slow"

# The formatter stays pinned, because it wrote generated/.
test-newest: .venv/.installed    ## run the fast tests with the newest versions instead of the pinned ones
	@rm -rf build/newest && mkdir -p build && $(UV) venv --quiet --python $(BIN)/python build/newest
	@$(UV) pip install --quiet --python build/newest/bin/python -r requirements.in $(OURS) \
	  "$$(sed -n 's/^\(ruff==[^ ]*\).*/\1/p' requirements.txt)"
	@$(call pytest,build/newest/bin) -p no:cacheprovider -m "not slow"

compare: .venv/.installed peers    ## compare the types with the official package's
	@$(BIN)/python -m tests.compare_official

compare-newest: .venv/.installed    ## compare the types with those of the newest official package, and print patches that take them over
	@rm -rf build/newest-peers && mkdir -p build && $(UV) venv --quiet --python $(BIN)/python build/newest-peers
	@$(UV) pip install --quiet --python build/newest-peers/bin/python "openai[realtime]"
	@$(BIN)/python -m tests.compare_official --python build/newest-peers/bin/python

frameworks: .venv/.installed ## run pipecat, LiveKit's agents and pydantic-ai against the simulator, on Realtime and Live (650 MB; ONLY=pipecat)
	@$(BIN)/python -m tests.frameworks $(ONLY)

attack: .venv/.installed     ## fuzz every interface: mutated input, faulty servers and peers, datagrams, signals, callbacks that raise, unread sockets, command output (SECONDS=60 SEED=… ONLY=name)
	@nice -n 10 $(BIN)/python -m tests.attack --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) \
	  $(if $(ONLY),--only "$(ONLY)")

fleet-faults: .venv/.installed    ## inject 25 faults of processes, database, network and API into a fleet of 300 calls, also several at once (SEEDS="1 2 3" CALLS=300 LIVE=0.5; 20 minutes)
	@$(BIN)/python -m tests.fleet_faults --calls $(or $(CALLS),300) --seeds $(or $(SEEDS),1 2 3) --live $(or $(LIVE),0)

mutate: .venv/.installed     ## list mutants that survive the tests (ONLY=path SEED=…)
	@nice -n 10 $(BIN)/python tests/mutate.py $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED))

regen: .venv/.installed      ## regenerate generated/ from openapi/, and the sync classes from the async ones
	@$(BIN)/python scripts/regen.py
	@$(BIN)/python scripts/unasync.py

regen-check: .venv/.installed    ## fail if generated code is out of date
	@$(BIN)/python scripts/regen.py --check
	@$(BIN)/python scripts/unasync.py --check

sync: .venv/.installed       ## compare openapi/ with a newer upstream document: make sync SPEC=file [APPLY=1]
	@test -n "$(SPEC)" || { echo "make sync needs SPEC=<file>, a downloaded OpenAPI document" >&2; exit 2; }
	@$(BIN)/python scripts/sync.py "$(SPEC)" $(if $(APPLY),--apply)

lint: .venv/.installed       ## ruff: rules and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.installed      ## mypy, strict
	@$(BIN)/mypy

spelling: .venv/.installed   ## codespell
	@$(BIN)/codespell

check: lint types spelling regen-check    ## lint, types, spelling and regen-check

format: .venv/.installed     ## auto-fix and format with ruff
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: .venv/.installed peers    ## benchmark against raw httpx and websockets and the openai package (SAVE=1: update benchmarks/)
	@$(BIN)/python -m benchmarks $(if $(SAVE),--save)

peers: build/peers/.installed    ## install the packages that tests and benchmarks compare with, in build/peers

docs: .venv/.installed       ## build the documentation into build/site
	@$(BIN)/python scripts/build_docs.py

lock: .venv/.installed       ## update the pins of requirements.in and of the lowest supported versions (UPGRADE=1: newest versions)
	@$(BIN)/uv $(COMPILE) $(if $(UPGRADE),--upgrade) -o requirements.txt requirements.in
	@mkdir -p build
	@awk '/^# generating/ {on = 1} on && /^[A-Za-z]/ {print tolower($$0)}' requirements.in | while read -r name; do \
	  grep -E "^$$name==" requirements.txt | sed 's/ *\\$$//'; done > build/tools.txt
	@$(BIN)/uv $(COMPILE) --resolution lowest-direct --all-extras --no-annotate --upgrade -o requirements-lowest.txt \
	  --no-emit-package realtime-api-client --no-emit-package realtime-simulator --no-emit-package realtime-ext \
	  generated/pyproject.toml simulator/pyproject.toml pyproject.toml kit/pyproject.toml build/tools.txt
	@printf '%s\n' $(PEER_NAMES) | $(BIN)/uv $(COMPILE) --no-annotate $(if $(UPGRADE),--upgrade) -o requirements-peers.txt -

clean:          ## remove .venv, build and caches
	rm -rf .venv build dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find realtime_ext kit simulator generated scripts tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# --- which tests ----------------------------------------------------------------------------------------------------

FAST = not slow and not programs and not real_time and not weekly

# HTTP, WebSockets, WebRTC, events, tools, the command line and packaging.
MEET_DEPENDENCIES = tests/generated/test_requests.py tests/generated/test_client_options.py tests/ext/_core tests/ext/_http \
  tests/ext/_resources tests/kit/cli tests/ext/connection tests/ext/testing tests/ext/tools $(wildcard tests/ext/test_audio*.py) \
  tests/ext/test_client.py tests/ext/test_events.py tests/simulator/test_server.py $(wildcard tests/simulator/test_ws_*.py) \
  tests/simulator/test_http.py tests/simulator/test_ice_peer.py tests/simulator/test_simulator_schema.py \
  tests/simulator/test_tls.py tests/project/test_public_face.py

# A browser, node and PostgreSQL come from the system; tests of a missing one are omitted, with a note at the end.
AVAILABLE = without=""; \
	command -v $(BROWSERS) >/dev/null || without="$$without and not browser"; \
	ls $(POSTGRES) >/dev/null 2>&1 || command -v postgres >/dev/null || without="$$without and not postgres"; \
	command -v npm >/dev/null || without="$$without and not node"

# --- set-up, with stamp files ---------------------------------------------------------------------------------------

# uv: the system's, or one installed in the venv by pip with pinned version and hashes.
UV = $$(command -v uv || echo $(BIN)/uv)
COMPILE = pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header
# typer as users get it: the generator in requirements.txt allows older versions only.
PEER_NAMES = "openai[realtime]" openai-agents standardwebhooks typer
OURS = -e generated -e simulator -e . -e kit

.venv/.requirements: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (make PYTHON=python3.12 …)")'
	@echo "Setting up .venv from requirements.txt; this happens once."
	@if command -v uv >/dev/null; then test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) .venv; \
	else \
	  test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { rm -rf .venv; \
	    echo "python3 has no venv module; on Debian: apt-get install python3-venv, or install uv" >&2; exit 1; }; \
	  test -x $(BIN)/uv || { awk '/^uv==/ {on = 1} on {print} on && !/\\$$/ {exit}' requirements.txt > .venv/uv.txt && \
	    $(BIN)/python -m pip install --quiet --require-hashes -r .venv/uv.txt; }; \
	fi
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.txt
	@touch $@

.venv/.installed: .venv/.requirements pyproject.toml generated/pyproject.toml simulator/pyproject.toml kit/pyproject.toml
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(OURS)
	@touch $@

# The newest released Python on PATH or in pyenv.
VERSION = -c 'import sys; v = sys.version_info; v[3] == "final" and print("%d.%03d" % v[:2])'
PYTHONS = $(BIN)/python $(foreach minor,12 13 14 15 16,python3.$(minor)) $(wildcard ~/.pyenv/versions/3.*/bin/python)
NEWEST  = $$(for python in $(PYTHONS); do echo "$$("$$python" $(VERSION) 2>/dev/null) $$python"; done | sort -r | \
  head -n 1 | cut -d " " -f 2)

LOWEST_PYTHON = $(NEWEST)

build/lowest/.installed: requirements-lowest.txt pyproject.toml kit/pyproject.toml simulator/pyproject.toml generated/pyproject.toml | .venv/.installed
	@echo "Setting up $(@D) from requirements-lowest.txt; this happens once."
	@rm -rf $(@D) && mkdir -p build
	@$(UV) venv --quiet --python "$(LOWEST_PYTHON)" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r requirements-lowest.txt
	@$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --no-build-isolation $(OURS)
	@touch $@

build/peers/.installed: requirements-peers.txt | .venv/.installed
	@echo "Setting up build/peers from requirements-peers.txt; this happens once."
	@rm -rf build/peers && mkdir -p build
	@$(UV) venv --quiet --python $(BIN)/python build/peers
	@$(UV) pip install --quiet --python build/peers/bin/python --require-hashes -r requirements-peers.txt
	@touch $@

build/node/.installed: tests/support/node/package-lock.json
	@echo "Setting up build/node from tests/support/node/package-lock.json; this happens once."
	@rm -rf build/node && mkdir -p build/node
	@cp tests/support/node/package.json tests/support/node/package-lock.json build/node
	@npm ci --prefix build/node --silent --no-audit --no-fund
	@touch $@
