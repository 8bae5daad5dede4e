"""moto behind an HTTPS proxy, with the gaps closed on which a test of ours would stand.

Started as a process: `python -m tests.cloud.emulator PORT`, with a further word ADDRESS where a real machine waits that
plays the instance. Each closed gap says what moto 5.2 does by itself.
"""

from __future__ import annotations

import json
import sys
from http.server import ThreadingHTTPServer
from typing import Any

from moto import proxy
from moto.backup.models import BackupBackend
from moto.backup.responses import BackupResponse
from moto.cloudtrail.models import CloudTrailBackend
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, elastic_ip_addresses
from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.subnets import Subnet
from moto.ec2.responses import EC2Response
from moto.iam.models import AccountSummary
from moto.logs.responses import LogsResponse
from moto.moto_proxy.proxy3 import ProxyRequestHandler as Handler

from tests.cloud import balancing_gaps, reading_gaps, twice_gaps


class RefusedError(EC2ClientError):
    """One of EC2's own refusals."""


def close_gaps() -> None:
    """Patch moto, before it serves."""
    one_instance_a_client_token()
    termination_protection_from_the_start()
    keys_of_volumes_exist()
    a_replaced_profile_shows()
    groups_and_subnets_in_use_stay()
    endpoints_end_once()
    balancing_gaps.close()
    reading_gaps.close()
    twice_gaps.close()
    snapshots_can_be_blocked()
    backup_selections()
    deleted_plans_are_gone()
    plans_are_changed()
    keys_of_log_groups_change()
    trails_are_deleted_by_arn()
    root_has_a_second_factor()
    connections_stay_open()


def deleted_plans_are_gone() -> None:
    """By itself: the name of a deleted plan cannot be used again."""
    real = BackupBackend.delete_backup_plan

    def delete(self: Any, backup_plan_id: str) -> Any:
        answer = real(self, backup_plan_id)
        del self.plans[backup_plan_id]
        return answer

    BackupBackend.delete_backup_plan = delete


def plans_are_changed() -> None:
    """By itself: the operation is not there."""

    def update(self: Any) -> Any:
        plan = self.backup_backend.plans[self.path.rpartition("/")[2]]
        plan.backup_plan = json.loads(self.body)["BackupPlan"]
        return ActionResult({"BackupPlanId": plan.backup_plan_id})

    BackupResponse.update_backup_plan = update


def keys_of_log_groups_change() -> None:
    """By itself: the operations are not there."""

    def change(self: Any) -> Any:
        self.logs_backend.groups[self._get_param("logGroupName")].kms_key_id = self._get_param("kmsKeyId")
        return ActionResult({})

    LogsResponse.associate_kms_key = change
    LogsResponse.disassociate_kms_key = change


def root_has_a_second_factor() -> None:
    """By itself: it has none, and no call gives it one."""
    AccountSummary._account_mfa_enabled = property(lambda _self: 1, lambda *_: None)


def trails_are_deleted_by_arn() -> None:
    """By itself: an ARN is taken, and nothing deleted."""
    real = CloudTrailBackend.delete_trail

    def delete(self: Any, name: str) -> Any:
        return real(self, name.rpartition("/")[2])

    CloudTrailBackend.delete_trail = delete


def connections_stay_open() -> None:
    """By itself: each connection is closed without a word after one answer, which a client takes for a lost answer."""
    real_header, real_end, real_do = Handler.send_header, Handler.end_headers, Handler.do_GET

    def send_header(self: Any, name: str, value: Any) -> None:
        if name.lower() == "content-length":
            self.sized = True
        if name.lower() != "connection":
            real_header(self, name, value)

    def end_headers(self: Any) -> None:
        if self.command != "CONNECT" and not self.sized:
            real_header(self, "Connection", "close")
        real_end(self)

    def do(self: Any) -> None:
        self.sized = False
        real_do(self)
        self.close_connection = not self.sized

    Handler.send_header, Handler.end_headers, Handler.timeout = send_header, end_headers, 600
    for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{name}", do)


def one_instance_a_client_token() -> None:
    """By itself: the token is ignored, and the same call makes a second instance."""
    real = EC2Response.run_instances

    def run(self: Any) -> Any:
        token = self._get_param("ClientToken")
        known = self.ec2_backend.__dict__.setdefault("tokens", {})
        if token not in known:
            known[token] = real(self)
        return known[token]

    EC2Response.run_instances = run


def termination_protection_from_the_start() -> None:
    """By itself: DisableApiTermination at launch is forgotten."""
    real = InstanceBackend.run_instances

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = real(self, *args, **kwargs)
        for instance in made.instances:
            instance.disable_api_termination = True
        return made

    InstanceBackend.run_instances = run


