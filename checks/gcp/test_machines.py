"""The machines as Google has them: how they start, who they are, and who else may come in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from checks.gcp.found import (
    Row,
    accounts,
    bindings,
    by_name,
    disks,
    instances,
    judge,
    last,
    metadata,
    open_to_everybody,
    ours,
    says_yes,
)
from checks.judging import is_empty, is_true
from hedgerow.checking import NotExercised

INSTALLER = "hedgerow"
"""The account that the installer comes in with."""
SCRIPTS = tuple((f"{when}-script", f"{when}-script-url") for when in ("startup", "shutdown"))
"""What Google's agent runs, by kind: https://github.com/GoogleCloudPlatform/guest-agent, Metadata Scripts."""
WIDE = {
    *("roles/owner", "roles/editor", "roles/viewer", "roles/compute.admin", "roles/storage.admin"),
    *("roles/iam.securityAdmin", "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser"),
    *("roles/resourcemanager.projectIamAdmin", "roles/cloudkms.admin", "roles/logging.admin"),
}
"""Roles that make their holder more than the machine it runs on."""


@pytest.mark.control("gcp.machines-not-public")
def test_no_machine_has_a_public_address(gcp, finding):
    finding.expect("no machine has an external address")
    seen = by_name(
        instances(gcp),
        lambda row: [
            one.get("natIP") or one.get("externalIpv6") or one.get("type", "?")
            for card in row.get("networkInterfaces", [])
            for one in (*card.get("accessConfigs", []), *card.get("ipv6AccessConfigs", []))
        ],
    )
    if gcp.sheet.public:
        raise NotExercised("the declaration makes the machines public")
    judge(gcp, finding, seen, is_empty, "machine")


def _shield(gcp, switch: str) -> dict[str, Any]:
    return by_name(instances(gcp), lambda row: row.get("shieldedInstanceConfig", {}).get(switch))


@pytest.mark.control("gcp.secure-boot")
def test_only_a_signed_kernel_starts(gcp, finding):
    finding.expect("secure boot on")
    judge(gcp, finding, _shield(gcp, "enableSecureBoot"), is_true, "machine")


@pytest.mark.control("gcp.vtpm")
def test_what_starts_is_measured(gcp, finding):
    finding.expect("the virtual TPM on")
    judge(gcp, finding, _shield(gcp, "enableVtpm"), is_true, "machine")


@pytest.mark.control("gcp.integrity-watched")
def test_a_start_that_differs_is_noticed(gcp, finding):
    finding.expect("integrity monitoring on")
    judge(gcp, finding, _shield(gcp, "enableIntegrityMonitoring"), is_true, "machine")


@pytest.mark.control("gcp.deletion-protected")
def test_no_machine_is_deleted_by_a_slip(gcp, finding):
    finding.expect("deletion protection on")
    judge(gcp, finding, by_name(instances(gcp), lambda row: row.get("deletionProtection")), is_true, "machine")


@pytest.mark.control("gcp.no-forwarding")
def test_no_machine_sends_as_another(gcp, finding):
    finding.expect("IP forwarding off")
    judge(gcp, finding, by_name(instances(gcp), lambda row: row.get("canIpForward", False)), is_empty, "machine")


def _switch(gcp, key: str) -> dict[str, bool]:
    """What holds for each machine: its own metadata, and where that says nothing the project's."""
    common = metadata(gcp.ask("compute.projects.get").get("commonInstanceMetadata", {}))
    return by_name(instances(gcp), lambda row: says_yes({**common, **metadata(row.get("metadata", {}))}.get(key)))


@pytest.mark.control("gcp.serial-port-off")
def test_the_serial_console_lets_nobody_in(gcp, finding):
    """It knows no firewall: https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-using-serial-console."""
    finding.expect("serial-port-enable off")
    judge(gcp, finding, _switch(gcp, "serial-port-enable"), is_empty, "machine")


@pytest.mark.control("gcp.project-keys-blocked")
def test_a_key_of_the_project_opens_no_machine(gcp, finding):
    """With OS Login keys in metadata count for nothing: https://cloud.google.com/compute/docs/oslogin."""
    finding.expect("block-project-ssh-keys on, or OS Login")
    blocked, login = _switch(gcp, "block-project-ssh-keys"), _switch(gcp, "enable-oslogin")
    judge(gcp, finding, {name: on or login[name] for name, on in blocked.items()}, is_true, "machine")


@pytest.mark.control("gcp.login-one-way")
def test_people_come_in_by_one_way(gcp, finding):
    """A machine that takes keys from metadata and says nothing of OS Login loses them when the project turns it on; one
    with OS Login asks for a second factor too (https://cloud.google.com/compute/docs/oslogin/set-up-oslogin)."""
    finding.expect("OS Login off by the machine's own word, or on with a second factor")
    login, factor = _switch(gcp, "enable-oslogin"), _switch(gcp, "enable-oslogin-2fa")
    said = by_name(instances(gcp), lambda row: metadata(row.get("metadata", {})).get("enable-oslogin"))
    seen = {name: factor[name] if login[name] else said[name] is not None for name in login}
    judge(gcp, finding, seen, is_true, "machine")


