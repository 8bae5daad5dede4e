"""The clouds as a declaration speaks of them: who signs an agreement, and what of a target holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hedgerow.declaration.lookups import at, rows_of, texts
from hedgerow.declaration.networks import CONTROLLER
from hedgerow.declaration.words import Wrong


@dataclass(frozen=True)
class Signing:
    """How a cloud becomes a business associate: the names it may be declared by, and how its agreement comes about."""

    names: tuple[str, ...]
    how: str


CLOUDS: Mapping[str, Signing] = {
    "aws": Signing(
        ("aws", "amazon web services", "amazon web services, inc."),
        "AWS signs its Business Associate Addendum in the console: AWS Artifact, Agreements, for the account or the"
        " organization. Accept it there, then write"
        ' agreements: [{with: aws, signed: 2026-02-01, reference: "AWS Artifact, BAA"}].',
    ),
    "gcp": Signing(
        ("gcp", "google", "google cloud", "google cloud platform", "google llc"),
        "Google's Business Associate Agreement is accepted in the console by an administrator of the organization"
        " (Account settings, Legal and compliance). Accept it there, then write"
        ' agreements: [{with: gcp, signed: 2026-02-01, reference: "Google Cloud BAA"}].',
    ),
}
"""By kind of target."""


def agreement_is_signed(value: dict[str, Any]) -> Iterator[Wrong]:
    """Nothing is made in a cloud before it is a business associate (45 CFR 164.308(b), 164.504(e))."""
    kind = at(value, "target", "kind")
    signing = CLOUDS.get(kind) if isinstance(kind, str) else None
    if signing is None:
        return
    parties = [row.get("with") for _, row in rows_of(value, "agreements")]
    if not any(isinstance(party, str) and party.strip().lower() in signing.names for party in parties):
        yield Wrong(("agreements",), f"no business associate agreement with {kind} is declared", signing.how)


def gcp_holds_together(value: dict[str, Any]) -> Iterator[Wrong]:
    """What is open to the internet is said by networks, and what is reached without it by addresses."""
    target = value.get("target")
    if not isinstance(target, dict) or target.get("kind") != "gcp":
        return
    yield from _egress_suffices(value, target)
    yield from _names_buckets(value)
    if isinstance(target.get("load_balancer"), dict):
        yield from _enters_by_the_balancer(target)
        yield from _tls_ends_before(value)
    if target.get("public") is True and CONTROLLER in texts(at(value, "access", "ssh_from") or [CONTROLLER]):
        fix = "Write the public address that you come from, for example ssh_from: [198.51.100.7]."
        yield Wrong(("access", "ssh_from"), "a public machine needs networks here: Google knows no `controller`", fix)


def _names_buckets(value: dict[str, Any]) -> Iterator[Wrong]:
    """Buckets bear the deployment's name (docs.cloud.google.com/storage/docs/buckets#naming)."""
    name = value.get("name")
    if isinstance(name, str) and (found := re.search(r"g[o0]{2}g[l1]e", name)):
        what = f"buckets bear this name, and Google has none that contains {found[0]}"
        yield Wrong(("name",), what, "Name the deployment for its purpose, for example analytics.")


def _enters_by_the_balancer(target: dict[str, Any]) -> Iterator[Wrong]:
    """It has the one public address."""
    if target.get("public") is True:
        what = "a machine with a public address could be entered beside it"
        yield Wrong(("target", "public"), what, "Remove public, or remove load_balancer.")


def _tls_ends_before(value: dict[str, Any]) -> Iterator[Wrong]:
    """A balancer that ends TLS shows its own certificate, is shown no client's, and listens on 443 alone."""
    if at(value, "tls", "certificate") == "acme":
        what = "an authority asks at port 80, where the load balancer does not listen"
        fix = "Remove it: the balancer shows its own certificate, and asks the edge by its private one."
        yield Wrong(("tls", "certificate"), what, fix)
    if at(value, "access", "interface_certificates"):
        what = "clients show their certificates to the load balancer, and the edge never sees them"
        yield Wrong(("access", "interface_certificates"), what, "Remove it, or remove target.load_balancer.")


