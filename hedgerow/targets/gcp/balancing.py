"""The kinds of Cloud Load Balancing and Cloud Armor: what a patch cannot set has calls of its own."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource, plain
from hedgerow.targets.gcp.api import Row
from hedgerow.targets.gcp.kind import EXISTS, GONE, STALE, WRONG, Call, Kind, Rest, anew
from hedgerow.targets.gcp.shape import shaped

OVERTAKEN = frozenset({WRONG, GONE, EXISTS, STALE})
BACKENDS = "compute.backendServices"
GROUPS = "compute.networkEndpointGroups"
POLICIES = "compute.securityPolicies"
ENDPOINTS, RULES = "endpoints", "rules"


def guard(value: Any, row: Row) -> list[Call]:
    """The policy of Cloud Armor that stands before a service."""
    return [Call(f"{BACKENDS}.setSecurityPolicy", {"securityPolicy": value})]


def target(value: Any, row: Row) -> list[Call]:
    """The proxy that an address leads to."""
    return [Call("compute.globalForwardingRules.setTarget", {"target": value})]


def without(*names: str) -> Any:
    """Return a writer that leaves out what is set by calls of its own."""
    return lambda body: {name: value for name, value in body.items() if name not in names}


def write_check(body: Row) -> Row:
    """Of what type a health check is stands in each change."""
    return {**body, "type": "TCP"}


KINDS = {
    "global-address": Kind("compute.globalAddresses"),
    "ssl-policy": Kind("compute.sslPolicies"),
    "certificate": Kind("compute.sslCertificates"),
    "health-check": Kind("compute.healthChecks", write=write_check),
    "backend-service": Kind(BACKENDS, ways={"securityPolicy": guard}, write=without("securityPolicy")),
    "url-map": Kind("compute.urlMaps"),
    "https-proxy": Kind("compute.targetHttpsProxies"),
    "forwarding-rule": Kind("compute.globalForwardingRules", ways={"target": target}),
}
GROUP = Kind(GROUPS, write=without(ENDPOINTS))
POLICY = Kind(
    POLICIES, write=lambda body: {**body, **({RULES: [bare(one) for one in body[RULES]]} if RULES in body else {})}
)


class Group(Rest):
    """Where a balancer leads to: one machine's port, and nothing else that somebody adds."""

    def find(self, resource: Resource) -> Found | None:
        """Return it with its endpoints, each as a machine's name and a port."""
        found = super().find(resource)
        if found is None:
            return None
        rows: list[Row] = []
        query: dict[str, str] = {}
        while True:
            said = self.google.ask(f"{GROUPS}.listNetworkEndpoints", self.path(resource), body={}, query=query) or {}
            rows += [one["networkEndpoint"] for one in said.get("items", [])]
            if not said.get("nextPageToken"):
                break
            query["pageToken"] = said["nextPageToken"]
        there = {f"{one.get('instance', '').rpartition('/')[2]} {one.get('port')}": one for one in rows}
        return Found(found.id, {**found.fields, ENDPOINTS: sorted(there)}, {**found.facts, ENDPOINTS: there})

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Attach what is missing, then detach what is not ours."""
        anew(lambda seen: self._endpoints(resource, seen), found, lambda: self.find(resource), OVERTAKEN)

    def _endpoints(self, resource: Resource, seen: Found) -> None:
        there, wanted = seen.facts[ENDPOINTS], resource.wanted[ENDPOINTS]
        new = [one.split() for one in wanted if one not in there]
        for what, points in (
            ("attach", [{"instance": name, "port": int(port)} for name, port in new]),
            ("detach", [point for name, point in there.items() if name not in wanted]),
        ):
            if points:
                call = f"{GROUPS}.{what}NetworkEndpoints"
                self.google.call(call, self.path(resource), body={"networkEndpoints": points})


class Policy(Rest):
    """A policy of Cloud Armor. Its rules are set one by one (https://cloud.google.com/compute/docs/reference/rest/v1/securityPolicies/patch)."""

    def find(self, resource: Resource) -> Found | None:
        """Return it with its rules, by priority."""
        found = super().find(resource)
        if found is None:
            return None
        rows = sorted(found.facts.get(RULES, []), key=lambda one: int(one["priority"]))
        return Found(
            found.id, {**found.fields, RULES: shaped(rows, resource.wanted[RULES])}, {**found.facts, RULES: rows}
        )

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set these fields; of rules those that are wanted and no other."""
        if other := fields - {RULES}:
            super().change(resource, found, other)
        if RULES in fields:
            anew(lambda seen: self._rules(resource, seen), found, lambda: self.find(resource), OVERTAKEN)

    def _rules(self, resource: Resource, seen: Found) -> None:
        there = {int(one["priority"]): one for one in seen.facts[RULES]}
        wanted = {int(one["priority"]): one for one in resource.wanted[RULES]}
        for priority, rule in wanted.items():
            held = there.get(priority)
            if held is not None and plain(shaped(held, rule)) == plain(rule):
                continue
            if held is not None and overgrown(held, rule):
                self._call(resource, "remove", priority)
                held = None
            self._call(resource, "add" if held is None else "patch", priority, rule)
        for priority in sorted(set(there) - set(wanted)):
            self._call(resource, "remove", priority)

    def _call(self, resource: Resource, what: str, priority: int, rule: Row | None = None) -> None:
        query = {} if what == "add" else {"priority": priority}
        body = None if rule is None else bare(rule)
        self.google.call(f"{POLICIES}.{what}Rule", self.path(resource), body=body, query=query)


def overgrown(held: Row, rule: Row) -> bool:
    """Tell whether a rule has what a patch would leave in it: exceptions, or another way to match."""
    excepted = held.get("preconfiguredWafConfig", {}).get("exclusions")
    return bool(excepted) or any(
        held.get("match", {}).get(name) for name in set(held.get("match", {})) - set(rule["match"])
    )


def bare(rule: Row) -> Row:
    """Return a rule as it is given: that it has no exceptions is said by leaving them out."""
    return {name: value for name, value in rule.items() if name != "preconfiguredWafConfig"}
