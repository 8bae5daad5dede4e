"""What keeps and what names: AWS Backup, Route 53."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.aws.kind import Kind, not_ours, pairs
from hedgerow.targets.cloud.graph import Found, Resource

GONE = "ResourceNotFoundException"


class Vault(Kind):
    """Where snapshots of the instance's volumes lie, encrypted with the records' key and locked.

    The lock is in governance mode: whoever may change it can take it off, and an account in which Hedgerow is only
    tried is not bound for years. A lock that keeps for longer is left as it is.
    """

    def find(self, resource: Resource) -> Found | None:
        name = f"hedgerow-{self.aws.deployment}"
        said = self.aws.ask(
            "backup.describe_backup_vault", "ResourceNotFoundException", "AccessDeniedException", BackupVaultName=name
        )
        if said is None:
            return None
        tags = self.aws.call("backup.list_tags", ResourceArn=said["BackupVaultArn"])["Tags"]
        self.ours(f"a backup vault {name}", pairs(tags))
        wanted = int(resource.wanted["least_days"])
        least = said.get("MinRetentionDays", 1) if said.get("Locked") else 0
        return Found(name, {"key": said.get("EncryptionKeyArn"), "least_days": min(least, wanted)}, {})

    def make(self, resource: Resource) -> None:
        self.aws.ask(
            "backup.create_backup_vault",
            "AlreadyExistsException",
            BackupVaultName=f"hedgerow-{self.aws.deployment}",
            EncryptionKeyArn=resource.wanted["key"],
            BackupVaultTags={tag["Key"]: tag["Value"] for tag in self.aws.tags(resource.name)},
            CreatorRequestId=f"hedgerow-{self.aws.deployment}-vault",
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self.aws.call(
            "backup.put_backup_vault_lock_configuration",
            BackupVaultName=found.id,
            MinRetentionDays=resource.wanted["least_days"],
        )

    def remove(self, resource: Resource, found: Found) -> None:
        raise NotImplementedError("vaults are kept: they hold backups")


class Plan(Kind):
    """When volumes are copied into the vault, for how long, and which: those with the deployment's tag."""

    def find(self, resource: Resource) -> Found | None:
        for row in self._rows():
            plan = self.aws.call("backup.get_backup_plan", BackupPlanId=row["BackupPlanId"])["BackupPlan"]
            chosen = self.aws.call("backup.list_backup_selections", BackupPlanId=row["BackupPlanId"])
            rule = plan["Rules"][0]
            fields = {
                "vault": rule["TargetBackupVaultName"],
                "schedule": rule.get("ScheduleExpression"),
                "days": rule.get("Lifecycle", {}).get("DeleteAfterDays"),
                "selected_by": next((one["IamRoleArn"] for one in chosen["BackupSelectionsList"]), None),
            }
            selections = [one["SelectionId"] for one in chosen["BackupSelectionsList"]]
            return Found(row["BackupPlanId"], fields, {"selections": selections})
        return None

    def make(self, resource: Resource) -> None:
        # AWS takes no second plan that says the same word for word, whoever made the first.
        said = self.aws.ask(
            "backup.create_backup_plan",
            "AlreadyExistsException",
            BackupPlan=self._plan(resource),
            BackupPlanTags={tag["Key"]: tag["Value"] for tag in self.aws.tags(resource.name)},
        )
        if said is None and not self._rows():
            raise not_ours(f"a backup plan hedgerow-{self.aws.deployment}", self.aws.deployment)
        if said and self.doubled(self._rows(), "BackupPlanId", said["BackupPlanId"]):
            self.aws.call("backup.delete_backup_plan", BackupPlanId=said["BackupPlanId"])

    def _rows(self) -> list[dict[str, Any]]:
        name = f"hedgerow-{self.aws.deployment}"
        rows = self.aws.call("backup.list_backup_plans")["BackupPlansList"]
        named = [row for row in rows if row["BackupPlanName"] == name]
        # Their names need not be unique: one of this name may be somebody else's.
        return [row for row in named if self.bears(pairs(self._tags(row["BackupPlanArn"])))]

    def _tags(self, arn: str) -> dict[str, str]:
        tags: dict[str, str] = self.aws.call("backup.list_tags", ResourceArn=arn)["Tags"]
        return tags

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if fields - {"selected_by"}:
            self.aws.call("backup.update_backup_plan", BackupPlanId=found.id, BackupPlan=self._plan(resource))
        if "selected_by" in fields:
            self._drop(found)
            tag = {
                "ConditionType": "STRINGEQUALS",
                "ConditionKey": "hedgerow:deployment",
                "ConditionValue": self.aws.deployment,
            }
            selection = {
                "SelectionName": "hedgerow",
                "IamRoleArn": resource.wanted["selected_by"],
                "ListOfTags": [tag],
            }
            self.aws.call(
                "backup.create_backup_selection",
                BackupPlanId=found.id,
                BackupSelection=selection,
                CreatorRequestId=f"{found.id}-selection",
            )

    def remove(self, resource: Resource, found: Found) -> None:
        self._drop(found)
        self.aws.ask("backup.delete_backup_plan", GONE, BackupPlanId=found.id)

    def _drop(self, found: Found) -> None:
        for selection in found.facts["selections"]:
            self.aws.ask("backup.delete_backup_selection", GONE, BackupPlanId=found.id, SelectionId=selection)

    def _plan(self, resource: Resource) -> dict[str, Any]:
        wanted = resource.wanted
        rule = {
            "RuleName": "daily",
            "TargetBackupVaultName": wanted["vault"],
            "ScheduleExpression": wanted["schedule"],
            "StartWindowMinutes": 60,
            "CompletionWindowMinutes": 360,
            "Lifecycle": {"DeleteAfterDays": wanted["days"]},
        }
        return {"BackupPlanName": f"hedgerow-{self.aws.deployment}", "Rules": [rule]}


