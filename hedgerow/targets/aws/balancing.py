"""Load balancers, and the groups of machines that they pass connections or requests to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from hedgerow.targets.aws.keeping import alias_of
from hedgerow.targets.aws.kind import Kind
from hedgerow.targets.cloud.graph import Found, Resource

NO_BALANCER = "LoadBalancerNotFound"
NO_GROUP = "TargetGroupNotFound"
NO_LISTENER = "ListenerNotFound"


def prefix(deployment: str) -> str:
    """Return how our names begin: they have at most 32 letters (Elastic Load Balancing API), no hyphens in a row."""
    short = re.sub("-+", "-", deployment)[:10].rstrip("-")
    return f"hedgerow-{short}-{hashlib.sha256(deployment.encode()).hexdigest()[:6]}"


class TargetGroup(Kind):
    """The machines behind one port, and whether they learn who their clients are."""

    def find(self, resource: Resource) -> Found | None:
        name = self._name(resource)
        said = self.aws.ask("elbv2.describe_target_groups", NO_GROUP, Names=[name])
        for row in said["TargetGroups"] if said else []:
            arn = row["TargetGroupArn"]
            (tags,) = self.aws.call("elbv2.describe_tags", ResourceArns=[arn])["TagDescriptions"]
            self.ours(f"a target group {name}", tags["Tags"])
            health = self.aws.call("elbv2.describe_target_health", TargetGroupArn=arn)["TargetHealthDescriptions"]
            attributes = self.aws.call("elbv2.describe_target_group_attributes", TargetGroupArn=arn)["Attributes"]
            fields = {
                "vpc": row["VpcId"],
                "protocol": row["Protocol"],
                "port": row["Port"],
                "type": row["TargetType"],
                "health": row["HealthCheckProtocol"],
                "path": row.get("HealthCheckPath"),
                "answer": row.get("Matcher", {}).get("HttpCode"),
                "attributes": _chosen(attributes, resource.wanted["attributes"]),
                # One that is let go takes no new connection.
                "targets": sorted(one["Target"]["Id"] for one in health if one["TargetHealth"]["State"] != "draining"),
            }
            return Found(arn, fields, {})
        return None

    def make(self, resource: Resource) -> None:
        wanted = resource.wanted
        self.aws.ask(
            "elbv2.create_target_group",
            "DuplicateTargetGroupName",
            Name=self._name(resource),
            VpcId=wanted["vpc"],
            Protocol=wanted["protocol"],
            Port=wanted["port"],
            TargetType=wanted["type"],
            HealthCheckProtocol=wanted["health"],
            Tags=self.aws.tags(resource.name),
            **_asked(wanted),
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        wanted = resource.wanted
        if fields & {"path", "answer"}:
            self.aws.call("elbv2.modify_target_group", TargetGroupArn=found.id, **_asked(wanted))
        if "attributes" in fields:
            attributes = _pairs(wanted["attributes"])
            self.aws.call("elbv2.modify_target_group_attributes", TargetGroupArn=found.id, Attributes=attributes)
        there, here = set(found.fields["targets"]), set(wanted["targets"])
        if more := _targets(here - there):
            self.aws.call("elbv2.register_targets", TargetGroupArn=found.id, Targets=more)
        if less := _targets(there - here):
            self.aws.call("elbv2.deregister_targets", TargetGroupArn=found.id, Targets=less)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("elbv2.delete_target_group", NO_GROUP, TargetGroupArn=found.id)

    def _name(self, resource: Resource) -> str:
        return f"{prefix(self.aws.deployment)}-{resource.name}"


class LoadBalancer(Kind):
    """A load balancer: one with an address of ours that passes TCP on, or one that reads requests and has them judged.

    What it listens to, and whither that goes, is part of it.
    """

    def find(self, resource: Resource) -> Found | None:
        row = self._row(resource)
        if row is None:
            return None
        arn = row["LoadBalancerArn"]
        (tags,) = self.aws.call("elbv2.describe_tags", ResourceArns=[arn])["TagDescriptions"]
        self.ours(f"a load balancer {self._name(resource)}", tags["Tags"])
        attributes = self.aws.call("elbv2.describe_load_balancer_attributes", LoadBalancerArn=arn)["Attributes"]
        listeners = self.aws.call("elbv2.describe_listeners", LoadBalancerArn=arn)["Listeners"]
        zones = row["AvailabilityZones"]
        addresses = [one for zone in zones for one in zone.get("LoadBalancerAddresses", [])]
        fields = {
            "type": row["Type"],
            "scheme": row["Scheme"],
            "subnets": sorted(zone["SubnetId"] for zone in zones),
            "addresses": sorted(one["AllocationId"] for one in addresses if "AllocationId" in one),
            "groups": sorted(row.get("SecurityGroups", [])),
            "attributes": _chosen(attributes, resource.wanted["attributes"]),
            "listeners": {_named(one): _heard(one) for one in listeners},
        }
        if "firewall" in resource.wanted:
            judged = self.aws.call("wafv2.get_web_acl_for_resource", ResourceArn=arn).get("WebACL") or {}
            fields["firewall"] = judged.get("ARN")
        arns = {_named(one): one["ListenerArn"] for one in listeners}
        return Found(arn, fields, {"listeners": arns, "name": alias_of(row["CanonicalHostedZoneId"], row["DNSName"])})

    def make(self, resource: Resource) -> None:
        wanted = resource.wanted
        where: dict[str, Any] = {"Subnets": wanted["subnets"]}
        if wanted["type"] == "network":
            (subnet,), (address,) = wanted["subnets"], wanted["addresses"]
            where = {"SubnetMappings": [{"SubnetId": subnet, "AllocationId": address}]}
        self.aws.ask(
            "elbv2.create_load_balancer",
            "DuplicateLoadBalancerName",
            Name=self._name(resource),
            Type=wanted["type"],
            Scheme=wanted["scheme"],
            IpAddressType="ipv4",
            # One that is made without a group can never be given any.
            SecurityGroups=wanted["groups"],
            Tags=self.aws.tags(resource.name),
            **where,
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        wanted = resource.wanted
        if "attributes" in fields:
            self._attributes(found.id, wanted["attributes"])
        if "groups" in fields:
            self.aws.call("elbv2.set_security_groups", LoadBalancerArn=found.id, SecurityGroups=wanted["groups"])
        if "firewall" in fields:
            self.aws.call("wafv2.associate_web_acl", WebACLArn=wanted["firewall"], ResourceArn=found.id)
        there, arns = found.fields["listeners"], found.facts["listeners"]
        for name in there.keys() - wanted["listeners"].keys():
            self.aws.ask("elbv2.delete_listener", NO_LISTENER, ListenerArn=arns[name])
        for name, heard in wanted["listeners"].items():
            protocol, port = name.split()
            if name not in there:
                self.aws.ask(
                    "elbv2.create_listener",
                    "DuplicateListener",
                    LoadBalancerArn=found.id,
                    Protocol=protocol,
                    Port=int(port),
                    **_listening(heard),
                )
            elif there[name] != heard:
                self.aws.call("elbv2.modify_listener", ListenerArn=arns[name], **_listening(heard))

    def remove(self, resource: Resource, found: Found) -> None:
        self._attributes(found.id, {"deletion_protection.enabled": "false"})
        self.aws.ask("elbv2.delete_load_balancer", NO_BALANCER, LoadBalancerArn=found.id)
        kind = "net" if resource.wanted["type"] == "network" else "app"
        # Until its interfaces are gone they hold the address, the subnet and the security group.
        interfaces = [{"Name": "description", "Values": [f"ELB {kind}/{self._name(resource)}/*"]}]
        self.aws.wait(
            lambda: not self.aws.call("ec2.describe_network_interfaces", Filters=interfaces)["NetworkInterfaces"],
            "the load balancer to be gone",
        )

    def _row(self, resource: Resource) -> dict[str, Any] | None:
        """Return what AWS says of it, once it is made: until then its addresses may not show."""
        seen: list[dict[str, Any]] = []

        def made() -> bool:
            said = self.aws.ask("elbv2.describe_load_balancers", NO_BALANCER, Names=[self._name(resource)])
            seen[:] = said["LoadBalancers"] if said else []
            return not any(row["State"]["Code"] == "provisioning" for row in seen)

        self.aws.wait(made, "the load balancer to be made")
        return seen[0] if seen else None

    def _attributes(self, arn: str, wanted: dict[str, str]) -> None:
        attributes = _pairs(wanted)
        self.aws.ask("elbv2.modify_load_balancer_attributes", NO_BALANCER, LoadBalancerArn=arn, Attributes=attributes)

    def _name(self, resource: Resource) -> str:
        return f"{prefix(self.aws.deployment)}-{resource.name}"


def _named(listener: dict[str, Any]) -> str:
    return f"{listener['Protocol']} {listener['Port']}"


def _heard(listener: dict[str, Any]) -> str | dict[str, str]:
    """Return the one target group that a listener forwards to, "elsewhere" where it does anything more or else; of one
    that ends TLS also by which policy and which certificate."""
    (first, *more) = listener["DefaultActions"]
    whither = str(first.get("TargetGroupArn", "elsewhere")) if not more else "elsewhere"
    if listener["Protocol"] not in ("HTTPS", "TLS"):
        return whither
    certificates = [one["CertificateArn"] for one in listener.get("Certificates", [])]
    return {"to": whither, "tls": listener["SslPolicy"], "certificate": ", ".join(certificates)}


def _listening(heard: str | dict[str, str]) -> dict[str, Any]:
    """Return the same as AWS takes it."""
    if isinstance(heard, str):
        return {"DefaultActions": [{"Type": "forward", "TargetGroupArn": heard}]}
    certificates = [{"CertificateArn": heard["certificate"]}]
    return {**_listening(heard["to"]), "SslPolicy": heard["tls"], "Certificates": certificates}


def _asked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a health check asks, and what it wants to hear; one by TCP asks nothing."""
    if "path" not in wanted:
        return {}
    return {"HealthCheckPath": wanted["path"], "Matcher": {"HttpCode": wanted["answer"]}}


def _targets(ids: set[str]) -> list[dict[str, str]]:
    return [{"Id": one} for one in sorted(ids)]


def _pairs(attributes: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in attributes.items()]


def _chosen(attributes: list[dict[str, str]], keys: dict[str, str]) -> dict[str, str | None]:
    """Return those attributes that we set."""
    there = {one["Key"]: one["Value"] for one in attributes}
    return {key: there.get(key) for key in keys}
