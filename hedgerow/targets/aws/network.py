"""The network's kinds: what is in a VPC, from the VPC itself to the endpoints."""

from __future__ import annotations

import json
from typing import Any

from hedgerow.targets.aws.kind import Kind, not_ours
from hedgerow.targets.cloud.graph import Found, Resource

GONE = ("deleted", "deleting", "failed")


class Vpc(Kind):
    """The deployment's own network, or one that is there (`given: {existing: vpc-...}`)."""

    def find(self, resource: Resource) -> Found | None:
        existing = (resource.given or {}).get("existing")
        for row in self._rows(resource):
            if existing:
                return Found(row["VpcId"], {}, {"cidr": row["CidrBlock"]}, adopted=True)
            fields = {"cidr": row["CidrBlock"]}
            for field, attribute in (("dns_support", "enableDnsSupport"), ("dns_hostnames", "enableDnsHostnames")):
                said = self.aws.call("ec2.describe_vpc_attribute", VpcId=row["VpcId"], Attribute=attribute)
                fields[field] = said[attribute[0].upper() + attribute[1:]]["Value"]
            return Found(row["VpcId"], fields, {"cidr": row["CidrBlock"]})
        return None

    def make(self, resource: Resource) -> None:
        made = self.aws.call(
            "ec2.create_vpc", CidrBlock=resource.wanted["cidr"], TagSpecifications=self.spec("vpc", resource.name)
        )["Vpc"]["VpcId"]
        if self.doubled(self._rows(resource), "VpcId", made):
            self.aws.call("ec2.delete_vpc", VpcId=made)

    def _rows(self, resource: Resource) -> list[dict[str, Any]]:
        existing = (resource.given or {}).get("existing")
        asked: dict[str, Any] = {"VpcIds": [existing]} if existing else {"Filters": self.aws.filters(resource.name)}
        return list(self.aws.call("ec2.describe_vpcs", **asked)["Vpcs"])

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if "dns_support" in fields:
            self.aws.call("ec2.modify_vpc_attribute", VpcId=found.id, EnableDnsSupport={"Value": True})
        if "dns_hostnames" in fields:
            self.aws.call("ec2.modify_vpc_attribute", VpcId=found.id, EnableDnsHostnames={"Value": True})

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("ec2.delete_vpc", "InvalidVpcID.NotFound", VpcId=found.id)


class Subnet(Kind):
    """A subnet; nothing in it gets a public address by itself."""

    def find(self, resource: Resource) -> Found | None:
        existing = (resource.given or {}).get("existing")
        asked: dict[str, Any] = {"SubnetIds": [existing]} if existing else {"Filters": self.aws.filters(resource.name)}
        for row in self.aws.call("ec2.describe_subnets", **asked)["Subnets"]:
            fields = {"vpc": row["VpcId"], "cidr": row["CidrBlock"], "public_addresses": row["MapPublicIpOnLaunch"]}
            return Found(row["SubnetId"], fields, {"zone": row["AvailabilityZone"]}, adopted=bool(existing))
        return None

    def make(self, resource: Resource) -> None:
        zones = self.aws.call(
            "ec2.describe_availability_zones",
            Filters=[
                {"Name": "state", "Values": ["available"]},
                {"Name": "zone-type", "Values": ["availability-zone"]},
            ],
        )["AvailabilityZones"]
        wanted = resource.wanted
        made = self.aws.ask(
            "ec2.create_subnet",
            "InvalidSubnet.Conflict",
            VpcId=wanted["vpc"],
            CidrBlock=wanted["cidr"],
            AvailabilityZone=sorted(zone["ZoneName"] for zone in zones)[(resource.given or {}).get("zone", 0)],
            TagSpecifications=self.spec("subnet", resource.name),
        )
        if made is None and self.find(resource) is None:
            raise not_ours(f"a subnet that overlaps {wanted['cidr']} in {wanted['vpc']}", self.aws.deployment)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if "public_addresses" in fields:
            self.aws.call("ec2.modify_subnet_attribute", SubnetId=found.id, MapPublicIpOnLaunch={"Value": False})

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("ec2.delete_subnet", "InvalidSubnetID.NotFound", SubnetId=found.id)


