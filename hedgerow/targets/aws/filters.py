"""What lets packets through: security groups, and the subnets' access lists."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.aws.kind import Kind, not_ours
from hedgerow.targets.aws.rules import acl_entries, acl_rows, permission_rows, permissions
from hedgerow.targets.cloud.graph import Found, Resource


class SecurityGroup(Kind):
    """A security group and all of its rules; `default` is the VPC's own, which cannot be made or removed."""

    def find(self, resource: Resource) -> Found | None:
        default = resource.name == "default"
        if default and not isinstance(vpc := resource.wanted["vpc"], str):
            return None
        filters = (
            [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
            if default
            else self.aws.filters(resource.name)
        )
        for row in self.aws.call("ec2.describe_security_groups", Filters=filters)["SecurityGroups"]:
            fields = {
                "vpc": row["VpcId"],
                "in": permission_rows(row["IpPermissions"]),
                "out": permission_rows(row["IpPermissionsEgress"]),
            }
            return Found(row["GroupId"], fields, {})
        return None

    def make(self, resource: Resource) -> None:
        name, vpc = f"hedgerow-{self.aws.deployment}-{resource.name}", resource.wanted["vpc"]
        made = self.aws.ask(
            "ec2.create_security_group",
            "InvalidGroup.Duplicate",
            GroupName=name,
            Description=f"Hedgerow {self.aws.deployment}: {resource.name}",
            VpcId=vpc,
            TagSpecifications=self.spec("security-group", resource.name),
        )
        if made is None and self.find(resource) is None:
            raise not_ours(f"a security group {name} in {vpc}", self.aws.deployment)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        for field, revoke, allow in (
            ("in", "revoke_security_group_ingress", "authorize_security_group_ingress"),
            ("out", "revoke_security_group_egress", "authorize_security_group_egress"),
        ):
            there, wanted = set(found.fields[field]), set(resource.wanted[field])
            if there - wanted:
                self._rules(revoke, found.id, there - wanted, "InvalidPermission.NotFound")
            if wanted - there:
                self._rules(allow, found.id, wanted - there, "InvalidPermission.Duplicate")

    def remove(self, resource: Resource, found: Found) -> None:
        if resource.name != "default":
            self.aws.ask("ec2.delete_security_group", "InvalidGroup.NotFound", GroupId=found.id)

    def _rules(self, operation: str, group: str, rows: set[str], done: str) -> None:
        rules = permissions(rows)
        match operation:
            case "revoke_security_group_ingress":
                self.aws.ask("ec2.revoke_security_group_ingress", done, GroupId=group, IpPermissions=rules)
            case "authorize_security_group_ingress":
                self.aws.ask("ec2.authorize_security_group_ingress", done, GroupId=group, IpPermissions=rules)
            case "revoke_security_group_egress":
                self.aws.ask("ec2.revoke_security_group_egress", done, GroupId=group, IpPermissions=rules)
            case _:
                self.aws.ask("ec2.authorize_security_group_egress", done, GroupId=group, IpPermissions=rules)


class NetworkAcl(Kind):
    """A network ACL, its entries and subnets; `default` is the VPC's own, emptied: it denies everything."""

    def find(self, resource: Resource) -> Found | None:
        default = resource.name == "default"
        if default and not isinstance(resource.wanted["vpc"], str):
            return None
        for row in self._rows(resource):
            fields: dict[str, Any] = {"vpc": row["VpcId"], "entries": acl_rows(row["Entries"])}
            if not default:
                fields["subnets"] = sorted(one["SubnetId"] for one in row["Associations"])
            return Found(row["NetworkAclId"], fields, {})
        return None

    def make(self, resource: Resource) -> None:
        made = self.aws.call(
            "ec2.create_network_acl",
            VpcId=resource.wanted["vpc"],
            TagSpecifications=self.spec("network-acl", resource.name),
        )["NetworkAcl"]["NetworkAclId"]
        if self.doubled(self._rows(resource), "NetworkAclId", made):
            self.aws.call("ec2.delete_network_acl", NetworkAclId=made)

    def _rows(self, resource: Resource) -> list[dict[str, Any]]:
        filters = self.aws.filters(resource.name)
        if resource.name == "default":
            of_vpc = {"Name": "vpc-id", "Values": [resource.wanted["vpc"]]}
            filters = [of_vpc, {"Name": "default", "Values": ["true"]}]
        rows: list[dict[str, Any]] = self.aws.call("ec2.describe_network_acls", Filters=filters)["NetworkAcls"]
        return rows

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        there, wanted = set(found.fields["entries"]), set(resource.wanted["entries"])
        for entry in acl_entries(there - wanted):
            self.aws.ask(
                "ec2.delete_network_acl_entry",
                "InvalidNetworkAclEntry.NotFound",
                NetworkAclId=found.id,
                RuleNumber=entry["RuleNumber"],
                Egress=entry["Egress"],
            )
        for entry in acl_entries(wanted - there):
            self.aws.call("ec2.create_network_acl_entry", NetworkAclId=found.id, **entry)
        for subnet in set(resource.wanted.get("subnets", ())) - set(found.fields.get("subnets", ())):
            self._move(subnet, found.id)

    def remove(self, resource: Resource, found: Found) -> None:
        if resource.name == "default":
            return
        for subnet in found.fields["subnets"]:
            self._move(subnet, self._default(found.fields["vpc"]))
        self.aws.ask("ec2.delete_network_acl", "InvalidNetworkAclID.NotFound", NetworkAclId=found.id)

    def _default(self, vpc: str) -> str:
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
        return str(self.aws.call("ec2.describe_network_acls", Filters=filters)["NetworkAcls"][0]["NetworkAclId"])

    def _move(self, subnet: str, acl: str) -> None:
        filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
        for row in self.aws.call("ec2.describe_network_acls", Filters=filters)["NetworkAcls"]:
            for one in row["Associations"]:
                if one["SubnetId"] == subnet:
                    self.aws.call(
                        "ec2.replace_network_acl_association",
                        AssociationId=one["NetworkAclAssociationId"],
                        NetworkAclId=acl,
                    )