def _egress_suffices(value: dict[str, Any], target: dict[str, Any]) -> Iterator[Wrong]:
    """Without a way out, everything that the machine needs outside has an address that a firewall can let through."""
    proxied = target.get("packages_by") is not None
    if target.get("egress") != "none":
        if proxied:
            fix = "Write egress: none, or remove packages_by."
            yield Wrong(("target", "packages_by"), "with a NAT the machine fetches packages itself", fix)
        return
    if target.get("public") is True:
        fix = "Remove public, or remove egress."
        yield Wrong(("target", "egress"), "a machine with an address of the internet has a way out by it", fix)
    if not proxied:
        fix = "Name a proxy that the network reaches: packages_by: 10.20.0.5:3128. Or remove egress."
        yield Wrong(("target", "egress"), "without a way out the machine would reach no package", fix)
    by_name = {
        ("time_servers",): "Remove it: Google's own server tells the time inside.",
        ("alerts", "webhook_file"): "Have alerts mailed, by a relay that has an address.",
    }
    for place, fix in by_name.items():
        if at(value, *place):
            yield Wrong(place, "with target.egress none nothing is reached by a name", fix)


def aws_holds_together(value: dict[str, Any]) -> Iterator[Wrong]:
    """What is open is said by networks, and what is not made cannot be changed."""
    target = value.get("target")
    if not isinstance(target, dict) or target.get("kind") != "aws":
        return
    existing, public = target.get("vpc") is not None, target.get("public") is True
    if public and CONTROLLER in texts(at(value, "access", "ssh_from") or [CONTROLLER]):
        fix = "Write the public address that you come from, for example ssh_from: [198.51.100.7]."
        yield Wrong(("access", "ssh_from"), "a public machine needs networks here: AWS does not know `controller`", fix)
    if public and existing:
        yield Wrong(("target", "public"), "the subnet of your VPC is a private one", "Remove public, or remove vpc.")
    if target.get("egress") == "endpoints" and not existing:
        fix = "Packages and images come from outside: remove egress, or name a vpc that has a way to them."
        yield Wrong(("target", "egress"), "in a network of its own the machine would reach no package", fix)
    if isinstance(target.get("load_balancer"), dict):
        balancer = target["load_balancer"]
        yield from _load_balancer_stands(balancer, existing=existing, public=public)
        if balancer.get("kind") == "application":
            yield from _tls_ends_in_aws(value, target, balancer)


READING = ("certificate", "waf", "second_subnet", "second_cidr")
"""What is said of a balancer that reads requests, and of no other."""


def _tls_ends_in_aws(value: dict[str, Any], target: dict[str, Any], balancer: dict[str, Any]) -> Iterator[Wrong]:
    """Clients see a certificate of ACM's, and the balancer asks the edge by its address, as nobody else does."""
    certificate = balancer.get("certificate")
    if certificate is None and target.get("zone") is None:
        fix = "Name the zone of Route 53 that holds the domain, or a certificate of ACM by its ARN."
        yield Wrong(("target", "load_balancer"), "without a zone no certificate can be asked for", fix)
    region = target.get("region")
    if isinstance(certificate, str) and certificate.startswith("arn:") and f":acm:{region}:" not in certificate:
        what = f"the balancer is in {region} and takes no certificate of another region"
        yield Wrong(("target", "load_balancer", "certificate"), what, "Name one that ACM has in the same region.")
    if at(value, "tls", "certificate") not in (None, "private"):
        what = "clients see the balancer's certificate, and it asks the edge by its address: that is the private one's"
        yield Wrong(("tls", "certificate"), what, "Remove it, or write kind: network.")
    if at(value, "access", "interface_certificates"):
        what = "TLS ends in the balancer, which hands no client certificate on"
        yield Wrong(("access", "interface_certificates"), what, "Remove it, or write kind: network.")


def _load_balancer_stands(balancer: dict[str, Any], *, existing: bool, public: bool) -> Iterator[Wrong]:
    """It has the public addresses, and where the VPC is yours, you say where in it these may be."""
    key = ("target", "load_balancer")
    reading = balancer.get("kind") == "application"
    if not reading:
        for name in (name for name in READING if balancer.get(name) is not None):
            what = "a network load balancer reads nothing, and lies in one subnet"
            yield Wrong((*key, name), what, f"Remove {name}, or write kind: application.")
    if public:
        what = "a machine with a public address could be entered beside it"
        yield Wrong(("target", "public"), what, "Remove public, or remove load_balancer.")
    examples = {"subnet": "subnet-0fedcba9876543210", "cidr": "10.20.16.0/24"}
    if reading:
        examples |= {"second_subnet": "subnet-0fedcba9876543211", "second_cidr": "10.20.32.0/24"}
    for name, example in examples.items():
        given = balancer.get(name) is not None
        if existing and not given:
            what = f"in a VPC of yours the balancer needs the {name} of a public subnet of it"
            yield Wrong(key, what, f"Write {name}: {example}, as AWS shows it.")
        if given and not existing:
            what = "the VPC is made, and the balancer's subnet with it"
            yield Wrong((*key, name), what, f"Remove {name}, or name the vpc that it is of.")
