"""The instance, and what it may do: roles, instance profile, image."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hedgerow.errors import CallError, UnreachableError
from hedgerow.targets.aws.kind import Kind
from hedgerow.targets.cloud.graph import Found, Resource

ALIVE = ["pending", "running", "stopping", "stopped"]
NO_ENTITY = "NoSuchEntity"
POLICY = "hedgerow"


class Role(Kind):
    """A role with one policy of ours in it and no other."""

    def find(self, resource: Resource) -> Found | None:
        name = self.role(resource.name)
        said = self.aws.ask("iam.get_role", NO_ENTITY, RoleName=name)
        if said is None:
            return None
        self.ours(f"a role {name}", said["Role"].get("Tags", []))
        inline = self.aws.call("iam.list_role_policies", RoleName=name)["PolicyNames"]
        policy = None
        if POLICY in inline:
            policy = self.aws.call("iam.get_role_policy", RoleName=name, PolicyName=POLICY)["PolicyDocument"]
        attached = self.aws.call("iam.list_attached_role_policies", RoleName=name)["AttachedPolicies"]
        fields = {
            "trust": said["Role"]["AssumeRolePolicyDocument"],
            "policy": policy,
            "other_policies": sorted(set(inline) - {POLICY}) + sorted(one["PolicyArn"] for one in attached),
        }
        return Found(name, fields, {"arn": said["Role"]["Arn"]})

    def make(self, resource: Resource) -> None:
        self.aws.ask(
            "iam.create_role",
            "EntityAlreadyExists",
            RoleName=self.role(resource.name),
            AssumeRolePolicyDocument=json.dumps(resource.wanted["trust"]),
            Description=f"Hedgerow {self.aws.deployment}: {resource.name}",
            Tags=self.aws.tags(resource.name),
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if "trust" in fields:
            document = json.dumps(resource.wanted["trust"])
            self.aws.call("iam.update_assume_role_policy", RoleName=found.id, PolicyDocument=document)
        if "policy" in fields:
            document = json.dumps(resource.wanted["policy"])
            self.aws.call("iam.put_role_policy", RoleName=found.id, PolicyName=POLICY, PolicyDocument=document)
        if "other_policies" in fields:
            self._strip(found)

    def remove(self, resource: Resource, found: Found) -> None:
        self._strip(found)
        self.aws.ask("iam.delete_role_policy", NO_ENTITY, RoleName=found.id, PolicyName=POLICY)
        self.aws.ask("iam.delete_role", NO_ENTITY, RoleName=found.id)

    def role(self, name: str) -> str:
        """Return the role's name in the account."""
        return f"hedgerow-{self.aws.deployment}-{name}"

    def _strip(self, found: Found) -> None:
        for other in found.fields["other_policies"]:
            if other.startswith("arn:"):
                self.aws.ask("iam.detach_role_policy", NO_ENTITY, RoleName=found.id, PolicyArn=other)
            else:
                self.aws.ask("iam.delete_role_policy", NO_ENTITY, RoleName=found.id, PolicyName=other)


