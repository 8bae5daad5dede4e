"""Clocks: without a common time no record can be laid beside another."""

from __future__ import annotations

import pytest

from hedgerow.checking import NotExercised


@pytest.mark.control("time.utc")
def test_records_carry_one_zone(host, finding):
    """Every record of the stack is in UTC; a host in another zone breaks their order twice a year."""
    finding.expect("UTC +0000")
    zone = finding.ask(host, "date '+%Z %z'").stdout.strip()
    assert zone == "UTC +0000", f"the host's zone is {zone}"


@pytest.mark.control("time.synchronised")
def test_the_kernel_says_the_clock_is_disciplined(host, finding):
    """timedatectl repeats the kernel's own flag (adjtimex(2), STA_UNSYNC), whoever keeps the time."""
    finding.expect("the kernel's clock is synchronised (NTPSynchronized=yes)")
    container = finding.ask(host, "systemd-detect-virt --container", codes=(0, 1)).stdout.strip()
    if container != "none":
        raise NotExercised(f"a {container} container has no clock of its own: its host keeps the time")
    state = finding.ask(host, "timedatectl show -p NTPSynchronized").stdout.strip()
    assert state == "NTPSynchronized=yes", "the kernel's clock is not disciplined by any time source"