class Record(Kind):
    """The name under which people open PostHog, in a zone of Route 53 that is there."""

    def find(self, resource: Resource) -> Found | None:
        zone, name = (resource.given or {})["zone"], f"{resource.name}."
        said = self.aws.call(
            "route53.list_resource_record_sets",
            HostedZoneId=zone,
            StartRecordName=name,
            StartRecordType="A",
            MaxItems="1",
        )
        for row in said["ResourceRecordSets"]:
            if row["Name"] == name and row["Type"] == "A":
                alias = row.get("AliasTarget")
                fields = {
                    "addresses": sorted(one["Value"] for one in row.get("ResourceRecords", [])),
                    "alias": alias_of(alias["HostedZoneId"], alias["DNSName"]) if alias else None,
                }
                return Found(name, fields, {"record": row})
        return None

    def make(self, resource: Resource) -> None:
        self._send("UPSERT", resource, _record(resource))

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        self._send("UPSERT", resource, _record(resource))

    def remove(self, resource: Resource, found: Found) -> None:
        self._send("DELETE", resource, found.facts["record"])

    def _send(self, action: str, resource: Resource, record: dict[str, Any]) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        self.aws.call(
            "route53.change_resource_record_sets",
            HostedZoneId=(resource.given or {})["zone"],
            ChangeBatch=batch,
        )


def alias_of(zone: str, name: str) -> str:
    """Return what an alias leads to, as one text: the zone that AWS keeps such names in, and the name."""
    return f"{zone} {name.lower().rstrip('.').removeprefix('dualstack.')}"


def _record(resource: Resource) -> dict[str, Any]:
    record: dict[str, Any] = {"Name": f"{resource.name}.", "Type": "A"}
    if alias := resource.wanted["alias"]:
        zone, name = alias.split()
        return record | {"AliasTarget": {"HostedZoneId": zone, "DNSName": name, "EvaluateTargetHealth": False}}
    addresses = [{"Value": address} for address in resource.wanted["addresses"]]
    return record | {"TTL": 300, "ResourceRecords": addresses}
