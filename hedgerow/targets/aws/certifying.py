"""The certificate that a load balancer shows: asked for at ACM, and proven by a record in the domain's zone."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

from hedgerow.errors import UnreachableError
from hedgerow.targets.aws.kind import Kind
from hedgerow.targets.cloud.graph import Found, Resource

NONE = "ResourceNotFoundException"
ISSUING_SECONDS = 900
"""For how long ACM may look for the record: minutes, where the zone is the one that the internet asks."""
ENDED = ("FAILED", "VALIDATION_TIMED_OUT", "EXPIRED", "REVOKED")


class Certificate(Kind):
    """A certificate of ours for the domain. ACM renews it by itself for as long as its record stays where it is."""

    def find(self, resource: Resource) -> Found | None:
        zone = (resource.given or {})["zone"]
        for row in self._rows(resource):
            said = self._said(row["CertificateArn"])
            record = _record(said)
            there = self._there(zone, record) if record and zone else None
            fields = {"issued": said.get("Status") == "ISSUED", "renewed": there is not None}
            return Found(row["CertificateArn"], fields, {"record": there})
        return None

    def make(self, resource: Resource) -> None:
        # With the same token ACM gives the same certificate, for an hour: two runs at a time are to have one, and who
        # installs again after a destroy another.
        token = hashlib.sha256(f"{self.aws.deployment} {time.time() // 60:.0f}".encode()).hexdigest()[:32]
        made = self.aws.call(
            "acm.request_certificate",
            DomainName=(resource.given or {})["domain"],
            ValidationMethod="DNS",
            IdempotencyToken=token,
            Tags=self.aws.tags(resource.name),
        )["CertificateArn"]
        if self.doubled(self._rows(resource), "CertificateArn", made):
            self.aws.ask("acm.delete_certificate", NONE, CertificateArn=made)

    def _rows(self, resource: Resource) -> Iterator[dict[str, Any]]:
        for row in self.aws.pages("acm.list_certificates", "CertificateSummaryList"):
            if row["DomainName"] == (resource.given or {})["domain"]:
                arn = row["CertificateArn"]
                said = self.aws.ask("acm.list_tags_for_certificate", NONE, CertificateArn=arn) or {"Tags": []}
                if self.bears(said["Tags"]):
                    yield row

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        zone = (resource.given or {})["zone"]
        # ACM says only after a moment which record it wants to see.
        self.aws.wait(lambda: _record(self._said(found.id)) is not None, "ACM to name the record that it wants", 120)
        if "renewed" in fields:
            record = _record(self._said(found.id))
            batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
            self.aws.call("route53.change_resource_record_sets", HostedZoneId=zone, ChangeBatch=batch)
        what = f"ACM to see its record: {zone} must be the zone that the internet asks"
        self.aws.wait(lambda: self._issued(found.id), what, ISSUING_SECONDS)

    def remove(self, resource: Resource, found: Found) -> None:
        zone, record = (resource.given or {})["zone"], found.facts["record"]
        if record is not None:
            batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
            self.aws.ask(
                "route53.change_resource_record_sets", "InvalidChangeBatch", HostedZoneId=zone, ChangeBatch=batch
            )
        # A balancer that was deleted a moment ago may still count as using it.
        self.aws.wait(lambda: not self._said(found.id).get("InUseBy"), "the load balancer to let go of its certificate")
        self.aws.ask("acm.delete_certificate", NONE, CertificateArn=found.id)

    def _said(self, arn: str) -> dict[str, Any]:
        said = self.aws.ask("acm.describe_certificate", NONE, CertificateArn=arn)
        return dict(said["Certificate"]) if said else {}

    def _issued(self, arn: str) -> bool:
        status = self._said(arn).get("Status")
        if status in ENDED:
            fix = "Certificate Manager says why: delete the certificate there, then run again."
            raise UnreachableError(f"ACM gives no certificate: {status}", fix)
        return status == "ISSUED"

    def _there(self, zone: str, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return the record as the zone has it, None where it has another or none."""
        said = self.aws.call(
            "route53.list_resource_record_sets",
            HostedZoneId=zone,
            StartRecordName=record["Name"],
            StartRecordType="CNAME",
            MaxItems="1",
        )
        for row in said["ResourceRecordSets"]:
            if row["Name"] == record["Name"] and row.get("ResourceRecords") == record["ResourceRecords"]:
                return dict(row)
        return None


def _record(certificate: dict[str, Any]) -> dict[str, Any] | None:
    """Return the record that ACM wants to see, as Route 53 takes it."""
    for one in certificate.get("DomainValidationOptions", []):
        if record := one.get("ResourceRecord"):
            values = [{"Value": record["Value"]}]
            return {"Name": record["Name"], "Type": record["Type"], "TTL": 300, "ResourceRecords": values}
    return None
