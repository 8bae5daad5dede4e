"""The network as Google has it: what may come in, what is written down of it, and what nobody can reach."""

from __future__ import annotations

import pytest

from checks.gcp.found import Row, by_name, in_networks, judge, last, networks
from checks.judging import is_empty, is_true
from hedgerow.checking import NotExercised
from hedgerow.cloud_sheet import EVERYBODY, IAP, covered

SSH = 22
EVERY_PORT = (0, 65535)
NAMES = {"6": "tcp", "17": "udp"}


@pytest.mark.control("gcp.no-default-network")
def test_the_network_that_every_project_begins_with_is_gone(gcp, finding):
    """It lets SSH and RDP in from everywhere: https://cloud.google.com/vpc/docs/vpc#default-network."""
    finding.expect("no network with the name default in the project")
    seen = {row["name"]: row["name"] == "default" for row in gcp.every("compute.networks.list")}
    judge(gcp, finding, seen, is_empty, "network")


@pytest.mark.control("gcp.network-custom")
def test_every_subnet_was_made_on_purpose(gcp, finding):
    finding.expect("each network has subnets of its own, none by itself and no legacy range")
    seen = by_name(networks(gcp), lambda row: row.get("autoCreateSubnetworks") is False and "IPv4Range" not in row)
    judge(gcp, finding, seen, is_true, "network")


@pytest.mark.control("gcp.no-peering")
def test_the_network_is_joined_to_no_other(gcp, finding):
    finding.expect("no peering with another network")
    seen = by_name(networks(gcp), lambda row: [one["name"] for one in row.get("peerings", [])])
    judge(gcp, finding, seen, is_empty, "network")


@pytest.mark.control("gcp.flow-logs-on")
def test_every_subnet_writes_down_what_passes(gcp, finding):
    finding.expect("flow logs on")
    seen = by_name(in_networks(gcp, "compute.subnetworks.list"), lambda row: row.get("logConfig", {}).get("enable"))
    judge(gcp, finding, seen, is_true, "subnet")


@pytest.mark.control("gcp.flow-logs-whole")
def test_nothing_that_passes_is_left_out(gcp, finding):
    finding.expect("of every flow, with all metadata and without a filter, where flow logs are on")
    seen = by_name(in_networks(gcp, "compute.subnetworks.list"), _left_out)
    judge(gcp, finding, seen, is_empty, "subnet")


def _left_out(row: Row) -> list[str]:
    said = row.get("logConfig", {})
    if not said.get("enable"):
        return []
    wrong = [] if said.get("flowSampling") == 1 else [f"a part of {said.get('flowSampling')}"]
    wrong += [] if said.get("metadata") == "INCLUDE_ALL_METADATA" else [f"metadata {said.get('metadata')}"]
    return wrong + ([] if said.get("filterExpr", "true") == "true" else ["a filter"])


@pytest.mark.control("gcp.private-access")
def test_google_is_reached_without_the_internet(gcp, finding):
    finding.expect("private access to Google's APIs on")
    seen = by_name(in_networks(gcp, "compute.subnetworks.list"), lambda row: row.get("privateIpGoogleAccess"))
    judge(gcp, finding, seen, is_true, "subnet")


def _rules(gcp, direction: str) -> list[Row]:
    found = in_networks(gcp, "compute.firewalls.list")
    return [row for row in found if row["direction"] == direction and not row.get("disabled")]


def _opened(row: Row, ranges: str = "sourceRanges") -> list[tuple[str, int, int, str]]:
    """What a rule lets in, or out: protocol, first and last port, network. One that names a tag or an account as the
    source is about machines inside."""
    inside = row.get("sourceTags") or row.get("sourceServiceAccounts")
    return [
        (one["IPProtocol"], *ports, network)
        for one in row.get("allowed", [])
        for ports in ([_ports(each) for each in one.get("ports", [])] or [EVERY_PORT])
        for network in row.get(ranges) or ([] if inside else ["0.0.0.0/0"])
    ]


def _ports(text: str) -> tuple[int, int]:
    first, _, end = text.partition("-")
    return int(first), int(end or first)


def _words(rule: tuple[str, int, int, str], way: str = "from") -> str:
    protocol, first, end, network = rule
    ports = "" if (first, end) == EVERY_PORT else f" {first}" if first == end else f" {first}-{end}"
    return f"{protocol}{ports} {way} {network}"


def _everybody(network: str) -> bool:
    return network in EVERYBODY


@pytest.mark.control("gcp.closed-to-the-world")
def test_nothing_is_open_to_the_world_but_what_is_declared(gcp, finding):
    declared = {port for port, sources in gcp.sheet.ingress if set(sources) & set(EVERYBODY)}
    finding.expect(f"open to everybody: {', '.join(map(str, sorted(declared))) or 'nothing'}")
    seen = {
        row["name"]: [
            _words(rule)
            for rule in _opened(row)
            if _everybody(rule[3]) and not (rule[0] in ("tcp", "6") and rule[1] == rule[2] and rule[1] in declared)
        ]
        for row in _rules(gcp, "INGRESS")
    }
    judge(gcp, finding, seen, is_empty, "firewall rule")


