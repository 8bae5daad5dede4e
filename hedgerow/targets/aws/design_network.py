"""The network's resources, as they are wanted. Pure."""

from __future__ import annotations

from hedgerow.declaration.networks import is_inner
from hedgerow.targets.aws import documents
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.wanted import Wanted
from hedgerow.targets.cloud.graph import Ref, Resource

ENDPOINTS = ("ssm", "ssmmessages", "ec2messages", "kms", "logs")


def network(wanted: Wanted, place: Place) -> list[Resource]:
    target = wanted.target
    own = target.vpc is None
    vpc = Ref("vpc/main")
    nat, public, endpoints = (
        own and target.egress == "nat" and not target.public,
        own and target.public,
        target.egress == "endpoints",
    )
    outward = nat or public
    adopted = {"existing": target.vpc.id} if target.vpc else None
    there = {"existing": target.vpc.subnet} if target.vpc else None
    front = target.load_balancer
    entrance = {"existing": front.subnet} if front and front.subnet else None
    second = {"existing": front.second_subnet} if front and front.second_subnet else {"zone": 1}
    two = target.reads_requests
    main = {} if adopted else {"cidr": target.cidr, "dns_support": True, "dns_hostnames": True}
    subnet = {} if adopted else {"vpc": vpc, "public_addresses": False}
    private = {**subnet, "cidr": target.private_network} if own else {}
    private_routes = {"0.0.0.0/0": Ref("nat-gateway/main")} if nat else {}
    public_subnets = [*(["subnet/public"] if outward else []), *(["subnet/second"] if own and two else [])]
    subnets = ["subnet/private", *public_subnets]
    fixed = frozenset({"vpc", "cidr"})
    found = [
        Resource("vpc", "main", main, given=adopted, fixed=frozenset({"cidr"}), holds_data=True),
        Resource("subnet", "private", private, needs=("vpc/main",), given=there, fixed=fixed, holds_data=True),
        Resource(
            "subnet",
            "public",
            {**subnet, "cidr": target.public_network} if own else {},
            needs=("vpc/main",),
            given=entrance,
            fixed=fixed,
            absent=not outward and entrance is None,
            holds_data=True,
        ),
        Resource(
            "subnet",
            "second",
            {**subnet, "cidr": target.second_network} if own else {},
            needs=("vpc/main",),
            given=second,
            fixed=fixed,
            absent=not two,
        ),
        Resource("internet-gateway", "main", {"vpc": vpc}, needs=("vpc/main",), absent=not outward),
        Resource("address", "nat", {}, absent=not nat),
        Resource(
            "nat-gateway",
            "main",
            {"subnet": Ref("subnet/public"), "address": Ref("address/nat")},
            needs=("subnet/public", "address/nat", "internet-gateway/main"),
            fixed=frozenset({"subnet", "address"}),
            absent=not nat,
        ),
        Resource(
            "route-table",
            "public",
            {
                "vpc": vpc,
                "routes": {"0.0.0.0/0": Ref("internet-gateway/main")},
                "subnets": [Ref(key) for key in public_subnets],
            },
            needs=("vpc/main", "internet-gateway/main", "subnet/public", "subnet/second"),
            fixed=frozenset({"vpc"}),
            absent=not outward,
        ),
        Resource(
            "route-table",
            "private",
            {"vpc": vpc, "routes": private_routes, "subnets": [Ref("subnet/private")]},
            needs=("vpc/main", "subnet/private", *(["nat-gateway/main"] if nat else [])),
            fixed=frozenset({"vpc"}),
            absent=not own,
        ),
        Resource(
            "network-acl",
            "main",
            {"vpc": vpc, "entries": _acl(wanted), "subnets": [Ref(key) for key in subnets]},
            needs=("vpc/main", *subnets),
            fixed=frozenset({"vpc"}),
            absent=not own,
        ),
        Resource(
            "network-acl",
            "default",
            {"vpc": vpc, "entries": []},
            # Emptied once no subnet of ours is in it.
            needs=("vpc/main", "network-acl/main"),
        ),
        Resource(
            "security-group",
            "default",
            {"vpc": vpc, "in": [], "out": []},
            needs=("vpc/main",),
        ),
    ]
    # Those of a VPC that was there are its owner's.
    found = [one for one in found if own or one.name != "default"]
    for name in ENDPOINTS:
        found.append(
            Resource(
                "vpc-endpoint",
                name,
                {
                    "vpc": vpc,
                    "service": f"com.amazonaws.{target.region}.{name}",
                    "subnets": [Ref("subnet/private")],
                    "groups": [Ref("security-group/endpoints")],
                    "policy": documents.endpoint(place, name),
                },
                needs=("vpc/main", "subnet/private", "security-group/endpoints"),
                fixed=frozenset({"vpc", "service"}),
                absent=not endpoints,
            )
        )
    tables = [Ref("route-table/private")] if own else []
    found.append(
        Resource(
            "vpc-endpoint",
            "s3",
            {
                "vpc": vpc,
                "service": f"com.amazonaws.{target.region}.s3",
                "route_tables": tables,
                "policy": documents.endpoint(place, "s3"),
            },
            needs=("vpc/main", "route-table/private"),
            fixed=frozenset({"vpc", "service"}),
            absent=not own,
        )
    )
    return found


