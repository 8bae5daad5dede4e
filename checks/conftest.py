"""What a check is given. Everything lasts one run on one host, except `finding`."""

from __future__ import annotations

from typing import Any

import pytest
import testinfra.host

from hedgerow.checking import Finder
from hedgerow.hosts import Host
from hedgerow.outside import Outside
from hedgerow.sheet import Declared, Sheet
from hedgerow.verify_plugin import RUN

pytest_plugins = ["checks.visits", "checks.containers"]


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> testinfra.host.Host:
    """The host, as testinfra has it, over our channel: `finding.ask(host, ...)`, `host.file(...)`."""
    return request.config.stash[RUN].host


@pytest.fixture
def finding(request: pytest.FixtureRequest) -> Finder:
    """This check's notebook: `ask`, `asked`, `observe`, `expect`."""
    return request.config.stash[RUN].finder


@pytest.fixture(scope="session")
def sheet(request: pytest.FixtureRequest) -> Sheet:
    """All that this run was told."""
    return request.config.stash[RUN].sheet


@pytest.fixture(scope="session")
def declared(sheet: Sheet) -> Declared:
    """The facts of the declaration."""
    return sheet.declared


@pytest.fixture(scope="session")
def here(sheet: Sheet) -> Host:
    """The host under check as the target described it: name, addresses, roles."""
    return sheet.host


@pytest.fixture(scope="session")
def outside(sheet: Sheet) -> Outside:
    """The view from outside: `knock` and `connect` from the controller's or the stranger's address."""
    return Outside(sheet.host.address, sheet.controller, sheet.stranger)


@pytest.fixture(scope="module")
def looked(request: pytest.FixtureRequest) -> Any:
    """What the module's own `look_ahead(host, sheet)` returned, which began before the first check."""
    return request.config.stash[RUN].ahead[request.module.__name__].result()


@pytest.fixture(scope="session")
def mark(host: testinfra.host.Host) -> str:
    """The word by which this run's own sudo call is found in the host's records."""
    return host.backend.channel.mark