class InternetGateway(Kind):
    """The way to the internet, for the public subnet alone."""

    def find(self, resource: Resource) -> Found | None:
        for row in self._rows(resource.name):
            attached = row.get("Attachments") or [{}]
            return Found(row["InternetGatewayId"], {"vpc": attached[0].get("VpcId")}, {})
        return None

    def make(self, resource: Resource) -> None:
        spec = self.spec("internet-gateway", resource.name)
        made = self.aws.call("ec2.create_internet_gateway", TagSpecifications=spec)["InternetGateway"]
        if self.doubled(self._rows(resource.name), "InternetGatewayId", made["InternetGatewayId"]):
            self.aws.call("ec2.delete_internet_gateway", InternetGatewayId=made["InternetGatewayId"])

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return list(self.aws.call("ec2.describe_internet_gateways", Filters=self.aws.filters(name))["InternetGateways"])

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call("ec2.attach_internet_gateway", InternetGatewayId=found.id, VpcId=resource.wanted["vpc"])

    def remove(self, resource: Resource, found: Found) -> None:
        if vpc := found.fields["vpc"]:
            self.aws.ask("ec2.detach_internet_gateway", "Gateway.NotAttached", InternetGatewayId=found.id, VpcId=vpc)
        self.aws.ask("ec2.delete_internet_gateway", "InvalidInternetGatewayID.NotFound", InternetGatewayId=found.id)


class Address(Kind):
    """An address of the deployment's own: the NAT gateway's, or the instance's in public mode."""

    def find(self, resource: Resource) -> Found | None:
        for row in self._rows(resource.name):
            fields = {"instance": row.get("InstanceId") or None} if "instance" in resource.wanted else {}
            facts = {"address": row["PublicIp"], "association": row.get("AssociationId")}
            return Found(row["AllocationId"], fields, facts)
        return None

    def make(self, resource: Resource) -> None:
        spec = self.spec("elastic-ip", resource.name)
        made = self.aws.call("ec2.allocate_address", Domain="vpc", TagSpecifications=spec)["AllocationId"]
        if self.doubled(self._rows(resource.name), "AllocationId", made):
            self.aws.call("ec2.release_address", AllocationId=made)

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return list(self.aws.call("ec2.describe_addresses", Filters=self.aws.filters(name))["Addresses"])

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call(
            "ec2.associate_address",
            AllocationId=found.id,
            InstanceId=resource.wanted["instance"],
            AllowReassociation=False,
        )

    def remove(self, resource: Resource, found: Found) -> None:
        if "instance" in found.fields and (association := found.facts["association"]):
            self.aws.ask("ec2.disassociate_address", "InvalidAssociationID.NotFound", AssociationId=association)
        self.aws.ask("ec2.release_address", "InvalidAllocationID.NotFound", AllocationId=found.id)


class NatGateway(Kind):
    """The way out for the private subnet."""

    def find(self, resource: Resource) -> Found | None:
        rows = self.aws.call("ec2.describe_nat_gateways", Filter=self.aws.filters(resource.name))["NatGateways"]
        for row in rows:
            if row["State"] not in GONE:
                addresses = row.get("NatGatewayAddresses") or [{}]
                fields = {"subnet": row["SubnetId"], "address": addresses[0].get("AllocationId")}
                return Found(row["NatGatewayId"], fields, {})
        return None

    def make(self, resource: Resource) -> None:
        made = self.aws.call(
            "ec2.create_nat_gateway",
            SubnetId=resource.wanted["subnet"],
            AllocationId=resource.wanted["address"],
            ClientToken=resource.wanted["address"],
            TagSpecifications=self.spec("natgateway", resource.name),
        )["NatGateway"]["NatGatewayId"]
        self._wait(made, "available")

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        raise NotImplementedError("every field of a NAT gateway is fixed")

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("ec2.delete_nat_gateway", "NatGatewayNotFound", NatGatewayId=found.id)
        self._wait(found.id, "deleted")

    def _wait(self, gateway: str, state: str) -> None:
        self.aws.wait(
            lambda: all(
                row["State"] == state
                for row in self.aws.call("ec2.describe_nat_gateways", NatGatewayIds=[gateway])["NatGateways"]
            ),
            f"the NAT gateway to be {state}",
        )