def _acl(wanted: Wanted) -> list[str]:
    """What may pass the border of a subnet at all: a second line behind the security groups, without state."""
    ssh = [f"in {100 + index} allow tcp 22-22 {cidr}" for index, cidr in enumerate(sorted(wanted.ssh_from))]
    return sorted(
        [
            *(ssh if wanted.target.public else []),
            f"in 50 allow all all {wanted.target.network}",
            "in 60 deny tcp 3389-3389 0.0.0.0/0",
            "in 300 allow tcp 80-80 0.0.0.0/0",
            "in 310 allow tcp 443-443 0.0.0.0/0",
            # Answers to what we asked.
            "in 320 allow tcp 1024-65535 0.0.0.0/0",
            "in 330 allow udp 1024-65535 0.0.0.0/0",
            "out 100 allow all all 0.0.0.0/0",
        ]
    )


def groups(wanted: Wanted) -> list[Resource]:
    """The declaration's allow-lists once more, in front of the host's own firewall."""
    target, vpc = wanted.target, Ref("vpc/main")
    # A balancer that passes TCP on lets its clients keep their addresses, and asks after our health from an address of
    # its own. Behind one that reads, everybody from the internet has its addresses, and plain HTTP ends before it.
    clients = [cidr for cidr in wanted.web_from if not target.reads_requests or is_inner(cidr)]
    sources = [*clients, *(target.balancer_networks if not target.reads_requests else ())]
    inward = [f"tcp {port} {cidr}" for cidr in sources for port in (443, 80)]
    inward += [f"tcp 443 {cidr}" for cidr in target.balancer_networks]
    if target.public:
        inward += [f"tcp 22 {cidr}" for cidr in wanted.ssh_from]
    # Packages, images and AWS's own services by TLS; names; time. The host's firewall says by whom and where to.
    outward = ["tcp 443 0.0.0.0/0", "tcp 80 0.0.0.0/0", "udp 53 0.0.0.0/0", "tcp 53 0.0.0.0/0", "udp 123 0.0.0.0/0"]
    if target.egress == "endpoints":
        # What goes out of the VPC would find no way; the endpoint of S3 has public addresses all the same.
        outward = ["tcp 443 0.0.0.0/0", f"udp 53 {target.network}", f"tcp 53 {target.network}"]
    outward += [f"tcp {port} {cidr}" for port, _, cidr in (one.partition(" ") for one in wanted.outbound)]
    inside = f"tcp 443 {target.network}"
    return [
        Resource(
            "security-group",
            "host",
            {"vpc": vpc, "in": sorted(set(inward)), "out": sorted(set(outward))},
            needs=("vpc/main",),
            fixed=frozenset({"vpc"}),
        ),
        Resource(
            "security-group",
            "endpoints",
            {"vpc": vpc, "in": [inside], "out": []},
            needs=("vpc/main",),
            fixed=frozenset({"vpc"}),
            absent=target.egress != "endpoints",
        ),
    ]