@pytest.mark.control("gcp.ingress-as-declared")
def test_nobody_comes_in_but_who_is_declared(gcp, finding):
    inside = tuple(row["ipCidrRange"] for row in in_networks(gcp, "compute.subnetworks.list"))
    allowed = dict(gcp.sheet.ingress)
    finding.expect(
        "from outside the network only: "
        + ("; ".join(f"{port} from {', '.join(who) or 'nobody'}" for port, who in sorted(allowed.items())))
    )

    def declared(rule: tuple[str, int, int, str]) -> bool:
        protocol, first, end, network = rule
        if covered(network, inside):
            return True
        return protocol in ("tcp", "6") and first == end and covered(network, allowed.get(first, ()))

    seen = by_name(_rules(gcp, "INGRESS"), lambda row: [_words(rule) for rule in _opened(row) if not declared(rule)])
    judge(gcp, finding, seen, is_empty, "firewall rule")


@pytest.mark.control("gcp.ssh-through-proxy")
def test_ssh_comes_through_google_s_proxy_alone(gcp, finding):
    """Who comes that way has been asked by Google who she is, and IAM whether she may."""
    finding.expect(f"SSH from {IAP} alone")
    seen = {
        row["name"]: [
            _words(rule)
            for rule in _opened(row)
            if rule[0] in ("tcp", "6", "all") and rule[1] <= SSH <= rule[2] and not covered(rule[3], (IAP,))
        ]
        for row in _rules(gcp, "INGRESS")
    }
    if gcp.sheet.public:
        raise NotExercised("the declaration makes the machines public: SSH comes from the networks that it names")
    judge(gcp, finding, seen, is_empty, "firewall rule")


def _denials(gcp, direction: str, ranges: str) -> dict[str, list[str]]:
    """By network, how each rule that denies everything to everybody logs. The rule that every network has unseen denies
    without a word: https://cloud.google.com/firewall/docs/firewalls#default_firewall_rules."""
    seen: dict[str, list[str]] = {row["name"]: [] for row in networks(gcp)}
    for row in _rules(gcp, direction):
        whole = any(one["IPProtocol"] == "all" for one in row.get("denied", []))
        if whole and "0.0.0.0/0" in row.get(ranges, ["0.0.0.0/0"]) and not row.get("targetTags"):
            seen[last(row["network"])].append("logged" if row.get("logConfig", {}).get("enable") else "not logged")
    return seen


@pytest.mark.control("gcp.ingress-denied-aloud")
def test_what_may_not_come_in_is_written_down(gcp, finding):
    finding.expect("a rule in each network that denies whatever else comes in, and logs it")
    judge(gcp, finding, _denials(gcp, "INGRESS", "sourceRanges"), lambda said: "logged" in said, "network")


@pytest.mark.control("gcp.egress-denied-aloud")
def test_what_may_not_go_out_is_stopped_and_written_down(gcp, finding):
    finding.expect("a rule in each network that denies whatever else goes out, and logs it")
    judge(gcp, finding, _denials(gcp, "EGRESS", "destinationRanges"), lambda said: "logged" in said, "network")


@pytest.mark.control("gcp.egress-as-declared")
def test_nothing_goes_out_but_to_where_it_is_declared(gcp, finding):
    """A rule may say less than is declared. Where nothing declared lies in the internet, nothing needs a NAT."""
    inside = tuple(row["ipCidrRange"] for row in in_networks(gcp, "compute.subnetworks.list"))
    allowed: dict[tuple[str, int], tuple[str, ...]] = {}
    for protocol, port, places in gcp.sheet.egress:
        allowed[protocol, port] = (*allowed.get((protocol, port), ()), *places)
    words = "; ".join(f"{protocol} {port} to {', '.join(who)}" for (protocol, port), who in sorted(allowed.items()))
    finding.expect(f"outside the network only: {words or 'nothing'}; {'a' if gcp.sheet.nat else 'no'} NAT")

    def declared(rule: tuple[str, int, int, str]) -> bool:
        protocol, first, end, network = rule
        if covered(network, inside):
            return True
        named = NAMES.get(protocol, protocol)
        return first == end and covered(network, allowed.get((named, first), ()))

    seen = {
        row["name"]: [
            _words(rule, "to") for rule in _opened(row, "destinationRanges") if "allowed" in row and not declared(rule)
        ]
        for row in _rules(gcp, "EGRESS")
    }
    for row in in_networks(gcp, "compute.routers.list") if not gcp.sheet.nat else []:
        seen[row["name"]] = [f"NAT {one['name']}" for one in row.get("nats", [])]
    judge(gcp, finding, seen, is_empty, "rule or NAT for what goes out")


@pytest.mark.control("gcp.egress-by-port")
def test_nothing_goes_out_on_any_port(gcp, finding):
    finding.expect("no rule lets out everything, or one protocol on every port")
    seen = {
        row["name"]: [one["IPProtocol"] for one in row.get("allowed", []) if not one.get("ports")]
        for row in _rules(gcp, "EGRESS")
    }
    judge(gcp, finding, seen, is_empty, "rule for what goes out")


@pytest.mark.control("gcp.ways-in-logged")
def test_every_way_in_is_written_down(gcp, finding):
    finding.expect("each rule that lets somebody in logs")
    seen = {row["name"]: row.get("logConfig", {}).get("enable") for row in _rules(gcp, "INGRESS") if "allowed" in row}
    judge(gcp, finding, seen, is_true, "rule that lets somebody in")


@pytest.mark.control("gcp.nat-logged")
def test_a_way_out_that_fails_is_written_down(gcp, finding):
    finding.expect("each NAT logs")
    routers = in_networks(gcp, "compute.routers.list")
    seen = {
        f"{row['name']}/{one['name']}": one.get("logConfig", {}).get("enable")
        for row in routers
        for one in row.get("nats", [])
    }
    if not seen and not gcp.sheet.nat:
        raise NotExercised("nothing that is declared needs a NAT")
    judge(gcp, finding, seen, is_true, "NAT")
