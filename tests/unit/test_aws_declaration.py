"""What a declaration may say of AWS, and what is asked of it before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgerow.declaration import DeclarationError, parse
from hedgerow.firewall_values import firewall, relays
from hedgerow.hosts import Host, Site
from hedgerow.services import NO_SERVICES
from hedgerow.stack import Stack
from hedgerow.targets.aws.balancing import prefix
from hedgerow.targets.aws.rules import acl_entries, acl_rows, permission_rows, permissions
from hedgerow.targets.aws.user_data import user_data

TEXT = (Path(__file__).parents[2] / "inventories" / "aws" / "deploy.yml").read_text()
VPC = "vpc: {id: vpc-0123456789abcdef0, subnet: subnet-0123456789abcdef0, cidr: 10.20.0.0/16}"
READS = (Path(__file__).parents[2] / "inventories" / "aws-firewall" / "deploy.yml").read_text()
READING = "load_balancer: {kind: application"
ARN = "arn:aws:acm:us-east-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
THERE = "subnet: subnet-0fedcba9876543210"


def test_the_example_holds() -> None:
    target = parse(TEXT).target
    assert target.kind == "aws"
    assert (target.size, target.public, target.egress, target.lock) == ("medium", False, "nat", "GOVERNANCE")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("  - {with: aws,", "  - {with: gcp,", "AWS Artifact"),
        ("region: us-east-1", "region: virginia", "is no region of AWS"),
        ("region: us-east-1", "region: us-east-1\n  public: true", "AWS does not know `controller`"),
        ("region: us-east-1", "region: us-east-1\n  egress: endpoints", "the machine would reach no package"),
        ("region: us-east-1", f"region: us-east-1\n  public: true\n  {VPC}", "a private one"),
        ("region: us-east-1", "region: us-east-1\n  cidr: 10.80.0.0/20", "of length 16"),
        ("region: us-east-1", "region: us-east-1\n  cidr: 10.90.0.0/16", "where the containers live"),
        ("region: us-east-1", f"region: us-east-1\n  {VPC.replace('10.20.', '10.90.')}", "where the containers live"),
        (
            "region: us-east-1",
            "region: us-east-1\n  public: true\n  load_balancer: {}",
            "target.public: a machine with a public address could be entered beside it",
        ),
        ("region: us-east-1", f"region: us-east-1\n  {VPC}\n  load_balancer: {{}}", "needs the subnet of a public"),
        (
            "region: us-east-1",
            f"region: us-east-1\n  {VPC}\n  load_balancer: {{{THERE}}}",
            "needs the cidr of a public",
        ),
        (
            "region: us-east-1",
            f"region: us-east-1\n  load_balancer: {{{THERE}}}",
            "target.load_balancer.subnet: the VPC is made, and the balancer's subnet with it",
        ),
        (
            "region: us-east-1",
            f"region: us-east-1\n  {VPC}\n  load_balancer: {{{THERE}, cidr: 2001:db8::/64}}",
            "is no IPv4 network",
        ),
        ("region: us-east-1", "region: us-east-1\n  load_balancer: {shield: true}", "is not a key"),
        (
            "region: us-east-1",
            "region: us-east-1\n  load_balancer: {waf: count}",
            "a network load balancer reads nothing",
        ),
        ("region: us-east-1", f"region: us-east-1\n  {READING}}}", "without a zone no certificate can be asked for"),
        ("region: us-east-1", f"region: us-east-1\n  {READING}, certificate: x}}", "is no ARN of a certificate in ACM"),
        (
            "region: us-east-1",
            f"region: us-east-1\n  {READING}, certificate: {ARN.replace('us-east-1', 'eu-west-1')}}}",
            "takes no certificate of another region",
        ),
        (
            "region: us-east-1",
            f"region: us-east-1\n  {VPC}\n  {READING}, certificate: {ARN}, {THERE}, cidr: 10.20.16.0/24}}",
            "needs the second_subnet of a public",
        ),
        (
            "  interface_from:",
            "  interface_certificates: {ca: staff.pem}\n  interface_from:",
            "hands no client certificate on",
        ),
        (
            "access:\n",
            "tls: {certificate: acme, contact: security@acme.example}\naccess:\n",
            "it asks the edge by its address",
        ),
        ("region: us-east-1", "region: us-east-1\n  zone: example.com", "no id of a hosted zone"),
        ("region: us-east-1", f"region: us-east-1\n  {VPC.replace('vpc-0', 'net-0')}", "is no id of a VPC"),
        ("size: medium", "size: huge", "is not one of small, medium, large"),
        ("    - name: jane\n", "    - name: jane\n      role: x\n", "is not a key"),
    ],
)
def test_what_is_wrong_is_said_with_its_fix(was: str, now: str, said: str) -> None:
    text = READS if was in ("  interface_from:", "access:\n") else TEXT
    assert was in text
    with pytest.raises(DeclarationError) as refused:
        parse(text.replace(was, now))
    assert said in refused.value.message and refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("more", "access", "wanted"),
    [
        ("", "[198.51.100.0/24]", []),
        ("load_balancer: {}", "[198.51.100.0/24]", ["10.80.16.0/20"]),
        ("load_balancer: {}", "[any]", []),
        (f"{VPC}\n  load_balancer: {{{THERE}, cidr: 10.20.16.0/24}}", "[198.51.100.0/24]", ["10.20.16.0/24"]),
    ],
    ids=["none", "ours", "open to all", "yours"],
)
def test_the_balancer_may_ask_whether_the_edge_is_there(more: str, access: str, wanted: list[str]) -> None:
    """Its clients come with their own addresses, so it is let in beside them, and on the edge's ports alone."""
    text = TEXT.replace("ingest_from: [10.0.0.0/8]", f"ingest_from: {access}")
    declaration = parse(
        text.replace("region: us-east-1", f"region: us-east-1\n  {more}" if more else "region: us-east-1")
    )
    host = Host("analytics-1", "10.80.0.7", "10.80.0.7", user="admin")
    site = Site(hosts=(host,), controller="192.0.2.1")
    rules = firewall(declaration, site, host, Stack(NO_SERVICES, declaration.domain, site.hosts, {}, stand_in=False))[
        "firewall_inbound"
    ]
    extra = [rule for rule in rules if "load balancer" in rule["why"]]
    assert [source for rule in extra for source in rule["from"]] == wanted
    assert all(rule["ports"] == [80, 443] for rule in extra)


