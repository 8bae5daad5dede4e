"""What a check must not take for a fault on a host where everything holds."""

from __future__ import annotations

import pytest

from tests.conftest import Lab

pytestmark = pytest.mark.lab

EGRESS = "containers.no-egress"
OPEN = "nft insert rule inet hedgerow forward ip saddr 10.90.0.0/24 accept"
CLOSE = "systemctl reload nftables.service"
PORTS = (
    "for pid in $(podman ps --format '{{{{.Pid}}}}');"
    " do nsenter -t $pid -n sysctl -qw net.ipv4.ip_local_port_range='{}'; done"
)
REMEMBERED = "grep -o 'tcp .* src=10.90.0.11 .* dport=53 ' /proc/net/nf_conntrack | head -n 1"


def test_what_was_sent_while_the_way_was_open_is_not_sent_again(lab: Lab) -> None:
    """The kernel remembers a connection for two minutes, and a port that comes round again looks like it.

    Few ports are left to the containers here, so that one comes round for certain.
    """
    assert lab.run(lab.host, OPEN).returncode == 0
    try:
        assert [found.status for found in lab.verify([EGRESS])] == ["fail"]
    finally:
        assert lab.run(lab.host, CLOSE).returncode == 0
    line = lab.run(lab.host, REMEMBERED).stdout
    used = int(line.partition("sport=")[2].split()[0])
    try:
        assert lab.run(lab.host, PORTS.format(f"{used} {used + 5}")).returncode == 0
        found = [lab.verify([EGRESS])[0] for _ in range(4)]
    finally:
        assert lab.run(lab.host, PORTS.format("32768 60999")).returncode == 0
    assert [each.status for each in found] == ["pass"] * 4, [each.observed for each in found]


@pytest.mark.long
def test_twenty_verifies_of_an_untouched_host_say_the_same(lab: Lab) -> None:
    def said() -> list[tuple[str, ...]]:
        return [(each.host, each.control, each.status, each.reason, each.expected) for each in lab.verify()]

    first = said()
    assert len(first) > 150
    for number in range(2, 21):
        assert said() == first, f"verify {number} says something else"
