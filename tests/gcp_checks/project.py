"""A hardened project, made by calls of Google's APIs: the checks pass on it, whatever provisions the real one."""

from __future__ import annotations

from typing import Any

from tests.gcp.fake.world import NUMBER, PROJECT
from tests.gcp.making import DEBIAN, ask

NAME, REGION, ZONE = "acme", "us-central1", "us-central1-a"
PREFIX = f"hedgerow-{NAME}"
LABELS = {"hedgerow-deployment": NAME}
COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}"
KMS = "cloudkms.googleapis.com/v1"
RING = f"projects/{PROJECT}/locations/{REGION}/keyRings/{PREFIX}"
KEY = f"{RING}/cryptoKeys/data"
ACCOUNT = f"{PREFIX}@{PROJECT}.iam.gserviceaccount.com"
STORAGE = "storage.googleapis.com/storage/v1/b"
BACKUP, RECORDS = f"{PREFIX}-backup", f"{PREFIX}-records"
LOGGING = f"logging.googleapis.com/v2/projects/{PROJECT}"
MONITORING = f"monitoring.googleapis.com/v3/projects/{PROJECT}"
DNS = f"dns.googleapis.com/dns/v1/projects/{PROJECT}"
PROJECT_URL = f"cloudresourcemanager.googleapis.com/v3/projects/{PROJECT}"
NETWORK = f"projects/{PROJECT}/global/networks/{PREFIX}-main"
DAY = 86400
AGENTS = [
    f"serviceAccount:service-{NUMBER}@compute-system.iam.gserviceaccount.com",
    f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
]
LOUD = {"enable": True, "metadata": "INCLUDE_ALL_METADATA"}
SAID = {
    "roles": 'protoPayload.methodName="SetIamPolicy"',
    "network": 'protoPayload.methodName=~"compute.firewalls.*"',
    "keys": 'protoPayload.methodName="DestroyCryptoKeyVersion"',
    "records": 'protoPayload.methodName="google.logging.v2.ConfigServiceV2.DeleteSink"',
}


def call(verb: str, url: str, body: Any = None) -> Any:
    """Ask, wait for what it starts, and return the answer; anything but a success is a mistake of the test's."""
    status, said = ask(verb, url, body)
    assert status == 200, (verb, url, said)
    if str((said or {}).get("kind", "")) == "compute#operation":
        where = said["selfLink"].removeprefix("https://").replace("www.googleapis.com", "compute.googleapis.com")
        for _ in range(20):
            said = call_once(where)
            if said["status"] == "DONE":
                break
        assert said["status"] == "DONE", said
        assert "error" not in said, said
    return said


def call_once(url: str) -> Any:
    """Ask for what there is."""
    status, said = ask("GET", url)
    assert status == 200, (url, said)
    return said


def build() -> None:
    """Build the whole project."""
    for part in (_keys, _network, _machine, _front, _buckets, _records, _alerts, _names):
        part()


def _keys() -> None:
    call("GET", f"storage.googleapis.com/storage/v1/projects/{PROJECT}/serviceAccount")
    call("POST", f"{KMS}/{RING.rpartition('/')[0]}?keyRingId={PREFIX}", {})
    body = {
        "purpose": "ENCRYPT_DECRYPT",
        "rotationPeriod": f"{90 * DAY}s",
        "nextRotationTime": "2099-01-01T00:00:00Z",
        "labels": LABELS,
    }
    call("POST", f"{KMS}/{RING}/cryptoKeys?cryptoKeyId=data", body)
    policy(KMS + "/" + KEY, {"roles/cloudkms.cryptoKeyEncrypterDecrypter": AGENTS})


def policy(url: str, roles: dict[str, list[str]], **more: Any) -> None:
    """Give these roles beside what is there."""
    verb = "POST" if url == PROJECT_URL else "GET"
    said = call(verb, f"{url}:getIamPolicy", {} if verb == "POST" else None)
    bindings = [*said.get("bindings", []), *({"role": role, "members": who} for role, who in roles.items())]
    mask = {"updateMask": "bindings,auditConfigs"} if more else {}
    call("POST", f"{url}:setIamPolicy", {"policy": {"etag": said["etag"], "bindings": bindings, **more}, **mask})