class RouteTable(Kind):
    """The routes of some subnets. A route that is not wanted is removed; the local one and endpoints' are AWS's own."""

    def find(self, resource: Resource) -> Found | None:
        for row in self._rows(resource.name):
            routes = {
                route["DestinationCidrBlock"]: route.get("NatGatewayId") or route.get("GatewayId")
                for route in row["Routes"]
                if "DestinationCidrBlock" in route and route.get("GatewayId") != "local"
            }
            joined = {
                one["SubnetId"]: one["RouteTableAssociationId"] for one in row["Associations"] if "SubnetId" in one
            }
            fields = {"vpc": row["VpcId"], "routes": routes, "subnets": sorted(joined)}
            return Found(row["RouteTableId"], fields, {"associations": joined})
        return None

    def make(self, resource: Resource) -> None:
        made = self.aws.call(
            "ec2.create_route_table",
            VpcId=resource.wanted["vpc"],
            TagSpecifications=self.spec("route-table", resource.name),
        )["RouteTable"]["RouteTableId"]
        if self.doubled(self._rows(resource.name), "RouteTableId", made):
            self.aws.call("ec2.delete_route_table", RouteTableId=made)

    def _rows(self, name: str) -> list[dict[str, Any]]:
        return list(self.aws.call("ec2.describe_route_tables", Filters=self.aws.filters(name))["RouteTables"])

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        wanted = resource.wanted
        for cidr, through in found.fields["routes"].items():
            if wanted["routes"].get(cidr) != through:
                self.aws.ask(
                    "ec2.delete_route", "InvalidRoute.NotFound", RouteTableId=found.id, DestinationCidrBlock=cidr
                )
        for cidr, through in wanted["routes"].items():
            if found.fields["routes"].get(cidr) != through:
                way = {"NatGatewayId" if through.startswith("nat-") else "GatewayId": through}
                self.aws.call("ec2.create_route", RouteTableId=found.id, DestinationCidrBlock=cidr, **way)
        for subnet in set(wanted["subnets"]) - set(found.fields["subnets"]):
            self.aws.call("ec2.associate_route_table", RouteTableId=found.id, SubnetId=subnet)
        for subnet in set(found.fields["subnets"]) - set(wanted["subnets"]):
            self._part(found.facts["associations"][subnet])

    def remove(self, resource: Resource, found: Found) -> None:
        for association in found.facts["associations"].values():
            self._part(association)
        self.aws.ask("ec2.delete_route_table", "InvalidRouteTableID.NotFound", RouteTableId=found.id)

    def _part(self, association: str) -> None:
        self.aws.ask("ec2.disassociate_route_table", "InvalidAssociationID.NotFound", AssociationId=association)


class Endpoint(Kind):
    """A way to one service of AWS that does not leave its network."""

    def find(self, resource: Resource) -> Found | None:
        for row in self.aws.call("ec2.describe_vpc_endpoints", Filters=self.aws.filters(resource.name))["VpcEndpoints"]:
            if row["State"].lower() in GONE:
                continue
            policy = json.loads(row.get("PolicyDocument") or "null")
            fields: dict[str, Any] = {"vpc": row["VpcId"], "service": row["ServiceName"], "policy": policy}
            if row["VpcEndpointType"] == "Gateway":
                fields["route_tables"] = sorted(row.get("RouteTableIds", []))
            else:
                fields["subnets"] = sorted(row.get("SubnetIds", []))
                fields["groups"] = sorted(one["GroupId"] for one in row.get("Groups", []))
            return Found(row["VpcEndpointId"], fields, {})
        return None

    def make(self, resource: Resource) -> None:
        wanted = resource.wanted
        way: dict[str, Any] = (
            {"VpcEndpointType": "Gateway", "RouteTableIds": wanted["route_tables"]}
            if "route_tables" in wanted
            else {
                "VpcEndpointType": "Interface",
                "SubnetIds": wanted["subnets"],
                "SecurityGroupIds": wanted["groups"],
                "PrivateDnsEnabled": True,
            }
        )
        self.aws.call(
            "ec2.create_vpc_endpoint",
            VpcId=wanted["vpc"],
            ServiceName=wanted["service"],
            PolicyDocument=json.dumps(wanted["policy"]),
            ClientToken=f"{wanted['vpc']}-{resource.name}",
            TagSpecifications=self.spec("vpc-endpoint", resource.name),
            **way,
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        turns: dict[str, Any] = {}
        if "policy" in fields:
            turns["PolicyDocument"] = json.dumps(resource.wanted["policy"])
        for field, word in (
            ("route_tables", "RouteTableIds"),
            ("subnets", "SubnetIds"),
            ("groups", "SecurityGroupIds"),
        ):
            if field in fields:
                there, wanted = set(found.fields[field]), set(resource.wanted[field])
                turns |= {f"Add{word}": sorted(wanted - there)} if wanted - there else {}
                turns |= {f"Remove{word}": sorted(there - wanted)} if there - wanted else {}
        self.aws.call("ec2.modify_vpc_endpoint", VpcEndpointId=found.id, **turns)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("ec2.delete_vpc_endpoints", "InvalidVpcEndpointId.NotFound", VpcEndpointIds=[found.id])
        self.aws.wait(lambda: self.find(resource) is None, "a VPC endpoint to be gone")
