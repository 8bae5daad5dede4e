"""The network as AWS has it: what may come in, what is written down of it, and what nobody can reach."""

from __future__ import annotations

import pytest

from checks.aws.found import (
    ANYWHERE,
    Row,
    flow_logs,
    in_networks,
    instances,
    judge,
    listed,
    networks,
    principals,
    statements,
    subnets,
)
from checks.judging import is_empty
from hedgerow.checking import NotExercised
from hedgerow.cloud_sheet import covered

SSH = 22


@pytest.mark.control("aws.flow-logs-on")
def test_every_network_writes_down_what_passes(aws, finding):
    finding.expect("an active flow log of all traffic for each network")
    there = {row["ResourceId"]: (row["FlowLogStatus"], row["TrafficType"]) for row in flow_logs(aws)}
    seen = {vpc: there.get(vpc) for vpc in networks(aws)}
    judge(finding, seen, lambda said: said == ("ACTIVE", "ALL"), "network")


@pytest.mark.control("aws.flow-logs-delivered")
def test_what_is_written_down_arrives(aws, finding):
    finding.expect("each flow log is delivered, to a log group or bucket that is there")
    groups = {row["logGroupName"] for row in aws.every("logs.describe_log_groups", "logGroups")}
    seen = {}
    for row in flow_logs(aws):
        to_group = row.get("LogDestinationType", "cloud-watch-logs") == "cloud-watch-logs"
        lost = to_group and row.get("LogGroupName") not in groups
        seen[row["FlowLogId"]] = "its log group is gone" if lost else row.get("DeliverLogsStatus", "not delivered")
    judge(finding, seen, lambda said: said == "SUCCESS", "flow log")


@pytest.mark.control("aws.default-group-empty")
def test_the_default_group_allows_nothing(aws, finding):
    finding.expect("no rule in the default security group of each network")
    rows = in_networks(
        aws, "ec2.describe_security_groups", "SecurityGroups", {"Name": "group-name", "Values": ["default"]}
    )
    seen = {row["GroupId"]: len(row["IpPermissions"]) + len(row["IpPermissionsEgress"]) for row in rows}
    judge(finding, seen, is_empty, "default security group")


def _ingress(aws) -> dict[str, list[tuple[str, int, int, str]]]:
    """What each security group lets in from addresses: protocol, first port, last port, network."""
    return {
        row["GroupId"]: [
            (one["IpProtocol"], one.get("FromPort", 0), one.get("ToPort", 65535), network)
            for one in row["IpPermissions"]
            for network in (
                *(each["CidrIp"] for each in one.get("IpRanges", [])),
                *(each["CidrIpv6"] for each in one.get("Ipv6Ranges", [])),
            )
        ]
        for row in in_networks(aws, "ec2.describe_security_groups", "SecurityGroups")
    }


def _words(rule: tuple[str, int, int, str]) -> str:
    protocol, first, last, network = rule
    ports = (
        "everything" if protocol == "-1" else f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"
    )
    return f"{ports} from {network}"


@pytest.mark.control("aws.closed-to-the-world")
def test_nothing_is_open_to_the_world_but_what_is_declared(aws, finding):
    declared = {port for port, sources in aws.sheet.ingress if set(sources) & set(ANYWHERE)}
    finding.expect(f"open to everybody: {', '.join(map(str, sorted(declared))) or 'nothing'}")
    seen = {
        group: [
            _words(rule)
            for rule in rules
            if rule[3] in ANYWHERE and not (rule[0] == "tcp" and rule[1] == rule[2] and rule[1] in declared)
        ]
        for group, rules in _ingress(aws).items()
    }
    judge(finding, seen, is_empty, "security group")


@pytest.mark.control("aws.ingress-as-declared")
def test_nobody_comes_in_but_who_is_declared(aws, finding):
    rows = aws.every("ec2.describe_vpcs", "Vpcs", VpcIds=sorted(networks(aws)))
    inside = tuple(one["CidrBlock"] for row in rows for one in row.get("CidrBlockAssociationSet") or [row])
    allowed = dict(aws.sheet.ingress)
    finding.expect(
        "from outside the network only: "
        + ("; ".join(f"{port} from {', '.join(who)}" for port, who in sorted(allowed.items())) or "nobody")
    )

    def declared(rule: tuple[str, int, int, str]) -> bool:
        protocol, first, last, network = rule
        if covered(network, inside):
            return True
        return protocol == "tcp" and first == last and covered(network, allowed.get(first, ()))

    seen = {group: [_words(rule) for rule in rules if not declared(rule)] for group, rules in _ingress(aws).items()}
    judge(finding, seen, is_empty, "security group")


@pytest.mark.control("aws.default-acl-closed")
def test_the_default_network_acl_denies(aws, finding):
    finding.expect("no entry that allows in the default network ACL of each network")
    rows = in_networks(aws, "ec2.describe_network_acls", "NetworkAcls", {"Name": "default", "Values": ["true"]})
    seen = {row["NetworkAclId"]: _allowing(row) for row in rows}
    judge(finding, seen, is_empty, "default network ACL")


def _allowing(row: Row) -> list[str]:
    return [f"rule {one['RuleNumber']}" for one in row["Entries"] if one["RuleAction"] == "allow"]


@pytest.mark.control("aws.acl-no-ssh-from-anywhere")
def test_no_network_acl_lets_ssh_in_from_everywhere(aws, finding):
    """A second fence behind the security groups. What AWS judges first counts: the lowest number that matches."""
    finding.expect("SSH from everywhere is denied by every subnet's network ACL")
    if set(dict(aws.sheet.ingress).get(SSH, ())) & set(ANYWHERE):
        finding.asked("the declaration")
        raise NotExercised("the declaration opens SSH to everybody")
    own = {row["SubnetId"] for row in subnets(aws)}
    seen = {
        row["NetworkAclId"]: [f"rule {number}" for number in _ssh_rules(row)]
        for row in in_networks(aws, "ec2.describe_network_acls", "NetworkAcls")
        if own & {one["SubnetId"] for one in row["Associations"]}
    }
    judge(finding, seen, is_empty, "network ACL")


