"""What moto 5.2 does not say of a load balancer by itself, or lets happen to one."""

from __future__ import annotations

from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend
from moto.elbv2 import models
from moto.elbv2.exceptions import DuplicateLoadBalancerName, ELBClientError
from moto.elbv2.models import ELBv2Backend, elbv2_backends


class ProtectedError(ELBClientError):
    """What AWS answers to whoever deletes a balancer that is protected."""

    code = "OperationNotPermitted"


class InUseError(EC2ClientError):
    """What EC2 answers to whoever takes away what a balancer stands on."""


def close() -> None:
    """Patch moto, before it serves."""
    one_balancer_a_name_with_its_addresses()
    protected_balancers_stay()
    what_a_balancer_stands_on_stays()


def one_balancer_a_name_with_its_addresses() -> None:
    """By itself: a second one of the same name is made, each of the kind "app", and the addresses are forgotten."""
    real, zone = ELBv2Backend.create_load_balancer, models.AvailabilityZone.__init__
    real_arn = models.make_arn_for_load_balancer

    def create(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if any(one.name == name for one in self.load_balancers.values()):
            raise DuplicateLoadBalancerName
        kind = "net" if kwargs.get("loadbalancer_type") == "network" else "app"
        models.make_arn_for_load_balancer = lambda **known: real_arn(**known).replace("/app/", f"/{kind}/")
        made = real(self, name, *args, **kwargs)
        for mapping in kwargs.get("subnet_mappings") or []:
            subnet = self.ec2_backend.get_subnet(mapping["SubnetId"])
            subnet.__dict__.setdefault("balanced", []).append((made, mapping.get("AllocationId")))
        return made

    def shown(self: Any, subnet: Any) -> None:
        zone(self, subnet)
        self.load_balancer_addresses = [
            {"AllocationId": address} for _, address in subnet.__dict__.get("balanced", []) if address
        ]

    ELBv2Backend.create_load_balancer = create
    models.AvailabilityZone.__init__ = shown


def protected_balancers_stay() -> None:
    """By itself: a balancer that is protected is deleted."""
    real = ELBv2Backend.delete_load_balancer

    def delete(self: Any, arn: str) -> None:
        balancer = self.load_balancers.get(arn)
        if balancer is not None and balancer.attrs["deletion_protection.enabled"] == "true":
            raise ProtectedError(f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled")
        for subnet in balancer.subnets if balancer is not None else []:
            subnet.balanced = [row for row in subnet.__dict__.get("balanced", []) if row[0] is not balancer]
        real(self, arn)

    ELBv2Backend.delete_load_balancer = delete


def what_a_balancer_stands_on_stays() -> None:
    """By itself: its security group, its subnet and its address can be taken away under it."""
    group, subnet, address = EC2Backend.delete_security_group, EC2Backend.delete_subnet, EC2Backend.release_address

    def there(backend: Any) -> list[Any]:
        return list(elbv2_backends[backend.account_id][backend.region_name].load_balancers.values())

    def delete_group(self: Any, name: Any = None, group_id: Any = None) -> Any:
        if any(group_id in one.security_groups for one in there(self)):
            raise InUseError("DependencyViolation", f"resource {group_id} has a dependent object")
        return group(self, name, group_id)

    def delete_subnet(self: Any, subnet_id: str) -> Any:
        if any(subnet_id == each.id for one in there(self) for each in one.subnets):
            raise InUseError("DependencyViolation", f"The subnet '{subnet_id}' has dependencies.")
        return subnet(self, subnet_id)

    def release(self: Any, address_: Any = None, allocation_id: Any = None) -> Any:
        held = [held for one in there(self) for each in one.subnets for _, held in each.__dict__.get("balanced", [])]
        if allocation_id in held:
            raise InUseError("InvalidIPAddress.InUse", f"Address {allocation_id} is in use.")
        return address(self, address_, allocation_id)

    EC2Backend.delete_security_group = delete_group
    EC2Backend.delete_subnet = delete_subnet
    EC2Backend.release_address = release
