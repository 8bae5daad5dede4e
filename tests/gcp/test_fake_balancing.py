"""What the documents cannot say of load balancers and Cloud Armor: the fake refuses, and nothing is made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gcp.fake.running import Fake
from tests.gcp.fake.world import PROJECT
from tests.gcp.making import ZONE, ask
from tests.gcp.project import census, quiet, target

GLOBAL = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/global"
GROUPS = f"compute.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONE}/networkEndpointGroups"
LINK = f"projects/{PROJECT}/global"
EVERYBODY = {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}


def made(collection: str, body: dict[str, Any]) -> tuple[int, Any]:
    """Try to make something, and return what is answered."""
    status, said = ask("POST", f"{GLOBAL}/{collection}", {"name": "acme", **body})
    if status == 200:
        ask("POST", f"{said['selfLink'].removeprefix('https://').replace('www.', 'compute.', 1)}/wait")
    return status, said


def rule(expression: str = "", ranges: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """Return a policy with one rule."""
    match: dict[str, Any] = {"expr": {"expression": expression}} if expression else {}
    match |= {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": list(ranges)}} if ranges else {}
    return {"rules": [{"priority": 1, "action": "deny(403)", "match": match, **more}]}


RATE = {"conformAction": "allow", "exceedAction": "deny(429)", "rateLimitThreshold": {"count": 10, "intervalSec": 60}}
REFUSED = [
    ("sslPolicies", {"profile": "MODERN", "minTlsVersion": "TLS_1_3"}, "must be RESTRICTED"),
    ("sslPolicies", {"profile": "CUSTOM"}, "customFeatures"),
    ("sslPolicies", {"profile": "STRONG"}, "Must be one of"),
    ("sslCertificates", {"type": "MANAGED", "managed": {"domains": ["*.acme.example"]}}, "no wildcard"),
    ("sslCertificates", {"certificate": "PEM"}, "privateKey"),
    ("healthChecks", {}, "resource.type"),
    ("healthChecks", {"type": "TCP", "httpsHealthCheck": {}}, "nothing of another's"),
    ("healthChecks", {"type": "TCP", "timeoutSec": 9}, "greater than checkIntervalSec"),
    ("healthChecks", {"type": "TCP", "healthyThreshold": 11}, "between 1 and 10"),
    ("securityPolicies", rule("evaluatePreconfiguredWaf('sqli-v44-stable')"), "no such preconfigured"),
    (
        "securityPolicies",
        rule("evaluatePreconfiguredWaf('sqli-v33-stable', {'sensitivity': 5})"),
        "no such preconfigured",
    ),
    ("securityPolicies", rule(" && ".join(["request.path.matches('x')"] * 6)), "at most 5"),
    ("securityPolicies", rule("request.path.matches('(')"), "no regular expression"),
    ("securityPolicies", rule("request.path.matches('" + "x" * 1025 + "')"), "at most 1024"),
    ("securityPolicies", rule(ranges=tuple(f"203.0.113.{one}" for one in range(11))), "between 1 and 10"),
    ("securityPolicies", rule(ranges=("somewhere",)), "CIDR"),
    ("securityPolicies", rule("true", ("203.0.113.1",)), "Exactly one"),
    ("securityPolicies", rule(ranges=("*",), action="deny(418)"), "no action"),
    ("securityPolicies", rule(ranges=("*",), action="throttle"), "rateLimitOptions"),
    (
        "securityPolicies",
        rule(
            ranges=("*",),
            action="throttle",
            rateLimitOptions=RATE | {"rateLimitThreshold": {"count": 1, "intervalSec": 7}},
        ),
        "no threshold",
    ),
    ("securityPolicies", {"rules": rule(ranges=("*",))["rules"] * 2}, "same priorities"),
    ("securityPolicies", rule(ranges=("203.0.113.1",), priority=2147483647), "matches everybody"),
    ("backendServices", {"protocol": "HTTPS", "loadBalancingScheme": "EXTERNAL_MANAGED"}, "health check"),
    ("targetHttpsProxies", {"urlMap": f"{LINK}/urlMaps/nobody", "sslCertificates": []}, "not found"),
]


@pytest.mark.parametrize(("collection", "body", "said"), REFUSED)
def test_what_google_refuses_is_refused(gcp: Fake, collection: str, body: dict[str, Any], said: str) -> None:
    before = census(gcp)
    status, answer = made(collection, body)
    assert status in (400, 404) and said in str(answer), answer
    assert census(gcp) == before


def test_a_policy_without_a_last_rule_lets_everybody_in(gcp: Fake) -> None:
    assert made("securityPolicies", rule(ranges=("203.0.113.1",)))[0] == 200
    rules = ask("GET", f"{GLOBAL}/securityPolicies/acme")[1]["rules"]
    assert [(one["priority"], one["action"]) for one in rules] == [(1, "deny(403)"), (2147483647, "allow")]


@pytest.mark.parametrize(
    ("how", "body", "said"),
    [
        ("addRule", {"priority": 1, "action": "allow", "match": EVERYBODY}, "same priorities"),
        ("patchRule?priority=9", {"action": "allow"}, "no rule with this priority"),
        ("removeRule?priority=2147483647", None, "cannot be removed"),
        ("removeRule?priority=9", None, "no rule with this priority"),
    ],
)
def test_rules_are_set_one_by_one(gcp: Fake, how: str, body: Any, said: str) -> None:
    assert made("securityPolicies", rule(ranges=("203.0.113.1",)))[0] == 200
    status, answer = ask("POST", f"{GLOBAL}/securityPolicies/acme/{how}", body)
    assert (status, said in str(answer)) == (400, True), answer
    print_ = ask("GET", f"{GLOBAL}/securityPolicies/acme")[1]["fingerprint"]
    status, answer = ask("PATCH", f"{GLOBAL}/securityPolicies/acme", {"rules": [], "fingerprint": print_})
    assert (status, "removeRule" in str(answer)) == (400, True)


@pytest.mark.parametrize(
    ("url", "body", "said"),
    [
        (f"{GLOBAL}/forwardingRules", {"portRange": "80-443"}, "one port"),
        (f"{GLOBAL}/forwardingRules", {"IPAddress": "203.0.113.250"}, "no global address"),
        (f"{GLOBAL}/forwardingRules", {}, "already used"),
        (f"{GLOBAL}/backendServices", {"protocol": "HTTP", "tlsSettings": {"sni": "acme.example"}}, "HTTPS"),
        (f"{GLOBAL}/backendServices", {"logConfig": {"sampleRate": 0.5}}, "Only where logging is enabled"),
        (f"{GROUPS}/hedgerow-acme-balancer/attachNetworkEndpoints", {"instance": "nobody"}, "no such instance"),
        (f"{GROUPS}/hedgerow-acme-balancer/detachNetworkEndpoints", {"port": 80}, "does not exist"),
        (f"{GLOBAL}/urlMaps", {"headerName": "X-User-IP"}, "cannot be set"),
        (f"{GLOBAL}/urlMaps", {"headerValue": "{client_name}"}, "no such variable"),
    ],
)
def test_a_balancer_s_parts_fit_together(gcp: Fake, url: str, body: dict[str, Any], said: str) -> None:
    target("load_balancer: {}").provision(quiet)
    rows = gcp.state()["rows"]
    name = url.rsplit("/", 1)[1]
    if name == "forwardingRules":
        seen = rows[f"compute:{LINK}/forwardingRules/hedgerow-acme-balancer"]
        keys = ("IPAddress", "portRange", "target", "loadBalancingScheme")
        body = {"name": "x", **{key: seen[key] for key in keys}, **body}
    elif name == "backendServices":
        checks = [f"{LINK}/healthChecks/hedgerow-acme-balancer"]
        body = {
            "name": "x",
            "protocol": "HTTPS",
            "loadBalancingScheme": "EXTERNAL_MANAGED",
            "healthChecks": checks,
            **body,
        }
    elif name == "urlMaps":
        header = {"headerName": "X-A", "headerValue": "a", **body}
        service = f"{LINK}/backendServices/hedgerow-acme-balancer"
        body = {"name": "x", "defaultService": service, "headerAction": {"requestHeadersToAdd": [header]}}
    else:
        body = {"networkEndpoints": [{"instance": "hedgerow-acme-analytics-1", "port": 443, **body}]}
    before = census(gcp)
    status, answer = ask("POST", url, body)
    assert (status, said in str(answer)) == (400, True), answer
    assert census(gcp) == before


@pytest.mark.parametrize(
    "name",
    [
        "sslPolicies",
        "sslCertificates",
        "securityPolicies",
        "healthChecks",
        "backendServices",
        "urlMaps",
        "targetHttpsProxies",
    ],
)
def test_what_something_stands_on_is_not_deleted(gcp: Fake, name: str) -> None:
    target("load_balancer: {}").provision(quiet)
    status, answer = ask("DELETE", f"{GLOBAL}/{name}/hedgerow-acme-balancer")
    assert (status, answer["error"]["errors"][0]["reason"]) == (400, "resourceInUseByAnotherResource")


def test_an_endpoint_goes_with_its_machine(gcp: Fake) -> None:
    target("load_balancer: {}").provision(quiet)
    machine = f"{GROUPS.rpartition('/')[0]}/instances/hedgerow-acme-analytics-1"
    for verb, url in (("POST", f"{machine}/setDeletionProtection?deletionProtection=false"), ("DELETE", machine)):
        status, said = ask(verb, url)
        assert status == 200, said
        ask("POST", f"{said['selfLink'].removeprefix('https://').replace('www.', 'compute.', 1)}/wait")
    assert "items" not in ask("POST", f"{GROUPS}/hedgerow-acme-balancer/listNetworkEndpoints", {})[1]
