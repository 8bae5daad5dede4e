# `make test` proves the project, the lab end to end included. Nothing installed by hand is relied on.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.hedgerow-dev

.PHONY: test lint unit cloud test-faults lab lab-shared lab-apart sabotage test-backup test-killed long test-vm bench lock clean

# What needs no host runs on every core. Hosts wait more than they work: the one deployment that most tests share, and
# beside it deployments of a test's own.
test: lint unit cloud lab

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/yamllint --strict .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" ANSIBLE_LIBRARY=plugins/modules ANSIBLE_ACTION_PLUGINS=plugins/action $(VENV)/bin/ansible-lint --offline playbooks roles

unit: $(READY)
	$(PYTHON) -m pytest -n auto --dist worksteal tests/unit tests/cloud_checks tests/gcp_checks

# An emulated AWS and a fake of Google Cloud, each behind a proxy on 127.0.0.1: no account, no network.
cloud: $(READY)
	$(PYTHON) -m pytest -n auto --dist loadfile tests/cloud tests/gcp

# A run that fails at each call which changes something in a cloud, one test each; `make test` takes a few.
test-faults: $(READY)
	HEDGEROW_FAULTS=all $(PYTHON) -m pytest -n auto --dist worksteal tests/cloud/test_faults.py tests/gcp/test_target_faults.py

# Real hosts: root only. Every lab a test boots is removed again, also after a failure.
lab: $(READY)
	$(MAKE) --keep-going --jobs=2 lab-shared lab-apart

# Tests of deployments of their own, as many as make both rows about as long; the others share one. Sabotage has one too: it leaves the shared one alone.
APART := $(addprefix tests/lab/test_, report_page.py target_on_systemd.py three_hosts.py)

lab-shared: $(READY)
	$(PYTHON) -m pytest $(APART:%=--ignore=%) tests/lab

lab-apart: $(READY)
	HEDGEROW_TEST_NAME=t-apart $(PYTHON) -m pytest $(APART) tests/sabotage

# Every control broken, seen to fail and mended; `make test` does a few of each role's.
sabotage: $(READY)
	HEDGEROW_SABOTAGE=all $(PYTHON) -m pytest -n auto --dist worksteal tests/cloud_checks/test_controls.py tests/gcp_checks/test_controls.py
	HEDGEROW_SABOTAGE=all $(PYTHON) -m pytest tests/sabotage

# A host of its own whose data is destroyed and restored, several times over: some ten minutes.
test-backup: $(READY)
	$(PYTHON) -m pytest tests/backup

# The installer killed at three points of each verb that changes much, while events come in: an hour or two.
test-killed: $(READY)
	$(PYTHON) -m pytest -m long tests/backup

# What proves more of the same, and takes longer than everybody can wait: before a release.
long: sabotage
	$(PYTHON) -m pytest -m long tests/lab

# What only a host with its own kernel can show, on a virtual machine: slow where there is no KVM.
test-vm: $(READY)
	$(PYTHON) -m pytest -m long tests/vm

bench: $(READY)
	$(PYTHON) -m bench

$(READY): requirements.txt requirements-dev.txt
	./installer.py --version >/dev/null
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.txt
	touch $@

# Writes both lock files anew from pyproject.toml, for every Python we support at once.
lock: $(READY)
	$(PYTHON) -m pip install --quiet uv
	build=$$(mktemp -d); trap 'rm -rf "$$build"' EXIT; \
	sed 's/dynamic = \["version"\]/version = "0"/' pyproject.toml >"$$build/pyproject.toml"; cd "$$build"; \
	uv="$(CURDIR)/$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate"; \
	$$uv -o run.txt pyproject.toml; $$uv --group pyproject.toml:dev -c run.txt -o dev.txt; \
	{ echo "# What installer.py puts into its own environment: every version and hash pinned. Made by \`make lock\`."; cat run.txt; } >"$(CURDIR)/requirements.txt"; \
	{ echo "# What the tests need beyond requirements.txt. Made by \`make lock\`."; cat dev.txt; } >"$(CURDIR)/requirements-dev.txt"

clean:
	rm -rf build .pytest_cache .ruff_cache .mypy_cache