def bucket_policy(name: str, role: str, member: str) -> None:
    """Give somebody a role on a bucket."""
    said = call("GET", f"{STORAGE}/{name}/iam")
    said["bindings"] = [*said.get("bindings", []), {"role": role, "members": [member]}]
    call("PUT", f"{STORAGE}/{name}/iam", said)


def rule(name: str, **body: Any) -> None:
    """Make a firewall rule."""
    made = {"name": f"{PREFIX}-{name}", "network": NETWORK, "direction": "INGRESS", "logConfig": LOUD, **body}
    call("POST", f"{COMPUTE}/global/firewalls", made)


def tcp(*ports: str) -> list[dict[str, Any]]:
    """Return what a rule lets through."""
    return [{"IPProtocol": "tcp", "ports": list(ports)}]


def _network() -> None:
    call("POST", f"{COMPUTE}/global/networks", {"name": f"{PREFIX}-main", "autoCreateSubnetworks": False})
    logs = {"enable": True, "flowSampling": 1.0, "metadata": "INCLUDE_ALL_METADATA"}
    subnet = {"name": f"{PREFIX}-main", "network": NETWORK, "ipCidrRange": "10.20.0.0/24"}
    subnet |= {"privateIpGoogleAccess": True, "logConfig": logs}
    call("POST", f"{COMPUTE}/regions/{REGION}/subnetworks", subnet)
    nat = {"name": "main", "natIpAllocateOption": "AUTO_ONLY"}
    nat |= {"sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}
    nat |= {"logConfig": {"enable": True, "filter": "ALL"}}
    router = {"name": f"{PREFIX}-main", "network": NETWORK, "nats": [nat]}
    call("POST", f"{COMPUTE}/regions/{REGION}/routers", router)
    rule("in-ssh", allowed=tcp("22"), sourceRanges=["35.235.240.0/20"])
    rule("in-web", allowed=tcp("443"), sourceRanges=["130.211.0.0/22", "35.191.0.0/16"])
    everything = [{"IPProtocol": "all"}]
    rule("in-deny", denied=everything, sourceRanges=["0.0.0.0/0"], priority=65534)
    rule("out-web", direction="EGRESS", allowed=tcp("80", "443"), destinationRanges=["0.0.0.0/0"])
    rule("out-deny", direction="EGRESS", denied=everything, destinationRanges=["0.0.0.0/0"], priority=65534)


def disk(name: str, **more: Any) -> str:
    """Make a disk, and return its link."""
    made = {"name": name, "sizeGb": "20", "type": f"zones/{ZONE}/diskTypes/pd-balanced", "labels": LABELS, **more}
    call("POST", f"{COMPUTE}/zones/{ZONE}/disks", made)
    return f"projects/{PROJECT}/zones/{ZONE}/disks/{name}"


def hardened() -> dict[str, Any]:
    """Return what a disk has that is as it must be."""
    schedule = f"projects/{PROJECT}/regions/{REGION}/resourcePolicies/{PREFIX}-daily"
    return {"diskEncryptionKey": {"kmsKeyName": KEY}, "resourcePolicies": [schedule]}


def schedule(name: str, days: int) -> None:
    """Make a schedule of snapshots."""
    plan = {"dailySchedule": {"daysInCycle": 1, "startTime": "03:00"}}
    body = {"schedule": plan, "retentionPolicy": {"maxRetentionDays": days}}
    call("POST", f"{COMPUTE}/regions/{REGION}/resourcePolicies", {"name": name, "snapshotSchedulePolicy": body})


def machine(name: str, boot: str, **more: Any) -> None:
    """Make a machine."""
    account = {"email": ACCOUNT, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
    said = {"block-project-ssh-keys": "TRUE", "enable-oslogin": "FALSE", "serial-port-enable": "FALSE"}
    subnet = f"projects/{PROJECT}/regions/{REGION}/subnetworks/{PREFIX}-main"
    made = {
        "name": name,
        "labels": LABELS,
        "machineType": f"zones/{ZONE}/machineTypes/n2-standard-4",
        "disks": [{"boot": True, "source": boot}],
        "networkInterfaces": [{"subnetwork": subnet}],
        "serviceAccounts": [account],
        "shieldedInstanceConfig": {
            "enableSecureBoot": True,
            "enableVtpm": True,
            "enableIntegrityMonitoring": True,
        },
        "deletionProtection": True,
        "metadata": {"items": [{"key": key, "value": value} for key, value in said.items()]},
        **more,
    }
    call("POST", f"{COMPUTE}/zones/{ZONE}/instances", made)


def _machine() -> None:
    account = {"accountId": PREFIX, "serviceAccount": {}}
    call("POST", f"iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts", account)
    schedule(f"{PREFIX}-daily", 35)
    machine(f"{PREFIX}-1", disk(f"{PREFIX}-root", sourceImage=DEBIAN, **hardened()))
    snapshot = {"name": f"{PREFIX}-root-1", "labels": LABELS, "snapshotEncryptionKey": {"kmsKeyName": KEY}}
    call("POST", f"{COMPUTE}/zones/{ZONE}/disks/{PREFIX}-root/createSnapshot", snapshot)


def everywhere(collection: str, name: str = f"{PREFIX}-front") -> str:
    """Return the link of a part of the load balancer."""
    return f"projects/{PROJECT}/global/{collection}/{name}"


def armed(priority: int, action: str, **match: Any) -> dict[str, Any]:
    """Return a rule of Cloud Armor."""
    return {"priority": priority, "action": action, "match": match}


ANYBODY = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
RATE = {"rateLimitThreshold": {"count": 600, "intervalSec": 60}, "enforceOnKey": "IP"}
RATE |= {"conformAction": "allow", "exceedAction": "deny(429)"}


def _front() -> None:
    made = f"{COMPUTE}/global"
    name = {"name": f"{PREFIX}-front"}
    call("POST", f"{made}/addresses", name)
    call("POST", f"{made}/sslPolicies", name | {"profile": "RESTRICTED", "minTlsVersion": "TLS_1_2"})
    domains = {"domains": ["analytics.acme.example"]}
    call("POST", f"{made}/sslCertificates", name | {"type": "MANAGED", "managed": domains})
    attacks = ("sqli", "xss", "lfi", "rfi", "rce", "protocolattack", "scannerdetection", "sessionfixation")
    rules = [
        armed(1000 + place, "deny(403)", expr={"expression": f"evaluatePreconfiguredWaf('{one}-v33-stable')"})
        for place, one in enumerate(attacks)
    ]
    rules += [
        armed(2000, "throttle", **ANYBODY) | {"rateLimitOptions": RATE},
        armed(2147483647, "deny(403)", **ANYBODY),
    ]
    call("POST", f"{made}/securityPolicies", name | {"rules": rules})
    check = {"type": "TCP", "tcpHealthCheck": {"portSpecification": "USE_SERVING_PORT"}}
    call("POST", f"{made}/healthChecks", name | check)
    subnet = f"projects/{PROJECT}/regions/{REGION}/subnetworks/{PREFIX}-main"
    group = {"networkEndpointType": "GCE_VM_IP_PORT", "network": NETWORK, "subnetwork": subnet, "defaultPort": 443}
    call("POST", f"{COMPUTE}/zones/{ZONE}/networkEndpointGroups", name | group)
    backend = {"group": f"projects/{PROJECT}/zones/{ZONE}/networkEndpointGroups/{PREFIX}-front"}
    service = {
        "protocol": "HTTPS",
        "loadBalancingScheme": "EXTERNAL_MANAGED",
        "healthChecks": [everywhere("healthChecks")],
        "backends": [backend | {"balancingMode": "RATE", "maxRatePerEndpoint": 100}],
        "tlsSettings": {"sni": "analytics.acme.example"},
        "logConfig": {"enable": True},
    }
    call("POST", f"{made}/backendServices", name | service)
    guard = {"securityPolicy": everywhere("securityPolicies")}
    call("POST", f"{made}/backendServices/{PREFIX}-front/setSecurityPolicy", guard)
    header = {"headerName": "X-Hedgerow-Client", "headerValue": "{client_ip_address}", "replace": True}
    said = {"defaultService": everywhere("backendServices"), "headerAction": {"requestHeadersToAdd": [header]}}
    call("POST", f"{made}/urlMaps", name | said)
    proxy = {"urlMap": everywhere("urlMaps"), "sslCertificates": [everywhere("sslCertificates")]}
    call("POST", f"{made}/targetHttpsProxies", name | proxy | {"sslPolicy": everywhere("sslPolicies")})
    listen("front", "443", everywhere("targetHttpsProxies"))


def listen(name: str, port: str, target: str) -> None:
    """Lead the balancer's address at a port to a proxy."""
    address = call("GET", f"{COMPUTE}/global/addresses/{PREFIX}-front")["address"]
    body = {"name": f"{PREFIX}-{name}", "IPAddress": address, "portRange": port, "target": target}
    call("POST", f"{COMPUTE}/global/forwardingRules", body | {"loadBalancingScheme": "EXTERNAL_MANAGED"})


def bucket(name: str, days: int, **more: Any) -> dict[str, Any]:
    """Return a bucket that is as it must be, for so many days."""
    return {
        "name": name,
        "location": REGION,
        "labels": LABELS,
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        "versioning": {"enabled": True},
        "retentionPolicy": {"retentionPeriod": str(days * DAY)},
        "encryption": {"defaultKmsKeyName": KEY},
        **more,
    }


def make_bucket(body: dict[str, Any], *, lock: bool = True) -> None:
    """Make it."""
    made = call("POST", f"{STORAGE}?project={PROJECT}", body)
    if lock:
        match = f"ifMetagenerationMatch={made['metageneration']}"
        call("POST", f"{STORAGE}/{body['name']}/lockRetentionPolicy?{match}")


def _buckets() -> None:
    make_bucket(bucket(BACKUP, 35))
    make_bucket(bucket(RECORDS, 2192))


def _records() -> None:
    kinds = [{"logType": kind} for kind in ("ADMIN_READ", "DATA_READ", "DATA_WRITE")]
    policy(PROJECT_URL, {}, auditConfigs=[{"service": "allServices", "auditLogConfigs": kinds}])
    sink = {"name": PREFIX, "destination": f"storage.googleapis.com/{RECORDS}"}
    made = call("POST", f"{LOGGING}/sinks", sink | {"filter": 'logName:"cloudaudit.googleapis.com"'})
    bucket_policy(RECORDS, "roles/storage.objectCreator", made["writerIdentity"])
    call("PATCH", f"{LOGGING}/locations/global/buckets/_Default?updateMask=retentionDays", {"retentionDays": 365})


def _alerts() -> None:
    channel = {"type": "email", "displayName": "people", "labels": {"email_address": "security@acme.example"}}
    said = call("POST", f"{MONITORING}/notificationChannels", channel)
    call("POST", f"{LOGGING}/metrics", {"name": "records", "filter": SAID["records"]})
    metric = 'metric.type="logging.googleapis.com/user/records"'
    for what, filter_ in SAID.items():
        how = (
            {"conditionThreshold": {"filter": metric, "comparison": "COMPARISON_GT", "duration": "0s"}}
            if what == "records"
            else {"conditionMatchedLog": {"filter": filter_}}
        )
        alert = {"displayName": what, "combiner": "OR", "conditions": [{"displayName": what, **how}]}
        call("POST", f"{MONITORING}/alertPolicies", alert | {"notificationChannels": [said["name"]]})


def _names() -> None:
    url = f"https://www.googleapis.com/compute/v1/{NETWORK}"
    call("POST", f"{DNS}/policies", {"name": PREFIX, "enableLogging": True, "networks": [{"networkUrl": url}]})
    zone = {"name": "acme", "dnsName": "acme.example.", "description": "ours", "dnssecConfig": {"state": "on"}}
    call("POST", f"{DNS}/managedZones", zone)
