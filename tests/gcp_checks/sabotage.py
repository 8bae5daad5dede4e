"""How each control of a Google Cloud project is broken: by a call where the fake models it, else in its row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.gcp.fake.world import NUMBER, PROJECT
from tests.gcp.making import DEBIAN
from tests.gcp_checks import project as p
from tests.gcp_checks.conftest import Cloud

COMPUTE = f"compute:projects/{PROJECT}"
REGIONAL, ZONAL = f"{COMPUTE}/regions/{p.REGION}", f"{COMPUTE}/zones/{p.ZONE}"
NETWORK = f"{COMPUTE}/global/networks/{p.PREFIX}-main"
SUBNET = f"{REGIONAL}/subnetworks/{p.PREFIX}-main"
MACHINE = f"{ZONAL}/instances/{p.PREFIX}-1"
DISK = f"{ZONAL}/disks/{p.PREFIX}-root"
SNAPSHOT = f"{COMPUTE}/global/snapshots/{p.PREFIX}-root-1"
ACCOUNT = f"serviceAccount:{p.ACCOUNT}"
ACCOUNT_URL = f"iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts/{p.ACCOUNT}"
Break = Callable[[Cloud], object]


def _set(row: str, **fields: Any) -> Break:
    return lambda cloud: cloud.row(row).update(fields)


def _patch(url: str, body: Any) -> Break:
    return lambda _: p.call("PATCH", url, body)


def _rule(name: str, **body: Any) -> Break:
    return lambda _: p.rule(name, **body)


def _unshield(switch: str) -> Break:
    return lambda cloud: cloud.row(MACHINE)["shieldedInstanceConfig"].update({switch: False})


def _metadata(key: str, value: str | None) -> Break:
    def break_it(cloud: Cloud) -> None:
        items = [one for one in cloud.row(MACHINE)["metadata"]["items"] if one["key"] != key]
        cloud.row(MACHINE)["metadata"]["items"] = [*items, *([{"key": key, "value": value}] if value else [])]

    return break_it


def _project_metadata(key: str, value: str) -> Break:
    def break_it(_: Cloud) -> None:
        said = p.call("GET", p.COMPUTE)["commonInstanceMetadata"]
        made = {"fingerprint": said["fingerprint"], "items": [{"key": key, "value": value}]}
        p.call("POST", f"{p.COMPUTE}/setCommonInstanceMetadata", made)

    return break_it


def _project_role(role: str, member: str) -> Break:
    return lambda _: p.policy(p.PROJECT_URL, {role: [member]})


def _public_address(cloud: Cloud) -> None:
    cloud.row(MACHINE)["networkInterfaces"][0]["accessConfigs"] = [{"type": "ONE_TO_ONE_NAT", "natIP": "203.0.113.9"}]


def _default_account(cloud: Cloud) -> None:
    email = f"{NUMBER}-compute@developer.gserviceaccount.com"
    p.machine("other", p.disk("other", sourceImage=DEBIAN, **p.hardened()), serviceAccounts=[{"email": email}])


def _foreign_image(_: Cloud) -> None:
    image = "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64"
    p.machine("other", p.disk("other", sourceImage=image, **p.hardened()))


def _account_key(age: str) -> Break:
    """Keys of accounts are not modelled: the answer of the fake is stood in for by the test (`test_controls.py`)."""
    return lambda cloud: cloud.world.rows.update({f"iam-key:{p.ACCOUNT}": {"name": "keys/1", "validAfterTime": age}})


def _bucket(**fields: Any) -> Break:
    return _patch(f"{p.STORAGE}/{p.BACKUP}", fields)


def _more_buckets(lock: bool, **fields: Any) -> Break:
    return lambda _: p.make_bucket(p.bucket(f"{p.PREFIX}-more", 35, **fields), lock=lock)


def _public_bucket(cloud: Cloud) -> None:
    """What was given before prevention was enforced is still there."""
    cloud.world.policies[f"storage:{p.BACKUP}"]["bindings"].append(
        {"role": "roles/storage.objectViewer", "members": ["allUsers"]}
    )


def _audit(change: Callable[[list[dict[str, Any]]], object]) -> Break:
    def break_it(cloud: Cloud) -> None:
        change(cloud.world.policies[f"project:{PROJECT}"]["auditConfigs"][0]["auditLogConfigs"])

    return break_it


def _sink(**fields: Any) -> Break:
    return _set(f"logging:projects/{PROJECT}/sinks/{p.PREFIX}", **fields)


def _silence(what: str) -> Break:
    def break_it(_: Cloud) -> None:
        rows = p.call("GET", f"{p.MONITORING}/alertPolicies")["alertPolicies"]
        name = next(row["name"] for row in rows if row["displayName"] == what)
        p.call("PATCH", f"monitoring.googleapis.com/v3/{name}?updateMask=enabled", {"enabled": False})

    return break_it


def _key(mask: str, **fields: Any) -> Break:
    return _patch(f"{p.KMS}/{p.KEY}?updateMask={mask}", fields)


def _plain_snapshot(cloud: Cloud) -> None:
    cloud.row(SNAPSHOT).pop("snapshotEncryptionKey")


def _mute(rule: str) -> Break:
    return _set(f"{COMPUTE}/global/firewalls/{p.PREFIX}-{rule}", logConfig={"enable": False})


def _drop_writer(cloud: Cloud) -> None:
    cloud.world.policies[f"storage:{p.RECORDS}"]["bindings"].pop()


def _nat(cloud: Cloud) -> None:
    cloud.row(f"{REGIONAL}/routers/{p.PREFIX}-main")["nats"][0]["logConfig"] = {"enable": False}


def _subnet_logs(**fields: Any) -> Break:
    return lambda cloud: cloud.row(SUBNET)["logConfig"].update(fields)


def _unsigned(cloud: Cloud) -> None:
    cloud.row("dns:zones/acme")["dnssecConfig"] = {"state": "off"}


def _other_schedule(cloud: Cloud) -> None:
    p.schedule("short", 7)
    link = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/regions/{p.REGION}/resourcePolicies/short"
    cloud.row(DISK)["resourcePolicies"] = [link]


GLOBAL = f"{p.COMPUTE}/global"
FRONT = f"{p.PREFIX}-front"


def _front(collection: str, **fields: Any) -> Break:
    """Change a part of the load balancer, by its fingerprint."""

    def break_it(_: Cloud) -> None:
        url = f"{GLOBAL}/{collection}/{FRONT}"
        seen = p.call("GET", url)
        print_ = {"fingerprint": seen["fingerprint"]} if "fingerprint" in seen else {}
        p.call("PATCH", url, {"name": FRONT, **print_, **fields})

    return break_it


def _in_clear(_: Cloud) -> None:
    p.call("POST", f"{GLOBAL}/targetHttpProxies", {"name": "clear", "urlMap": p.everywhere("urlMaps")})
    p.listen("clear", "80", p.everywhere("targetHttpProxies", "clear"))


def _rule_of_armor(priority: int, **fields: Any) -> Break:
    url = f"{GLOBAL}/securityPolicies/{FRONT}/patchRule?priority={priority}"
    return lambda _: p.call("POST", url, fields)


def _friend(_: Cloud) -> None:
    match = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["203.0.113.9/32"]}}
    p.call("POST", f"{GLOBAL}/securityPolicies/{FRONT}/addRule", p.armed(10, "allow", **match))


BREAK: dict[str, Break] = {
    "gcp.balancer-not-in-clear": _in_clear,
    "gcp.balancer-tls": _front("sslPolicies", profile="COMPATIBLE"),
    "gcp.balancer-certificate": _set(
        f"{COMPUTE}/global/sslCertificates/{FRONT}", managed={"domains": ["acme.example"], "status": "ACTIVE"}
    ),
    "gcp.balancer-asks-by-tls": _front("backendServices", protocol="HTTP", tlsSettings=None),
    "gcp.balancer-shows-clients": _front("urlMaps", headerAction=None),
    "gcp.balancer-keeps-nothing": _front("backendServices", enableCDN=True),
    "gcp.balancer-logged": _front("backendServices", logConfig={"enable": True, "sampleRate": 0.1}),
    "gcp.armor-in-front": lambda _: p.call("POST", f"{GLOBAL}/backendServices/{FRONT}/setSecurityPolicy", {}),
    "gcp.armor-refuses": _rule_of_armor(1000, preview=True),
    "gcp.armor-clients-as-declared": _rule_of_armor(2147483647, action="allow"),
    "gcp.armor-limits": _friend,
    "gcp.armor-logs-no-content": _front("securityPolicies", advancedOptionsConfig={"logLevel": "VERBOSE"}),
    "gcp.no-default-network": lambda _: p.call(
        "POST", f"{p.COMPUTE}/global/networks", {"name": "default", "autoCreateSubnetworks": False}
    ),
    "gcp.network-custom": _set(NETWORK, autoCreateSubnetworks=True),
    "gcp.no-peering": _set(NETWORK, peerings=[{"name": "elsewhere", "state": "ACTIVE"}]),
    "gcp.flow-logs-on": _subnet_logs(enable=False),
    "gcp.flow-logs-whole": _subnet_logs(flowSampling=0.5),
    "gcp.private-access": _set(SUBNET, privateIpGoogleAccess=False),
    "gcp.closed-to-the-world": _rule("quick", allowed=p.tcp("5432"), sourceRanges=["0.0.0.0/0"]),
    "gcp.ingress-as-declared": _rule("quick", allowed=p.tcp("8443"), sourceRanges=["198.51.100.0/24"]),
    "gcp.ssh-through-proxy": _rule("quick", allowed=p.tcp("22"), sourceRanges=["198.51.100.0/24"]),
    "gcp.ingress-denied-aloud": _mute("in-deny"),
    "gcp.egress-denied-aloud": _mute("out-deny"),
    "gcp.egress-as-declared": _rule("quick", direction="EGRESS", allowed=p.tcp("25"), destinationRanges=["0.0.0.0/0"]),
    "gcp.egress-by-port": _rule(
        "quick", direction="EGRESS", allowed=[{"IPProtocol": "tcp"}], destinationRanges=["0.0.0.0/0"]
    ),
    "gcp.ways-in-logged": _mute("in-web"),
    "gcp.nat-logged": _nat,
    "gcp.machines-not-public": _public_address,
    "gcp.secure-boot": _unshield("enableSecureBoot"),
    "gcp.vtpm": _unshield("enableVtpm"),
    "gcp.integrity-watched": _unshield("enableIntegrityMonitoring"),
    "gcp.deletion-protected": lambda _: p.call(
        "POST",
        f"{p.COMPUTE}/zones/{p.ZONE}/instances/{p.PREFIX}-1/setDeletionProtection?deletionProtection=false",
    ),
    "gcp.no-forwarding": _set(MACHINE, canIpForward=True),
    "gcp.serial-port-off": _metadata("serial-port-enable", "1"),
    "gcp.project-keys-blocked": _metadata("block-project-ssh-keys", "FALSE"),
    "gcp.login-one-way": _metadata("enable-oslogin", None),
    "gcp.keys-of-installer-alone": _metadata("ssh-keys", "hedgerow:ssh-ed25519 AAAA\neve:ssh-ed25519 BBBB"),
    "gcp.scripts-of-installer-alone": _project_metadata("shutdown-script", "#!/bin/sh\ntouch /eve\n"),
    "gcp.no-project-keys": _project_metadata("ssh-keys", "everybody:ssh-ed25519 AAAA"),
    "gcp.machines-own-account": _default_account,
    "gcp.account-least-roles": _project_role("roles/storage.admin", ACCOUNT),
    "gcp.account-without-keys": _account_key("2099-01-01T00:00:00Z"),
    "gcp.account-nobody-s-else": lambda _: p.call(
        "POST",
        f"{ACCOUNT_URL}:setIamPolicy",
        {
            "policy": {
                "bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": ["user:j@acme.example"]}]
            }
        },
    ),
    "gcp.image-of-its-publisher": _foreign_image,
    "gcp.disks-own-key": lambda _: p.disk("plain", resourcePolicies=p.hardened()["resourcePolicies"]),
    "gcp.keys-rotate": _key("rotationPeriod", rotationPeriod=f"{365 * p.DAY}s"),
    "gcp.keys-not-public": lambda _: p.policy(f"{p.KMS}/{p.RING}", {"roles/cloudkms.publicKeyViewer": ["allUsers"]}),
    "gcp.keys-duties-apart": _project_role("roles/cloudkms.admin", p.AGENTS[0]),
    "gcp.keys-stay": lambda _: p.call("POST", f"{p.KMS}/{p.KEY}/cryptoKeyVersions/1:destroy", {}),
    "gcp.keys-end-late": _set(f"cloudkms:{p.KEY}", destroyScheduledDuration=f"{p.DAY}s"),
    "gcp.buckets-uniform": _more_buckets(lock=True, iamConfiguration={"publicAccessPrevention": "enforced"}),
    "gcp.buckets-never-public": _bucket(iamConfiguration={"publicAccessPrevention": "inherited"}),
    "gcp.buckets-not-public": _public_bucket,
    "gcp.buckets-versioned": _bucket(versioning={"enabled": False}),
    "gcp.buckets-kept": _more_buckets(lock=True, retentionPolicy={"retentionPeriod": str(p.DAY)}),
    "gcp.buckets-locked": _more_buckets(lock=False),
    "gcp.buckets-own-key": _more_buckets(lock=True, encryption={}),
    "gcp.buckets-in-region": _set(f"storage:{p.BACKUP}", location="US"),
    "gcp.audit-data-access": _audit(lambda kinds: kinds.pop()),
    "gcp.audit-nobody-exempt": _audit(lambda kinds: kinds[0].update(exemptedMembers=["user:jane@acme.example"])),
    "gcp.records-leave": _sink(filter="severity>=ERROR"),
    "gcp.records-arrive": _drop_writer,
    "gcp.records-whole": _sink(exclusions=[{"name": "noise", "filter": "severity<ERROR"}]),
    "gcp.logs-not-dropped": lambda _: p.call("POST", f"{p.LOGGING}/exclusions", {"name": "noise", "filter": "a=b"}),
    "gcp.logs-kept": _patch(
        f"{p.LOGGING}/locations/global/buckets/_Default?updateMask=retentionDays", {"retentionDays": 30}
    ),
    "gcp.dns-logged": _patch(f"{p.DNS}/policies/{p.PREFIX}", {"enableLogging": False}),
    "gcp.dns-signed": _unsigned,
    "gcp.alert-roles": _silence("roles"),
    "gcp.alert-network": _silence("network"),
    "gcp.alert-keys": _silence("keys"),
    "gcp.alert-records": _silence("records"),
    "gcp.snapshots-planned": _set(DISK, resourcePolicies=[]),
    "gcp.snapshots-kept": _other_schedule,
    "gcp.snapshots-own-key": _plain_snapshot,
    "gcp.snapshots-not-shared": lambda _: p.call(
        "POST",
        f"{p.COMPUTE}/global/snapshots/{p.PREFIX}-root-1/setIamPolicy",
        {"policy": {"bindings": [{"role": "roles/compute.storageAdmin", "members": ["allAuthenticatedUsers"]}]}},
    ),
    "gcp.project-not-public": _project_role("roles/browser", "allUsers"),
    "gcp.no-account-owns-the-project": _project_role(
        "roles/editor", f"serviceAccount:{NUMBER}-compute@developer.gserviceaccount.com"
    ),
    "gcp.account-keys-renewed": _account_key("2020-01-01T00:00:00Z"),
}

ALSO: dict[str, set[str]] = {
    # Whoever is let in by default is let in without a limit.
    "gcp.armor-clients-as-declared": {"gcp.armor-limits"},
    # What is open to the world without being declared is also somebody who is not.
    "gcp.closed-to-the-world": {"gcp.ingress-as-declared"},
    # Who comes in by SSH without the proxy is not declared either.
    "gcp.ssh-through-proxy": {"gcp.ingress-as-declared"},
    # What goes out on any port goes out on one that is not declared.
    "gcp.egress-by-port": {"gcp.egress-as-declared"},
    # An old key of a machine's account is a key of it.
    "gcp.account-keys-renewed": {"gcp.account-without-keys"},
}
