"""The network's resources, as they are wanted. Pure."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from hedgerow.declaration.networks import is_inner
from hedgerow.targets.cloud.graph import Resource
from hedgerow.targets.gcp.place import Place, Wanted

GOOGLE = "199.36.153.4/30"
"""Where Google's APIs are reached without the internet: restricted.googleapis.com, which serves those alone that VPC
Service Controls knows (https://cloud.google.com/vpc-service-controls/docs/set-up-private-connectivity)."""
APIS = {"apis": "googleapis.com", "packages": "pkg.dev"}
"""The domains that lead there: APIs, and Artifact Registry's (https://cloud.google.com/vpc-service-controls/docs/set-up-gke)."""
LAST = 65534
"""The lowest priority that stands before the rules which every network has unseen."""
ROOT = "https://www.googleapis.com/compute/v1/"
ALL = [{"IPProtocol": "all"}]


def network(wanted: Wanted, place: Place) -> list[Resource]:
    """Return a network with one subnet, a way out, and rules."""
    network_ = place.everywhere(f"networks/{place.name}-main")
    needs = ("network/main",)
    found = [
        Resource(
            "network",
            "main",
            {"autoCreateSubnetworks": False, "routingConfig": {"routingMode": "REGIONAL"}},
            needs=("services/project",),
            fixed=frozenset({"autoCreateSubnetworks"}),
            holds_data=True,
        ),
        Resource(
            "subnet",
            "main",
            {
                "network": network_,
                "ipCidrRange": wanted.target.cidr,
                "privateIpGoogleAccess": True,
                "stackType": "IPV4_ONLY",
                "logConfig": {
                    "enable": True,
                    "aggregationInterval": "INTERVAL_5_SEC",
                    "flowSampling": 1.0,
                    "metadata": "INCLUDE_ALL_METADATA",
                },
            },
            needs=needs,
            fixed=frozenset({"network", "ipCidrRange"}),
            holds_data=True,
        ),
        Resource(
            "router",
            "main",
            {"network": network_, "nats": [_nat(place)]},
            needs=("subnet/main",),
            fixed=frozenset({"network"}),
            absent=not wanted.translated,
        ),
        *(
            Resource(
                "private-zone",
                name,
                {
                    "dnsName": f"{domain}.",
                    "visibility": "private",
                    "privateVisibilityConfig": {"networks": [{"networkUrl": network_}]},
                    "records": {f"*.{domain}. A": sorted(map(str, ip_network(GOOGLE)))},
                },
                needs=needs,
                given={"body": {"description": f"{domain} without the internet"}},
                fixed=frozenset({"dnsName", "visibility"}),
                absent=not wanted.closed,
            )
            for name, domain in APIS.items()
        ),
    ]
    return [*found, *_rules(wanted, network_, place)]


def _nat(place: Place) -> dict[str, Any]:
    return {
        "name": f"{place.name}-main",
        "natIpAllocateOption": "AUTO_ONLY",
        "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
        "subnetworks": [
            {
                "name": place.in_region(f"subnetworks/{place.name}-main"),
                "sourceIpRangesToNat": ["ALL_IP_RANGES"],
            }
        ],
        "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
    }


def _rules(wanted: Wanted, network_: str, place: Place) -> list[Resource]:
    """The declaration's allow-lists once more, in front of the host's own firewall; what else comes is dropped.

    Names, time and metadata come from the machine's own host in Google, which no rule stands before
    (https://cloud.google.com/firewall/docs/firewalls#alwaysallowed); packages and images by TLS and HTTP, or where
    nothing else may go out by a declared proxy, and from Google.
    """
    found: list[Resource] = []

    def rule(name: str, networks: tuple[str, ...], allowed: Any = None, *, inward: bool, **more: Any) -> None:
        said = {"allowed": allowed} if allowed else {"denied": ALL}
        found.append(
            Resource(
                "firewall",
                name,
                {
                    "network": network_,
                    "direction": "INGRESS" if inward else "EGRESS",
                    "priority": 1000 if allowed else LAST,
                    "disabled": False,
                    "logConfig": {"enable": True, "metadata": "INCLUDE_ALL_METADATA"},
                    "sourceRanges" if inward else "destinationRanges": list(networks),
                    **said,
                },
                needs=("network/main",),
                fixed=frozenset({"network", "direction"}),
                absent=not networks,
            )
        )

    anywhere = ("0.0.0.0/0",)
    rule("in-ssh", wanted.ssh_from if wanted.target.public else wanted.target.tunnel_networks, _tcp(22), inward=True)
    # Beside a balancer nobody needs to come by the internet; a network that it does not carry may reach the machine.
    inner = tuple(one for one in wanted.web_from if is_inner(one))
    rule("in-web", inner if wanted.target.load_balancer else wanted.web_from, _tcp(80, 443), inward=True)
    rule("in-balancer", wanted.target.balancer_networks, _tcp(443), inward=True)
    rule("in-deny", anywhere, inward=True)
    open_, google = ((), (GOOGLE,)) if wanted.closed else (anywhere, ())
    rule("out-web", open_, _tcp(80, 443), inward=False)
    rule("out-time", open_, [{"IPProtocol": "udp", "ports": ["123"]}], inward=False)
    rule("out-google", google, _tcp(443), inward=False)
    for port, networks in sorted(wanted.outbound.items()):
        rule(f"out-{port}", networks, _tcp(port), inward=False)
    rule("out-deny", anywhere, inward=False)
    known = [f"{place.name}-{one.name}" for one in found]
    strangers = Resource(
        "firewall-strangers",
        "main",
        {"names": []},
        needs=("network/main",),
        given={"network": f"{place.name}-main", "link": f"{ROOT}{network_}", "known": known},
    )
    return [*found, strangers]


def _tcp(*ports: int) -> list[dict[str, Any]]:
    return [{"IPProtocol": "tcp", "ports": [str(port) for port in ports]}]
