"""Fixtures of the containers' checks: which there are, and which of them run."""

from __future__ import annotations

import pytest

from checks import inside
from hedgerow.checking import CouldNotAsk, NotExercised


@pytest.fixture
def listed(finding, host):
    """Return every container of the host, running or not."""
    found = inside.containers(finding.ask(host, inside.INSPECT).stdout)
    finding.observe(f"{len(found)} containers")  # not as they stand: a careless definition holds a secret
    return found


@pytest.fixture
def every(listed, declared):
    """Return every container. Without one, nothing was seen: NotExercised where none is declared, else CouldNotAsk."""
    if not listed and not declared.services:
        raise NotExercised("no service is declared, so no container runs")
    if not listed:
        raise CouldNotAsk("no container is there to be looked at")
    return listed


@pytest.fixture
def running(every):
    """Return the running ones. Raises CouldNotAsk where nothing runs that could be looked at."""
    found = [each for each in every if each.pid]
    if not found:
        raise CouldNotAsk("no container runs")
    return found
