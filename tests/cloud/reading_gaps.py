"""What moto 5.2 does not know of certificates, of AWS WAF, and of the balancer that uses both."""

from __future__ import annotations

import re
from typing import Any

from moto.acm.models import AWSCertificateManagerBackend, CertBundle
from moto.core.exceptions import JsonRESTError
from moto.ec2.models import EC2Backend
from moto.elbv2.models import ELBv2Backend, elbv2_backends
from moto.route53.models import route53_backends
from moto.wafv2.models import WAFV2Backend, wafv2_backends


def close() -> None:
    """Patch moto, before it serves."""
    certificates_are_issued_to_whoever_has_the_zone()
    certificates_in_use_stay()
    rules_in_use_stay_and_judge_one_balancer_once()
    logs_of_rules_go_to_groups_of_their_name()
    access_lists_forget_subnets_that_are_gone()


def certificates_are_issued_to_whoever_has_the_zone() -> None:
    """By itself: a certificate is issued after a minute, whether its record is in a zone or not."""

    def check(self: Any) -> None:
        account = self.arn.split(":")[4]
        (asked,) = {one["ResourceRecord"]["Name"] for one in describe(self)["Certificate"]["DomainValidationOptions"]}
        zones = route53_backends[account]["aws"].zones.values()
        if self.status == "PENDING_VALIDATION" and any(
            record.name == asked and record.type == "CNAME" for zone in zones for record in zone.rrsets
        ):
            self.status = "ISSUED"

    describe = CertBundle.describe
    CertBundle.check = check


def certificates_in_use_stay() -> None:
    """By itself: one that a listener shows is deleted under it, and InUseBy and tokens never forget one."""
    real = AWSCertificateManagerBackend.describe_certificate

    def describe(self: Any, arn: str) -> Any:
        found = real(self, arn)
        found.in_use_by = users(self, arn)
        return found

    delete = AWSCertificateManagerBackend.delete_certificate

    def remove(self: Any, arn: str) -> None:
        if arn in self._certificates and users(self, arn):
            raise JsonRESTError("ResourceInUseException", f"Certificate {arn} is in use.")
        delete(self, arn)
        self._idempotency_tokens = {
            token: row for token, row in self._idempotency_tokens.items() if row.get("arn") != arn
        }

    AWSCertificateManagerBackend.describe_certificate = describe
    AWSCertificateManagerBackend.delete_certificate = remove


def users(backend: Any, certificate: str) -> list[str]:
    """Return the balancers that show a certificate."""
    balancers = elbv2_backends[backend.account_id][backend.region_name].load_balancers.values()
    return [one.arn for one in balancers for each in one.listeners.values() if certificate in (each.certificates or [])]


def rules_in_use_stay_and_judge_one_balancer_once() -> None:
    """By itself: a balancer may be judged by several, rules go while they judge one, and outlive it as if they did."""
    associate, delete, gone = (
        WAFV2Backend.associate_web_acl,
        WAFV2Backend.delete_web_acl,
        ELBv2Backend.delete_load_balancer,
    )

    def judge(self: Any, web_acl_arn: str, resource_arn: str) -> None:
        if web_acl_arn in self.wacls:
            self.disassociate_web_acl(resource_arn)
        associate(self, web_acl_arn, resource_arn)

    def remove(self: Any, name: str, scope: str, _id: str, lock_token: str) -> None:
        found = next((one for one in self.wacls.values() if one.id == _id), None)
        if found is not None and found.associated_resources:
            raise JsonRESTError("WAFAssociatedItemException", "AWS WAF cannot delete what is in use.")
        delete(self, name, scope, _id, lock_token)
        self.logging_configurations.pop(found.arn if found is not None else "", None)

    def end(self: Any, arn: str) -> None:
        gone(self, arn)
        wafv2_backends[self.account_id][self.region_name].disassociate_web_acl(arn)

    WAFV2Backend.associate_web_acl = judge
    WAFV2Backend.delete_web_acl = remove
    ELBv2Backend.delete_load_balancer = end


def logs_of_rules_go_to_groups_of_their_name() -> None:
    """By itself: any text is a destination."""
    real = WAFV2Backend.put_logging_configuration

    def put(self: Any, arn: str, log_destination_configs: list[str], *args: Any, **kwargs: Any) -> Any:
        from moto.logs.models import logs_backends  # noqa: PLC0415 (once moto has begun to serve)

        groups = logs_backends[self.account_id][self.region_name].groups
        for one in log_destination_configs:
            name = re.sub(r".*:log-group:", "", one)
            if not name.startswith("aws-waf-logs-") or name not in groups:
                raise JsonRESTError("WAFLogDestinationPermissionIssueException", f"{name} is no destination")
        return real(self, arn, log_destination_configs, *args, **kwargs)

    WAFV2Backend.put_logging_configuration = put


def access_lists_forget_subnets_that_are_gone() -> None:
    """By itself: a subnet that was deleted stays in its access list."""
    real = EC2Backend.delete_subnet

    def delete(self: Any, subnet_id: str) -> Any:
        gone = real(self, subnet_id)
        for one in self.network_acls.values():
            kept = {name: each for name, each in one._associations.items() if each.subnet_id != subnet_id}
            one._associations = kept
        return gone

    EC2Backend.delete_subnet = delete
