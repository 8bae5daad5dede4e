"""The record's copy: it arrives, it says of whom, and what was written while the collector was away comes later."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import pytest

from tests.collector import Collector
from tests.conftest import Lab

pytestmark = pytest.mark.lab
CONTROL = "forwarding.delivered"


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def write(lab: Lab) -> str:
    """Write a line into the host's record and return how it begins: sudo's own line about it has the word as well."""
    word = f"word-{secrets.token_hex(8)}"
    assert lab.run(lab.host, f"logger -t somebody {word}").returncode == 0
    return f"- - {word}"


def test_what_is_recorded_is_at_the_collector(lab: Lab, collector: Collector) -> None:
    word = write(lab)
    assert within(30, lambda: collector.count(word) > 0)
    who = {who for who, message in collector.came if word in message}
    assert who == {f"logs_{lab.host.name.replace('-', '_')}"}, "each host shows a certificate of its own"
    assert collector.count("sshd") > 0, "who came in is told"


def test_what_is_written_while_it_is_away_comes_when_it_is_back(lab: Lab, collector: Collector) -> None:
    collector.stop()
    try:
        # What a closing connection still took is lost to it (RFC 6587, 3.1); the host has it.
        write(lab)
        assert within(30, lambda: lab.verify([CONTROL])[0].status == "fail")
        words = [write(lab) for _ in range(3)]
    finally:
        collector.start()
    assert within(90, lambda: all(collector.count(word) for word in words))
    assert [collector.count(word) for word in words] == [1, 1, 1]
    assert [found.status for found in lab.verify([CONTROL])] == ["pass"]