@pytest.mark.parametrize(
    ("interface", "direct"), [("[198.51.100.0/24]", []), ("[198.51.100.0/24, 10.9.0.0/16]", ["10.9.0.0/16"])]
)
def test_behind_one_that_reads_the_internet_comes_by_it_alone(interface: str, direct: list[str]) -> None:
    """Events are open to all here, who have the balancer's addresses; a VPN's network may come itself."""
    declaration = parse(READS.replace("interface_from: [198.51.100.0/24]", f"interface_from: {interface}"))
    host = Host("analytics-1", "10.80.0.7", "10.80.0.7", user="admin")
    site = Site(hosts=(host,), controller="192.0.2.1")
    stack = Stack(NO_SERVICES, declaration.domain, site.hosts, {}, stand_in=False)
    rules = firewall(declaration, site, host, stack)["firewall_inbound"]
    seen = {port: [each for rule in rules if port in rule["ports"] for each in rule["from"]] for port in (443, 80)}
    assert seen == {443: ["10.80.16.0/20", "10.80.32.0/20", *direct], 80: direct}
    assert relays(declaration) == ("10.80.16.0/20", "10.80.32.0/20") and relays(parse(TEXT)) == ()


@pytest.mark.parametrize("name", ["a", "analytics-of-a-long-name", "ten-lette-s", "a--b"])
def test_names_of_balancers_fit_and_differ(name: str) -> None:
    """Elastic Load Balancing takes 32 letters and no hyphen at the end; two deployments may begin alike."""
    assert len(f"{prefix(name)}-main") <= 32 and "--" not in prefix(name)
    assert prefix(name) != prefix(f"{name}x")


@pytest.mark.parametrize(
    "rows",
    [
        [],
        ["all all 10.0.0.0/16", "icmp all 10.0.0.0/8", "tcp 1024-2048 2001:db8::/32", "tcp 443 sg-1", "udp 53 pl-1"],
    ],
)
def test_rules_of_a_group_go_there_and_back(rows: list[str]) -> None:
    assert permission_rows(permissions(rows)) == rows


def test_entries_of_a_network_acl_go_there_and_back() -> None:
    rows = ["in 100 allow tcp 443-443 0.0.0.0/0", "in 60 deny all all ::/0", "out 100 allow all all 0.0.0.0/0"]
    assert acl_rows(acl_entries(rows)) == rows
    assert acl_rows([{"RuleNumber": 32767, "Egress": False, "RuleAction": "deny", "Protocol": "-1"}]) == []


def test_the_user_data_lets_one_key_in_and_holds_no_secret() -> None:
    said = user_data("admin", "ssh-ed25519 AAAA hedgerow acme")
    assert said.startswith("#cloud-config\n") and "ssh_pwauth: false" in said
    assert '\nuser: {"name": "admin"}\n' in said, "the account that EC2's Debian has, and not that of other clouds"
    assert 'ssh_authorized_keys: ["ssh-ed25519 AAAA hedgerow acme"]' in said and "PRIVATE" not in said
