"""Keys and storage: KMS keys, buckets, and the account's own guards around them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hedgerow.errors import UnreachableError
from hedgerow.targets.aws.kind import Kind
from hedgerow.targets.cloud.graph import Found, Resource

WAITING_DAYS = 30
"""How long a key waits before it is gone; a person who finds something still encrypted with it can call it back."""
SHORTEST_DAYS = 7  # for a key that nothing was ever encrypted with
BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
ENDING = ("PendingDeletion", "Unavailable")
NO_BUCKET = ("404", "NoSuchBucket")


class Key(Kind):
    """A customer-managed key, found by its alias; where that is missing, or left to a key that ends, by its tags."""

    def find(self, resource: Resource) -> Found | None:
        alias = self._alias(resource)
        said = self.aws.ask("kms.describe_key", "NotFoundException", KeyId=alias)
        named = said is not None and said["KeyMetadata"]["KeyState"] not in ENDING
        key = said["KeyMetadata"] if said is not None and named else next(self._tagged(resource), None)
        if key is None or key["KeyState"] in ENDING:
            return None
        policy = self.aws.call("kms.get_key_policy", KeyId=key["KeyId"], PolicyName="default")["Policy"]
        rotation = self.aws.call("kms.get_key_rotation_status", KeyId=key["KeyId"])
        fields = {
            "alias": alias if named else None,
            "enabled": key["KeyState"] == "Enabled",
            "rotation": rotation["KeyRotationEnabled"],
            "policy": json.loads(policy),
        }
        return Found(key["KeyId"], fields, {"arn": key["Arn"]})

    def make(self, resource: Resource) -> None:
        tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in self.aws.tags(resource.name)]
        made = self.aws.call(
            "kms.create_key",
            Description=f"Hedgerow {self.aws.deployment}: {resource.name}",
            Policy=json.dumps(resource.wanted["policy"]),
            Tags=tags,
        )["KeyMetadata"]["KeyId"]
        if self.doubled(self._tagged(resource), "KeyId", made):
            self.aws.call("kms.schedule_key_deletion", KeyId=made, PendingWindowInDays=SHORTEST_DAYS)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if "enabled" in fields:
            self.aws.call("kms.enable_key", KeyId=found.id)
        if "policy" in fields:
            self.aws.call(
                "kms.put_key_policy",
                KeyId=found.id,
                PolicyName="default",
                Policy=json.dumps(resource.wanted["policy"]),
            )
        if "rotation" in fields:
            self.aws.call("kms.enable_key_rotation", KeyId=found.id)
        if "alias" in fields:
            # The alias of an earlier key that waits for its end goes to the new one.
            alias = self._alias(resource)
            if self.aws.ask("kms.describe_key", "NotFoundException", KeyId=alias) is None:
                self.aws.call("kms.create_alias", AliasName=alias, TargetKeyId=found.id)
            else:
                self.aws.call("kms.update_alias", AliasName=alias, TargetKeyId=found.id)

    def remove(self, resource: Resource, found: Found) -> None:
        self.aws.ask("kms.delete_alias", "NotFoundException", AliasName=self._alias(resource))
        self.aws.ask(
            "kms.schedule_key_deletion",
            "KMSInvalidStateException",
            KeyId=found.id,
            PendingWindowInDays=WAITING_DAYS,
        )

    def _alias(self, resource: Resource) -> str:
        return f"alias/hedgerow/{self.aws.deployment}/{resource.name}"

    def _tagged(self, resource: Resource) -> Iterator[dict[str, Any]]:
        wanted = {tag["Key"]: tag["Value"] for tag in self.aws.tags(resource.name)}
        for row in self.aws.pages("kms.list_keys", "Keys"):
            said = self.aws.ask("kms.list_resource_tags", "AccessDeniedException", KeyId=row["KeyId"]) or {"Tags": []}
            if wanted.items() <= {tag["TagKey"]: tag["TagValue"] for tag in said["Tags"]}.items():
                key: dict[str, Any] = self.aws.call("kms.describe_key", KeyId=row["KeyId"])["KeyMetadata"]
                if key["KeyState"] in ("Enabled", "Disabled"):
                    yield key


class Bucket(Kind):
    """A bucket and everything that guards it. Where object lock is wanted it is switched on at creation."""

    def find(self, resource: Resource) -> Found | None:
        bucket = {"Bucket": str((resource.given or {})["bucket"])}
        try:
            if self.aws.ask("s3.head_bucket", *NO_BUCKET, **bucket) is None:
                return None
        except UnreachableError as error:
            raise UnreachableError(
                f"the bucket {bucket['Bucket']} is not this account's to look at: {error.message}",
                "If it is somebody else's, choose another name for the deployment.",
            ) from error
        ask, wanted = self.aws.ask, resource.wanted
        fields: dict[str, Any] = {
            "versioning": self.aws.call("s3.get_bucket_versioning", **bucket).get("Status"),
            "encryption": _encryption(
                ask("s3.get_bucket_encryption", "ServerSideEncryptionConfigurationNotFoundError", **bucket)
            ),
            "public_access_block": (
                ask("s3.get_public_access_block", "NoSuchPublicAccessBlockConfiguration", **bucket) or {}
            ).get("PublicAccessBlockConfiguration"),
            "ownership": _ownership(
                ask("s3.get_bucket_ownership_controls", "OwnershipControlsNotFoundError", **bucket)
            ),
            "policy": _policy(ask("s3.get_bucket_policy", "NoSuchBucketPolicy", **bucket)),
            "lifecycle": _lifecycle(
                ask("s3.get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration", **bucket)
            ),
            "tags": _tags(ask("s3.get_bucket_tagging", "NoSuchTagSet", **bucket)),
        }
        if "access_log" in wanted:
            logging = self.aws.call("s3.get_bucket_logging", **bucket).get("LoggingEnabled") or {}
            fields["access_log"] = logging.get("TargetBucket")
        if "lock" in wanted:
            said = ask("s3.get_object_lock_configuration", "ObjectLockConfigurationNotFoundError", **bucket) or {}
            kept = said.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
            fields["lock"] = {"mode": kept.get("Mode"), "days": kept.get("Days")}
        return Found(bucket["Bucket"], fields, {"arn": f"arn:{self.aws.partition}:s3:::{bucket['Bucket']}"})

    def make(self, resource: Resource) -> None:
        where: dict[str, Any] = (
            {}
            if self.aws.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": self.aws.region}}
        )
        lock = {"ObjectLockEnabledForBucket": True} if "lock" in resource.wanted else {}
        # A run that was killed in between has made it already, in this account.
        self.aws.ask(
            "s3.create_bucket",
            "BucketAlreadyOwnedByYou",
            Bucket=str((resource.given or {})["bucket"]),
            ObjectOwnership="BucketOwnerEnforced",
            **lock,
            **where,
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        wanted, bucket = resource.wanted, {"Bucket": found.id}
        call = self.aws.call
        if "public_access_block" in fields:
            call("s3.put_public_access_block", PublicAccessBlockConfiguration=BLOCK, **bucket)
        if "ownership" in fields:
            rules = [{"ObjectOwnership": wanted["ownership"]}]
            call("s3.put_bucket_ownership_controls", OwnershipControls={"Rules": rules}, **bucket)
        if "tags" in fields:
            tags = [{"Key": key, "Value": value} for key, value in wanted["tags"].items()]
            call("s3.put_bucket_tagging", Tagging={"TagSet": tags}, **bucket)
        if "encryption" in fields:
            call("s3.put_bucket_encryption", ServerSideEncryptionConfiguration=_sse(wanted["encryption"]), **bucket)
        if "versioning" in fields:
            call("s3.put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"}, **bucket)
        if "policy" in fields:
            call("s3.put_bucket_policy", Policy=json.dumps(wanted["policy"]), **bucket)
        if "lifecycle" in fields:
            rules = [_lifecycle_rule(name, days) for name, days in wanted["lifecycle"].items()]
            call("s3.put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules}, **bucket)
        if "access_log" in fields:
            status = {"LoggingEnabled": {"TargetBucket": wanted["access_log"], "TargetPrefix": "s3/"}}
            call("s3.put_bucket_logging", BucketLoggingStatus=status, **bucket)
        if "lock" in fields:
            rule = {"DefaultRetention": {"Mode": wanted["lock"]["mode"], "Days": wanted["lock"]["days"]}}
            lock = {"ObjectLockEnabled": "Enabled", "Rule": rule}
            call("s3.put_object_lock_configuration", ObjectLockConfiguration=lock, **bucket)

    def remove(self, resource: Resource, found: Found) -> None:
        raise NotImplementedError("buckets are kept: every one of them holds records")


def _encryption(said: dict[str, Any] | None) -> dict[str, Any] | None:
    for rule in (said or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", []):
        how = rule["ApplyServerSideEncryptionByDefault"]
        return {"algorithm": how["SSEAlgorithm"], "key": how.get("KMSMasterKeyID")}
    return None


def _sse(wanted: dict[str, Any]) -> dict[str, Any]:
    how = {"SSEAlgorithm": wanted["algorithm"]}
    if wanted["key"] is None:
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": how}]}
    return {
        "Rules": [
            {"ApplyServerSideEncryptionByDefault": {**how, "KMSMasterKeyID": wanted["key"]}, "BucketKeyEnabled": True}
        ]
    }


def _ownership(said: dict[str, Any] | None) -> str | None:
    rules = (said or {}).get("OwnershipControls", {}).get("Rules", [])
    return rules[0]["ObjectOwnership"] if rules else None


def _policy(said: dict[str, Any] | None) -> Any:
    return json.loads(said["Policy"]) if said else None


def _tags(said: dict[str, Any] | None) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in said["TagSet"]} if said else {}


def _lifecycle(said: dict[str, Any] | None) -> dict[str, int | None] | None:
    if said is None:
        return None
    found = {}
    for rule in said["Rules"]:
        days = rule.get("Expiration", {}).get("Days") or rule.get("NoncurrentVersionExpiration", {}).get(
            "NoncurrentDays"
        )
        days = days or rule.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation")
        found[rule["ID"]] = days if rule["Status"] == "Enabled" else None
    return found


def _lifecycle_rule(name: str, days: int) -> dict[str, Any]:
    rule: dict[str, Any] = {"ID": name, "Status": "Enabled", "Filter": {"Prefix": ""}}
    match name:
        case "expire":
            return rule | {"Expiration": {"Days": days}}
        case "expire-old-versions":
            return rule | {"NoncurrentVersionExpiration": {"NoncurrentDays": days}}
        case _:
            return rule | {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days}}


class AccountS3Block(Kind):
    """No bucket of the account can be made public."""

    def find(self, resource: Resource) -> Found | None:
        said = self.aws.ask(
            "s3control.get_public_access_block",
            "NoSuchPublicAccessBlockConfiguration",
            AccountId=self.aws.account,
        )
        return Found("account", {"block": (said or {}).get("PublicAccessBlockConfiguration")}, {})

    def make(self, resource: Resource) -> None:
        raise NotImplementedError("an account always has it, on or off")

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call(
            "s3control.put_public_access_block",
            AccountId=self.aws.account,
            PublicAccessBlockConfiguration=BLOCK,
        )

    def remove(self, resource: Resource, found: Found) -> None:
        raise NotImplementedError("what guards the account stays")


class EbsEncryption(Kind):
    """Every new volume in the region is encrypted, also one made by hand."""

    def find(self, resource: Resource) -> Found | None:
        said = self.aws.call("ec2.get_ebs_encryption_by_default")
        return Found("account", {"enabled": said["EbsEncryptionByDefault"]}, {})

    def make(self, resource: Resource) -> None:
        raise NotImplementedError("an account always has it, on or off")

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call("ec2.enable_ebs_encryption_by_default")

    def remove(self, resource: Resource, found: Found) -> None:
        raise NotImplementedError("what guards the account stays")


class SnapshotBlock(Kind):
    """No snapshot in the region can be shared with everybody."""

    def find(self, resource: Resource) -> Found | None:
        said = self.aws.call("ec2.get_snapshot_block_public_access_state")
        return Found("account", {"state": said["State"]}, {})

    def make(self, resource: Resource) -> None:
        raise NotImplementedError("an account always has it, on or off")

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call("ec2.enable_snapshot_block_public_access", State="block-all-sharing")

    def remove(self, resource: Resource, found: Found) -> None:
        raise NotImplementedError("what guards the account stays")
