"""A network load balancer in front, as it is wanted. Pure.

It passes TCP on as it is, and the machine goes on seeing its clients' own addresses: TLS ends at the edge alone, and
the edge's allow-lists, limits and log say of everybody what they say without a balancer.
"""

from __future__ import annotations

from hedgerow.targets.aws.wanted import Wanted
from hedgerow.targets.cloud.graph import Ref, Resource

PORTS = (443, 80)


def front(wanted: Wanted) -> list[Resource]:
    """Return the balancer and what it stands on."""
    target = wanted.target
    absent = target.load_balancer is None or target.reads_requests
    ports = (443,) if target.reads_requests else PORTS
    ways = () if target.vpc else ("internet-gateway/main", "route-table/public", "network-acl/main")
    groups = {port: f"target-group/{port}" for port in PORTS}
    return [
        Resource(
            "security-group",
            "balancer",
            {
                "vpc": Ref("vpc/main"),
                "in": sorted({f"tcp {port} {cidr}" for cidr in wanted.web_from for port in ports}),
                "out": sorted(f"tcp {port} {target.network}" for port in ports),
            },
            needs=("vpc/main",),
            fixed=frozenset({"vpc"}),
            absent=target.load_balancer is None,
        ),
        Resource("address", "balancer", {}, absent=absent),
        *(_targets(port, f"instance/{target.name}", absent=absent) for port in PORTS),
        Resource(
            "load-balancer",
            "main",
            {
                "type": "network",
                "scheme": "internet-facing",
                "subnets": [Ref("subnet/public")],
                "addresses": [Ref("address/balancer")],
                "groups": [Ref("security-group/balancer")],
                # Across zones: a public subnet of yours may lie in another zone than the machine.
                "attributes": {"deletion_protection.enabled": "true", "load_balancing.cross_zone.enabled": "true"},
                "listeners": {f"TCP {port}": Ref(group) for port, group in groups.items()},
            },
            needs=("subnet/public", "address/balancer", "security-group/balancer", *groups.values(), *ways),
            fixed=frozenset({"type", "scheme", "subnets", "addresses"}),
            absent=absent,
        ),
    ]


def _targets(port: int, machine: str, *, absent: bool) -> Resource:
    return Resource(
        "target-group",
        str(port),
        {
            "vpc": Ref("vpc/main"),
            "protocol": "TCP",
            "port": port,
            "type": "instance",
            # The edge answers nobody who does not ask for it by its name, and a health check has none to say: that a
            # connection is taken is all that is asked, and no page needs to be open for it.
            "health": "TCP",
            "attributes": {"preserve_client_ip.enabled": "true", "proxy_protocol_v2.enabled": "false"},
            "targets": [Ref(machine)],
        },
        needs=("vpc/main", machine),
        fixed=frozenset({"vpc", "protocol", "port", "type", "health"}),
        absent=absent,
    )
