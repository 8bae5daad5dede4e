"""Everything of a deployment that somebody can change behind its back, changed: what the next install has to mend."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.gcp.place import Place
from tests.gcp.fake.world import NUMBER, PROJECT
from tests.gcp.making import ask

COMPUTE = f"compute.googleapis.com/compute/v1/projects/{PROJECT}"
ZONAL, REGIONAL = f"{COMPUTE}/zones/us-central1-a", f"{COMPUTE}/regions/us-central1"
MACHINE, SUBNET = f"{ZONAL}/instances/hedgerow-acme-analytics-1", f"{REGIONAL}/subnetworks/hedgerow-acme-main"
KEY = f"cloudkms.googleapis.com/v1/projects/{PROJECT}/locations/us-central1/keyRings/hedgerow-acme/cryptoKeys/data"
ACCOUNT = f"iam.googleapis.com/v1/projects/{PROJECT}/serviceAccounts/hedgerow-acme@{PROJECT}.iam.gserviceaccount.com"
LOGGING = f"logging.googleapis.com/v2/projects/{PROJECT}"
MONITORING = f"monitoring.googleapis.com/v3/projects/{PROJECT}"
DNS = f"dns.googleapis.com/dns/v1/projects/{PROJECT}"
PROJECTS = f"cloudresourcemanager.googleapis.com/v3/projects/{PROJECT}"
PLACE = Place(PROJECT, "us-central1", "us-central1-a", "acme")
BUCKET = f"storage.googleapis.com/storage/v1/b/{PLACE.bucket('backup')}"
DAILY = {"dailySchedule": {"daysInCycle": 1, "startTime": "03:00"}}


def call(verb: str, url: str, body: Any = None) -> Any:
    """Ask, and return the answer of what it starts once that is done; a refusal is a mistake of the test's."""
    status, said = ask(verb, url, body)
    assert status == 200, (verb, url, said)
    if str((said or {}).get("kind")) == "compute#operation":
        done = said["selfLink"].replace("https://www.googleapis.com", "compute.googleapis.com")
        assert ask("POST", f"{done}/wait")[1].get("error") is None
    return said


def set_(what: str, **fields: Any) -> None:
    """Change some fields, of what has a fingerprint by the present one."""
    seen = call("GET", what)
    given = {name: seen[name] for name in ("name", "fingerprint") if name in seen}
    call("PATCH", what, given | fields)


def network() -> None:
    """Change network, subnet and rules; take one rule away and put one in."""
    set_(f"{COMPUTE}/global/networks/hedgerow-acme-main", routingConfig={"routingMode": "GLOBAL"})
    set_(SUBNET, logConfig={"enable": False})
    call("POST", f"{SUBNET}/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": False})
    rules = f"{COMPUTE}/global/firewalls"
    set_(f"{rules}/hedgerow-acme-in-ssh", sourceRanges=["0.0.0.0/0"])
    call("DELETE", f"{rules}/hedgerow-acme-in-deny")
    theirs = {"name": "somebody-elses", "allowed": [{"IPProtocol": "tcp", "ports": ["5432"]}]}
    call("POST", rules, {**theirs, "network": f"projects/{PROJECT}/global/networks/hedgerow-acme-main"})


def machine(*, public: bool) -> None:
    """Change what can be changed of the machine, and leave it stopped."""
    shown = call("GET", MACHINE)
    metadata = {"fingerprint": shown["metadata"]["fingerprint"], "items": [{"key": "ssh-keys", "value": "eve:x"}]}
    call("POST", f"{MACHINE}/setMetadata", metadata)
    call("POST", f"{MACHINE}/setDeletionProtection?deletionProtection=false")
    card = "networkInterface=nic0"
    if public:
        call("POST", f"{MACHINE}/deleteAccessConfig?{card}&accessConfig=External%20NAT")
    call("POST", f"{MACHINE}/addAccessConfig?{card}", {"name": "External NAT", "type": "ONE_TO_ONE_NAT"})
    call("POST", f"{MACHINE}/setScheduling", {"automaticRestart": False})
    call("POST", f"{MACHINE}/stop")
    call("PATCH", f"{MACHINE}/updateShieldedInstanceConfig", {"enableSecureBoot": False})
    call("POST", f"{MACHINE}/setServiceAccount", {"email": f"{NUMBER}-compute@developer.gserviceaccount.com"})
    schedule = {"retentionPolicy": {"maxRetentionDays": 7, "onSourceDiskDelete": "APPLY_RETENTION_POLICY"}}
    body = {"name": "hedgerow-acme-daily", "snapshotSchedulePolicy": schedule}
    call("PATCH", f"{REGIONAL}/resourcePolicies/hedgerow-acme-daily", body)
    theirs = {"name": "short", "snapshotSchedulePolicy": schedule | {"schedule": DAILY}}
    call("POST", f"{REGIONAL}/resourcePolicies", theirs)
    for name, policies in (("root", []), ("data", [f"projects/{PROJECT}/regions/us-central1/resourcePolicies/short"])):
        disk = f"{ZONAL}/disks/hedgerow-acme-{name}"
        call("POST", f"{disk}/removeResourcePolicies", {"resourcePolicies": call("GET", disk)["resourcePolicies"]})
        if policies:
            call("POST", f"{disk}/addResourcePolicies", {"resourcePolicies": policies})