@pytest.mark.control("gcp.keys-of-installer-alone")
def test_one_key_of_one_account_opens_a_machine(gcp, finding):
    """Google's agent makes an account for whoever has a key here: https://github.com/GoogleCloudPlatform/guest-agent."""
    finding.expect(f"one SSH key at most in a machine's metadata, of {INSTALLER}'s")

    def strangers(row: Row) -> list[str]:
        said = metadata(row.get("metadata", {}))
        lines = [line for key in ("ssh-keys", "sshKeys") for line in said.get(key, "").splitlines() if line.strip()]
        users = [line.partition(":")[0].strip() for line in lines]
        first = users.index(INSTALLER) if INSTALLER in users else len(users)
        return users[:first] + users[first + 1 :]

    judge(gcp, finding, by_name(instances(gcp), strangers), is_empty, "machine")


@pytest.mark.control("gcp.scripts-of-installer-alone")
def test_nothing_else_is_run_from_metadata(gcp, finding):
    """What is run is root: the machine's scripts of a kind, or where it has none the project's."""
    finding.expect("no script in metadata but those that the installer puts there")
    common = metadata(gcp.ask("compute.projects.get").get("commonInstanceMetadata", {}))

    def strangers(row: Row) -> list[str]:
        own = metadata(row.get("metadata", {}))
        run = {key: own[key] for key in ("user-data",) if own.get(key)}
        for kind in SCRIPTS:
            found = [{key: said[key] for key in kind if said.get(key)} for said in (own, common)]
            run |= found[0] or found[1]
        return [key for key, text in run.items() if hashlib.sha256(text.encode()).hexdigest() not in gcp.sheet.scripts]

    judge(gcp, finding, by_name(instances(gcp), strangers), is_empty, "machine")


@pytest.mark.control("gcp.no-project-keys")
def test_the_project_hands_out_no_key(gcp, finding):
    finding.expect("no SSH keys in the project's metadata")
    common = metadata(gcp.ask("compute.projects.get").get("commonInstanceMetadata", {}))
    finding.observe(", ".join(sorted(common)) or "no metadata")
    found = sorted({"ssh-keys", "sshKeys"} & {key for key, value in common.items() if value.strip()})
    assert not found, f"the project's metadata has {', '.join(found)}"


@pytest.mark.control("gcp.machines-own-account")
def test_no_machine_is_the_project_s_default_account(gcp, finding):
    """Google makes that account an editor of the project where no organisation forbids it: https://cloud.google.com/iam/docs/service-account-types#default."""
    finding.expect("an account of its own, not Compute Engine's default one")
    seen = by_name(instances(gcp), lambda row: [one["email"] for one in row.get("serviceAccounts", [])])

    def own(emails: list[str]) -> bool:
        return bool(emails) and not any(one.endswith("-compute@developer.gserviceaccount.com") for one in emails)

    judge(gcp, finding, seen, own, "machine")


def _roles(gcp, of: Callable[[str], bool]) -> list[str]:
    policy = gcp.ask("resourcemanager.projects.getIamPolicy")
    return sorted({role for role, members in bindings(policy) for who in members if of(who)})


@pytest.mark.control("gcp.account-least-roles")
def test_whoever_takes_over_a_machine_does_not_get_the_project(gcp, finding):
    finding.expect("no role over the project that is wider than a machine needs")
    seen = {
        email: [role for role in _roles(gcp, f"serviceAccount:{email}".__eq__) if role in WIDE]
        for email in accounts(gcp)
    }
    judge(gcp, finding, seen, is_empty, "account of a machine")


@pytest.mark.control("gcp.account-without-keys")
def test_nobody_carries_a_machine_s_identity_away(gcp, finding):
    finding.expect("no key that somebody made for a machine's account")
    seen = {
        email: [last(row["name"]) for row in gcp.every("iam.serviceAccountKeys.list", email)]
        for email in _of_the_project(gcp)
    }
    judge(gcp, finding, seen, is_empty, "account of a machine")


@pytest.mark.control("gcp.account-nobody-s-else")
def test_nobody_acts_as_a_machine_for_the_asking(gcp, finding):
    finding.expect("nobody may act as the machine's account by its own policy but who is named, and none makes tokens")
    seen = {}
    for email in _of_the_project(gcp):
        policy = gcp.ask("iam.serviceAccounts.getIamPolicy", email)
        makers = [role for role, _ in bindings(policy) if role == "roles/iam.serviceAccountTokenCreator"]
        seen[email] = open_to_everybody(policy) + makers
    judge(gcp, finding, seen, is_empty, "account of a machine")


def _of_the_project(gcp) -> list[str]:
    known = {row["email"] for row in gcp.every("iam.serviceAccounts.list")}
    return sorted(accounts(gcp) & known)


@pytest.mark.control("gcp.image-of-its-publisher")
def test_every_machine_starts_from_its_distribution_s_own_image(gcp, finding):
    finding.expect(f"an image of {', '.join(gcp.sheet.image_projects)}")
    first = {last(one["source"]) for row in instances(gcp) for one in row.get("disks", []) if one.get("boot")}
    seen = {row["name"]: _publisher(row.get("sourceImage", "")) for row in disks(gcp) if row["name"] in first}
    judge(gcp, finding, seen, lambda said: said in gcp.sheet.image_projects, "boot disk")


def _publisher(image: str) -> str:
    return image.partition("/projects/")[2].partition("/")[0] or "none"


@pytest.mark.control("gcp.disks-own-key")
def test_every_disk_is_under_our_key(gcp, finding):
    finding.expect("each disk under a key of the deployment's")
    seen = by_name(disks(gcp), lambda row: ours(gcp, row.get("diskEncryptionKey", {}).get("kmsKeyName")))
    judge(gcp, finding, seen, is_true, "disk")