class Profile(Kind):
    """What hands a role to the instance."""

    def find(self, resource: Resource) -> Found | None:
        name = f"hedgerow-{self.aws.deployment}-{resource.name}"
        said = self.aws.ask("iam.get_instance_profile", NO_ENTITY, InstanceProfileName=name)
        if said is None:
            return None
        profile = said["InstanceProfile"]
        self.ours(f"an instance profile {name}", profile.get("Tags", []))
        return Found(name, {"roles": [role["RoleName"] for role in profile["Roles"]]}, {"arn": profile["Arn"]})

    def make(self, resource: Resource) -> None:
        self.aws.ask(
            "iam.create_instance_profile",
            "EntityAlreadyExists",
            InstanceProfileName=f"hedgerow-{self.aws.deployment}-{resource.name}",
            Tags=self.aws.tags(resource.name),
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        for role in set(found.fields["roles"]) - set(resource.wanted["roles"]):
            self.aws.call("iam.remove_role_from_instance_profile", InstanceProfileName=found.id, RoleName=role)
        for role in set(resource.wanted["roles"]) - set(found.fields["roles"]):
            self.aws.call("iam.add_role_to_instance_profile", InstanceProfileName=found.id, RoleName=role)

    def remove(self, resource: Resource, found: Found) -> None:
        for role in found.fields["roles"]:
            self.aws.ask(
                "iam.remove_role_from_instance_profile", NO_ENTITY, InstanceProfileName=found.id, RoleName=role
            )
        self.aws.ask("iam.delete_instance_profile", NO_ENTITY, InstanceProfileName=found.id)


class Instance(Kind):
    """A machine, started from its publisher's newest image; a newer one later is no reason to replace it."""

    def find(self, resource: Resource) -> Found | None:
        filters = [*self.aws.filters(resource.name), {"Name": "instance-state-name", "Values": ALIVE}]
        rows = [
            row
            for one in self.aws.call("ec2.describe_instances", Filters=filters)["Reservations"]
            for row in one["Instances"]
        ]
        if len(rows) > 1:
            names = ", ".join(row["InstanceId"] for row in rows)
            raise UnreachableError(
                f"{len(rows)} instances bear the tags of {resource.name}: {names}",
                "Decide which one is right, and end the other or take its tags away.",
            )
        return self._seen(rows[0]) if rows else None

    def _seen(self, row: dict[str, Any]) -> Found:
        asked = {"InstanceId": row["InstanceId"], "Attribute": "disableApiTermination"}
        guarded = self.aws.call("ec2.describe_instance_attribute", **asked)["DisableApiTermination"]["Value"]
        metadata = row.get("MetadataOptions", {})
        fields = {
            "type": row["InstanceType"],
            "subnet": row.get("SubnetId"),
            "profile": row.get("IamInstanceProfile", {}).get("Arn"),
            "groups": sorted(group["GroupId"] for group in row["SecurityGroups"]),
            "metadata": {"tokens": metadata.get("HttpTokens"), "hops": metadata.get("HttpPutResponseHopLimit")},
            "termination_protection": guarded,
            "running": row["State"]["Name"] in ("pending", "running"),
            "disks": self._disks(row),
        }
        facts = {"private": row.get("PrivateIpAddress", ""), "public": row.get("PublicIpAddress", "")}
        return Found(row["InstanceId"], fields, facts)

    def make(self, resource: Resource) -> None:
        wanted, given = resource.wanted, resource.given or {}
        image = self.image(given["image_owner"], given["image_name"])
        names = {image["RootDeviceName"]: wanted["disks"][0], given["data_device"]: wanted["disks"][1]}
        spec = [
            {"ResourceType": kind, "Tags": self.aws.tags(resource.name)}
            for kind in ("instance", "volume", "network-interface")
        ]
        # The same token gives the same instance; a later network makes another token, and another instance.
        token = hashlib.sha256(f"{self.aws.deployment} {resource.name} {wanted['subnet']}".encode()).hexdigest()
        made = self.aws.call(
            "ec2.run_instances",
            ImageId=image["ImageId"],
            InstanceType=wanted["type"],
            MinCount=1,
            MaxCount=1,
            ClientToken=token[:64],
            UserData=given["user_data"],
            IamInstanceProfile={"Arn": wanted["profile"]},
            DisableApiTermination=True,
            EbsOptimized=True,
            MetadataOptions={
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "HttpEndpoint": "enabled",
                "InstanceMetadataTags": "disabled",
            },
            NetworkInterfaces=[
                {
                    "DeviceIndex": 0,
                    "SubnetId": wanted["subnet"],
                    "Groups": wanted["groups"],
                    "AssociatePublicIpAddress": False,
                    "DeleteOnTermination": True,
                }
            ],
            BlockDeviceMappings=[
                {
                    "DeviceName": device,
                    "Ebs": {
                        "VolumeSize": disk["gib"],
                        "VolumeType": disk["type"],
                        "Encrypted": True,
                        "KmsKeyId": disk["key"],
                        "DeleteOnTermination": True,
                    },
                }
                for device, disk in names.items()
            ],
            TagSpecifications=spec,
        )["Instances"][0]["InstanceId"]
        self.aws.wait(lambda: self._state(made) == "running", "the instance to run")

    def image(self, owner: str, name: str) -> dict[str, Any]:
        """Return the newest image of an owner by that name. Raises CallError where there is none."""
        said = self.aws.call(
            "ec2.describe_images",
            Owners=[owner],
            Filters=[{"Name": "name", "Values": [name]}, {"Name": "state", "Values": ["available"]}],
        )
        images: list[dict[str, Any]] = said["Images"]
        if not images:
            raise CallError(
                f"{self.aws.region} has no image {name} of its publisher", "Choose the other image, or another region."
            )
        return max(images, key=lambda image: str(image["CreationDate"]))

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        wanted = resource.wanted
        if "metadata" in fields:
            self.aws.call(
                "ec2.modify_instance_metadata_options",
                InstanceId=found.id,
                HttpTokens="required",
                HttpPutResponseHopLimit=1,
            )
        if "groups" in fields:
            self.aws.call("ec2.modify_instance_attribute", InstanceId=found.id, Groups=wanted["groups"])
        if "termination_protection" in fields:
            self.aws.call("ec2.modify_instance_attribute", InstanceId=found.id, DisableApiTermination={"Value": True})
        if "profile" in fields:
            self._profile(found.id, wanted["profile"])
        if "running" in fields:
            self.aws.call("ec2.start_instances", InstanceIds=[found.id])
            self.aws.wait(lambda: self._state(found.id) == "running", "the instance to run")

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.call("ec2.modify_instance_attribute", InstanceId=found.id, DisableApiTermination={"Value": False})
        self.aws.ask("ec2.terminate_instances", "InvalidInstanceID.NotFound", InstanceIds=[found.id])
        self.aws.wait(lambda: self._state(found.id) == "terminated", "the instance to end")

    def _disks(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        order = {one["Ebs"]["VolumeId"]: one["DeviceName"] for one in row.get("BlockDeviceMappings", [])}
        if not order:
            return []
        root = row["RootDeviceName"]
        volumes = self.aws.call("ec2.describe_volumes", VolumeIds=sorted(order))["Volumes"]
        ranked = sorted(volumes, key=lambda one: (order[one["VolumeId"]] != root, order[one["VolumeId"]]))
        return [
            {"gib": one["Size"], "type": one["VolumeType"], "key": one.get("KmsKeyId") if one["Encrypted"] else None}
            for one in ranked
        ]

    def _state(self, instance: str) -> str:
        said = self.aws.ask("ec2.describe_instances", "InvalidInstanceID.NotFound", InstanceIds=[instance])
        if said is None or not said["Reservations"]:
            return "terminated"
        return str(said["Reservations"][0]["Instances"][0]["State"]["Name"])

    def _profile(self, instance: str, arn: str) -> None:
        filters = [{"Name": "instance-id", "Values": [instance]}]
        said = self.aws.call("ec2.describe_iam_instance_profile_associations", Filters=filters)
        there = said["IamInstanceProfileAssociations"]
        if there:
            self.aws.call(
                "ec2.replace_iam_instance_profile_association",
                AssociationId=there[0]["AssociationId"],
                IamInstanceProfile={"Arn": arn},
            )
        else:
            self.aws.call("ec2.associate_iam_instance_profile", InstanceId=instance, IamInstanceProfile={"Arn": arn})