def keys() -> None:
    """Let others use the key, keep it from rotating, and switch the machine's account off."""
    policy = {"bindings": [{"role": "roles/cloudkms.cryptoKeyDecrypter", "members": ["user:eve@acme.example"]}]}
    call("POST", f"{KEY}:setIamPolicy", {"policy": policy})
    call("PATCH", f"{KEY}?updateMask=rotationPeriod,nextRotationTime", {})
    call("POST", f"{ACCOUNT}:disable", {})


def ended() -> None:
    """Have the key's only version end."""
    call("POST", f"{KEY}/cryptoKeyVersions/1:destroy", {})


def records() -> None:
    """Change bucket, sink, log bucket and audit configuration."""
    call("PATCH", BUCKET, {"versioning": {"enabled": False}})
    policy = call("GET", f"{BUCKET}/iam")
    call("PUT", f"{BUCKET}/iam", {**policy, "bindings": []})
    call("PATCH", f"{LOGGING}/sinks/hedgerow-acme-records?updateMask=disabled", {"disabled": True})
    call("PATCH", f"{LOGGING}/locations/global/buckets/_Default?updateMask=retentionDays", {"retentionDays": 7})


def watched() -> None:
    """Change the record, the log of queries, and silence alerts and whom they tell."""
    call("PATCH", f"{DNS}/managedZones/acme-example/rrsets/analytics.acme.example./A", {"rrdatas": ["203.0.113.66"]})
    call("PATCH", f"{DNS}/policies/hedgerow-acme-main", {"enableLogging": False})
    said = call("POST", f"{PROJECTS}:getIamPolicy", {})
    body = {"policy": {"etag": said["etag"], "auditConfigs": []}, "updateMask": "auditConfigs"}
    call("POST", f"{PROJECTS}:setIamPolicy", body)
    for collection in ("alertPolicies", "notificationChannels"):
        for row in call("GET", f"{MONITORING}/{collection}")[collection]:
            call("PATCH", f"monitoring.googleapis.com/v3/{row['name']}?updateMask=enabled", {"enabled": False})


def ways_out(*, closed: bool) -> None:
    """Take the NAT away, or lead a private zone nowhere."""
    if closed:
        call("PATCH", f"{DNS}/managedZones/hedgerow-acme-apis", {"privateVisibilityConfig": {"networks": []}})
    else:
        set_(f"{REGIONAL}/routers/hedgerow-acme-main", nats=[])


def front() -> None:
    """Change every part of the load balancer that can be changed."""
    name = "hedgerow-acme-balancer"
    ours = {
        one: f"{COMPUTE}/global/{one}/{name}" for one in ("sslPolicies", "healthChecks", "backendServices", "urlMaps")
    }
    set_(ours["sslPolicies"], profile="COMPATIBLE", minTlsVersion="TLS_1_0")
    set_(ours["healthChecks"], type="TCP", logConfig={"enable": False})
    call("POST", f"{ours['backendServices']}/setSecurityPolicy", {})
    set_(ours["backendServices"], logConfig={"enable": True, "sampleRate": 0.1}, enableCDN=True)
    set_(ours["urlMaps"], headerAction=None)
    policy = f"{COMPUTE}/global/securityPolicies/{name}"
    set_(policy, advancedOptionsConfig={"logLevel": "VERBOSE"})
    call("POST", f"{policy}/patchRule?priority=2147483647", {"action": "allow"})
    call("POST", f"{policy}/removeRule?priority=1000")
    excepted = {"exclusions": [{"targetRuleSet": "xss-v33-stable"}]}
    call("POST", f"{policy}/patchRule?priority=1010", {"preconfiguredWafConfig": excepted})
    everybody = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}
    call("POST", f"{policy}/addRule", {"priority": 10, "action": "allow", "match": everybody})
    group = f"{ZONAL}/networkEndpointGroups/{name}"
    listed = call("POST", f"{group}/listNetworkEndpoints", {})["items"]
    there = [one["networkEndpoint"] for one in listed]
    elsewhere = [{"instance": "hedgerow-acme-analytics-1", "port": 5432}]
    call("POST", f"{group}/attachNetworkEndpoints", {"networkEndpoints": elsewhere})
    call("POST", f"{group}/detachNetworkEndpoints", {"networkEndpoints": there})
    set_(f"{COMPUTE}/global/targetHttpsProxies/{name}", sslPolicy=None)
    call("POST", f"{COMPUTE}/global/forwardingRules/{name}/setTarget", {"target": elsewhere_()})


def elsewhere_() -> str:
    """Make a proxy of somebody else's that leads to nothing of ours, and return its link."""
    link, name = f"projects/{PROJECT}/global", {"name": "somebody-elses"}
    check = {"type": "TCP", "tcpHealthCheck": {"port": 443}}
    service = {"protocol": "HTTPS", "loadBalancingScheme": "EXTERNAL_MANAGED"}
    for collection, body in {
        "healthChecks": check,
        "sslCertificates": {"certificate": "PEM", "privateKey": "PEM"},
        "backendServices": service | {"healthChecks": [f"{link}/healthChecks/somebody-elses"]},
        "urlMaps": {"defaultService": f"{link}/backendServices/somebody-elses"},
        "targetHttpsProxies": {
            "urlMap": f"{link}/urlMaps/somebody-elses",
            "sslCertificates": [f"{link}/sslCertificates/somebody-elses"],
        },
    }.items():
        call("POST", f"{COMPUTE}/global/{collection}", name | body)
    return f"{link}/targetHttpsProxies/somebody-elses"