def _ssh_rules(row: Row) -> list[int]:
    for one in sorted(row["Entries"], key=lambda entry: entry["RuleNumber"]):
        ports = one.get("PortRange", {"From": 0, "To": 65535})
        everywhere = one.get("CidrBlock") in ANYWHERE or one.get("Ipv6CidrBlock") in ANYWHERE
        matches = str(one["Protocol"]) in ("-1", "6") and ports["From"] <= SSH <= ports["To"]
        if not one["Egress"] and everywhere and matches:
            return [one["RuleNumber"]] if one["RuleAction"] == "allow" else []
    return []


@pytest.mark.control("aws.subnets-give-no-addresses")
def test_no_subnet_gives_public_addresses(aws, finding):
    finding.expect("no subnet gives a public address by itself")
    seen = {row["SubnetId"]: row["MapPublicIpOnLaunch"] for row in subnets(aws)}
    judge(finding, seen, is_empty, "subnet")


@pytest.mark.control("aws.machines-not-public")
def test_no_machine_has_a_public_address(aws, finding):
    finding.expect("no machine has a public address")
    seen = {row["InstanceId"]: row.get("PublicIpAddress") for row in instances(aws)}
    if aws.sheet.public:
        raise NotExercised("the declaration makes the machines public")
    judge(finding, seen, is_empty, "machine")


@pytest.mark.control("aws.machines-not-routed")
def test_no_machine_s_subnet_leads_to_the_internet(aws, finding):
    """A subnet without a table of its own takes the network's main one (Amazon VPC User Guide, route tables)."""
    finding.expect("no machine's subnet has a route to an internet gateway")
    used = {row["SubnetId"]: row["VpcId"] for row in instances(aws)}
    if aws.sheet.public:
        raise NotExercised("the declaration makes the machines public")
    tables = in_networks(aws, "ec2.describe_route_tables", "RouteTables")
    own = {one["SubnetId"]: table for table in tables for one in table["Associations"] if "SubnetId" in one}
    main = {table["VpcId"]: table for table in tables if any(one.get("Main") for one in table["Associations"])}
    seen = {
        subnet: [
            route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock", "?")
            for route in own.get(subnet, main.get(vpc, {"Routes": []}))["Routes"]
            if str(route.get("GatewayId", "")).startswith("igw-")
        ]
        for subnet, vpc in used.items()
    }
    judge(finding, seen, is_empty, "subnet")


@pytest.mark.control("aws.no-peering")
def test_the_network_is_joined_to_no_other(aws, finding):
    finding.expect("no peering with another network")
    own = networks(aws)
    rows = aws.every("ec2.describe_vpc_peering_connections", "VpcPeeringConnections")
    seen = {vpc: [] for vpc in own}
    for row in rows:
        ends = {row["RequesterVpcInfo"].get("VpcId"), row["AccepterVpcInfo"].get("VpcId")}
        for vpc in own & ends:
            if row["Status"]["Code"] in ("active", "pending-acceptance", "provisioning"):
                seen[vpc].append(row["VpcPeeringConnectionId"])
    judge(finding, seen, is_empty, "network")


@pytest.mark.control("aws.endpoints-narrow")
def test_no_endpoint_serves_whoever_asks(aws, finding):
    """Without a policy of its own an endpoint takes any principal to any resource: a way to carry data to a stranger's
    bucket (Amazon VPC User Guide, endpoint policies)."""
    finding.expect(
        "each endpoint's policy names whom it serves, or by account or organization; others' objects are only read"
    )
    rows = in_networks(aws, "ec2.describe_vpc_endpoints", "VpcEndpoints")
    if not rows:
        raise NotExercised("this deployment has no VPC endpoint")
    seen = {
        f"{row['VpcEndpointId']} ({row['ServiceName'].rpartition('.')[2]})": for_strangers(row.get("PolicyDocument"))
        for row in rows
    }
    judge(finding, seen, is_empty, "VPC endpoint")


SIDES = ("aws:principalaccount", "aws:principalorgid", "aws:principalarn", "aws:resourceaccount", "aws:resourceorgid")
"""What parts us from strangers: who asks, or whose the thing is (IAM user guide, global condition context keys)."""
ALIKE = ("stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike")
"""A denial (`StringNotEquals`) and what holds where the key is missing (`...IfExists`) let strangers through."""


def for_strangers(policy: str | None) -> list[str]:
    """Return what an endpoint lets everybody do with everybody's things; fetching what others publish carries nothing
    away."""
    if not policy:
        return ["the default policy"]
    return [
        str(row.get("Sid") or row.get("Action"))
        for row in statements(policy)
        if row["Effect"] == "Allow"
        and "*" in principals(row)
        and listed(row.get("Action")) != ["s3:GetObject"]
        and not _parts_us(row.get("Condition", {}))
    ]


def _parts_us(condition: Row) -> bool:
    """Tell whether a condition lets only ours through: one such test is enough, as all of a condition must hold."""
    return any(
        operator.lower() in ALIKE and key.lower() in SIDES and all(_names(str(value)) for value in listed(values))
        for operator, tests in condition.items()
        for key, values in tests.items()
    )


def _names(value: str) -> bool:
    """Tell whether a value names an account, an organization or a role of one: wildcards at its place name all."""
    account = value.split(":")[4] if value.startswith("arn:") and value.count(":") >= 5 else value
    return bool(account) and not set("*?") & set(account)