def keys_of_volumes_exist() -> None:
    """By itself: a volume is encrypted with a key that there is not."""
    real = EC2Backend.create_volume

    def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        from moto.kms.models import kms_backends  # noqa: PLC0415 (once moto has begun to serve)

        key = kwargs.get("kms_key_id")
        if key and key.rpartition("/")[2] not in kms_backends[self.account_id][self.region_name].keys:
            raise RefusedError("InvalidKmsKey.NotFound", f"The key {key} does not exist.")
        return real(self, *args, **kwargs)

    EC2Backend.create_volume = create


def a_replaced_profile_shows() -> None:
    """By itself: an instance goes on showing the profile that it was started with."""
    real = EC2Backend.replace_iam_instance_profile_association

    def replace(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = real(self, *args, **kwargs)
        self.modify_instance_attribute(made.instance.id, "iam_instance_profile", made.iam_instance_profile)
        return made

    EC2Backend.replace_iam_instance_profile_association = replace


def groups_and_subnets_in_use_stay() -> None:
    """By itself: what an instance stands on can be deleted under it."""
    group, subnet = EC2Backend.delete_security_group, EC2Backend.delete_subnet

    def alive(backend: Any) -> list[Any]:
        return [one for one in backend.all_instances() if one._state.name not in ("terminated", "shutting-down")]

    def delete_group(self: Any, name: Any = None, group_id: Any = None) -> Any:
        if any(group_id in [one.id for one in instance.security_groups] for instance in alive(self)):
            raise RefusedError("DependencyViolation", f"resource {group_id} has a dependent object")
        return group(self, name, group_id)

    def delete_subnet(self: Any, subnet_id: str) -> Any:
        if any(instance.subnet_id == subnet_id for instance in alive(self)):
            raise RefusedError("DependencyViolation", f"The subnet '{subnet_id}' has dependencies.")
        return subnet(self, subnet_id)

    EC2Backend.delete_security_group = delete_group
    EC2Backend.delete_subnet = delete_subnet


def endpoints_end_once() -> None:
    """By itself: one that is gone already is deleted anew, and its routes are missed."""
    real = EC2Backend.delete_vpc_endpoints

    def delete(self: Any, vpce_ids: list[str] | None = None) -> None:
        there = [one for one in vpce_ids or [] if self.vpc_end_points[one].state != "deleted"]
        real(self, there)

    EC2Backend.delete_vpc_endpoints = delete


def snapshots_can_be_blocked() -> None:
    """By itself: the operations are not there."""

    def enable(self: Any) -> Any:
        self.ec2_backend.snapshot_block = self._get_param("State")
        return ActionResult({"State": self.ec2_backend.snapshot_block})

    def get(self: Any) -> Any:
        return ActionResult({"State": self.ec2_backend.__dict__.get("snapshot_block", "unblocked")})

    EC2Response.enable_snapshot_block_public_access = enable
    EC2Response.get_snapshot_block_public_access_state = get


def backup_selections() -> None:
    """By itself: the operations are not there."""

    def kept(self: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.backup_backend.__dict__.setdefault("selections", {})
        return found

    def create(self: Any) -> Any:
        plan = self.path.split("/")[3]
        given = json.loads(self.body)["BackupSelection"]
        name = f"selection-{len(kept(self)) + 1}"
        kept(self)[name] = {"SelectionId": name, "BackupPlanId": plan, "BackupSelection": given}
        return ActionResult({"SelectionId": name, "BackupPlanId": plan})

    def list_(self: Any) -> Any:
        plan = self.path.split("/")[3]
        rows = [one for one in kept(self).values() if one["BackupPlanId"] == plan]
        return ActionResult({"BackupSelectionsList": [{**one, **one["BackupSelection"]} for one in rows]})

    def get(self: Any) -> Any:
        return ActionResult(kept(self)[self.path.rstrip("/").rpartition("/")[2]])

    def delete(self: Any) -> Any:
        kept(self).pop(self.path.rstrip("/").rpartition("/")[2], None)
        return ActionResult({})

    BackupResponse.create_backup_selection = create
    BackupResponse.list_backup_selections = list_
    BackupResponse.get_backup_selection = get
    BackupResponse.delete_backup_selection = delete
    from moto.backup import urls  # noqa: PLC0415

    urls.url_paths["{0}/backup/plans/(?P<plan>[^/]+)/selections/?$"] = BackupResponse.dispatch
    urls.url_paths["{0}/backup/plans/(?P<plan>[^/]+)/selections/(?P<selection>[^/]+)/?$"] = BackupResponse.dispatch


def a_machine_waits_at(address: str) -> None:
    """By itself: addresses are taken from the subnet, and public ones from nowhere. Here both are the machine's own."""
    Subnet.get_available_subnet_ip = lambda _self, _instance=None, **_: address
    elastic_ip_addresses.random_ip = lambda: address


if __name__ == "__main__":
    close_gaps()
    for waiting in sys.argv[2:]:
        a_machine_waits_at(waiting)
    # By itself: five connections wait at most, and a sixth that comes at the same time is lost.
    ThreadingHTTPServer.request_queue_size = 128
    proxy.main(["-H", "127.0.0.1", "-p", sys.argv[1]])
