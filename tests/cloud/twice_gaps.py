"""moto's gaps at calls that another run has made a moment before. Each says what moto 5.2 does by itself."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import InstanceBackend
from moto.guardduty.exceptions import GuardDutyException
from moto.guardduty.models import GuardDutyBackend
from moto.iam.exceptions import NotFoundException
from moto.iam.models import IAMBackend


class UnknownAssociationError(EC2ClientError):
    """EC2's refusal of an association that was replaced (EC2 API reference, error codes)."""

    def __init__(self, name: str) -> None:
        super().__init__("InvalidAssociationID.NotFound", f"The association ID '{name}' does not exist")


class UnknownEntryError(EC2ClientError):
    """EC2's refusal of an entry that is not there (EC2 API reference, error codes)."""

    def __init__(self, number: int) -> None:
        super().__init__("InvalidNetworkAclEntry.NotFound", f"The network ACL entry {number} does not exist")


class SecondDetectorError(GuardDutyException):
    """GuardDuty's refusal (GuardDuty API reference, CreateDetector: one detector per account per Region)."""

    code = 400

    def __init__(self) -> None:
        words = "The request is rejected because a detector already exists for the current account."
        super().__init__("BadRequestException", words)


def close() -> None:
    """Patch moto, before it serves."""
    one_detector_a_region()
    an_association_is_replaced_once()
    a_role_is_taken_from_a_profile_once()
    what_has_ended_may_be_ended_again()
    an_entry_is_removed_once()
    one_endpoint_a_client_token()
    an_endpoint_outlives_a_route_table()


def one_detector_a_region() -> None:
    """By itself: there are as many as are made."""
    real = GuardDutyBackend.create_detector

    def create(self: Any, *args: Any, **kwargs: Any) -> str:
        if self.detectors:
            raise SecondDetectorError
        return str(real(self, *args, **kwargs))

    GuardDutyBackend.create_detector = create


def an_association_is_replaced_once() -> None:
    """By itself: an error of its own."""
    real = EC2Backend.replace_network_acl_association

    def replace(self: Any, association_id: str, network_acl_id: str) -> Any:
        if not any(association_id in acl._associations for acl in self.network_acls.values()):
            raise UnknownAssociationError(association_id)
        return real(self, association_id, network_acl_id)

    EC2Backend.replace_network_acl_association = replace


def a_role_is_taken_from_a_profile_once() -> None:
    """By itself: an error of its own."""
    real = IAMBackend.remove_role_from_instance_profile

    def remove(self: Any, profile_name: str, role_name: str) -> None:
        if self.get_role(role_name) not in self.get_instance_profile(profile_name).roles:
            raise NotFoundException(f"The role {role_name} is not in the instance profile {profile_name}.")
        real(self, profile_name, role_name)

    IAMBackend.remove_role_from_instance_profile = remove


def what_has_ended_may_be_ended_again() -> None:
    """By itself: an instance's disks are missed."""
    real = InstanceBackend.terminate_instances

    def end(self: Any, instance_ids: list[str]) -> Any:
        there = self.get_multi_instances_by_id(instance_ids)
        ended = [(one, one._state) for one in there if one.state == "terminated"]
        alive = [one.id for one in there if one.state != "terminated"]
        return [*ended, *(real(self, alive) if alive else [])]

    InstanceBackend.terminate_instances = end


def an_entry_is_removed_once() -> None:
    """By itself: an error of its own."""
    real = EC2Backend.delete_network_acl_entry

    def delete(self: Any, network_acl_id: str, rule_number: int, egress: bool) -> Any:
        rows = self.get_network_acl(network_acl_id).network_acl_entries
        if not any((row.egress, row.rule_number) == (egress, rule_number) for row in rows):
            raise UnknownEntryError(rule_number)
        return real(self, network_acl_id, rule_number, egress)

    EC2Backend.delete_network_acl_entry = delete


def one_endpoint_a_client_token() -> None:
    """By itself: the token means nothing (EC2 API reference, CreateVpcEndpoint: it ensures idempotency)."""
    real = EC2Backend.create_vpc_endpoint

    def create(self: Any, *args: Any, client_token: str | None = None, **kwargs: Any) -> Any:
        alive = [one for one in self.vpc_end_points.values() if one.state != "deleted"]
        there = next((one for one in alive if client_token and one.client_token == client_token), None)
        return there or real(self, *args, client_token=client_token, **kwargs)

    EC2Backend.create_vpc_endpoint = create


def an_endpoint_outlives_a_route_table() -> None:
    """By itself: one whose route table was deleted before it cannot be deleted any more."""
    real = EC2Backend.delete_vpc_endpoints

    def delete(self: Any, vpce_ids: list[str] | None = None) -> None:
        for one in filter(None, map(self.vpc_end_points.get, vpce_ids or [])):
            one.route_table_ids = [name for name in one.route_table_ids or [] if name in self.route_tables]
        real(self, vpce_ids)

    EC2Backend.delete_vpc_endpoints = delete
