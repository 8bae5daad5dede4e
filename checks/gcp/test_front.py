"""A load balancer in front: how clients reach it, how it reaches the edge, and what Cloud Armor keeps from it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checks.gcp.found import Row, by_name, last
from checks.gcp.front import addresses, judge_front, maps, policies, proxies, services
from checks.judging import is_empty, is_true
from hedgerow.cloud_sheet import covered

HTTPS = "443-443"
WHOLE = ("RESTRICTED", "FIPS_202205")
"""Profiles without a cipher that keeps no forward secrecy: https://cloud.google.com/load-balancing/docs/ssl-policies-concepts."""
RECENT = ("TLS_1_2", "TLS_1_3")
CLIENT, VALUE = "x-hedgerow-client", "{client_ip_address}"
ATTACKS = ("sqli", "xss", "lfi", "rfi", "rce", "protocolattack", "scannerdetection", "sessionfixation")
LAST = 2147483647
LETS_IN = ("allow", "throttle", "rate_based_ban", "redirect")
EVERYBODY = "0.0.0.0/0"


@pytest.mark.control("gcp.balancer-not-in-clear")
def test_the_balancer_answers_by_tls_alone(gcp, finding):
    finding.expect("each address leads to a proxy that speaks TLS, at port 443 alone")
    seen = {
        name: "TLS at 443"
        if tls and row.get("portRange") == HTTPS
        else f"{'TLS' if tls else 'in clear'} at {row.get('portRange')}"
        for name, (row, tls) in addresses(gcp).items()
    }
    judge_front(gcp, finding, seen, lambda said: said == "TLS at 443", "address of a load balancer")


@pytest.mark.control("gcp.balancer-tls")
def test_the_balancer_speaks_recent_tls_with_forward_secrecy(gcp, finding):
    finding.expect(f"a policy of TLS with the profile {' or '.join(WHOLE)}, and TLS 1.2 at least")
    known = {row["selfLink"]: row for row in gcp.every("compute.sslPolicies.list")}

    def said(row: Row) -> list[str]:
        policy = known.get(row.get("sslPolicy"))
        if policy is None:
            return ["Google's default, which takes TLS 1.0"]
        wrong = [] if policy.get("profile") in WHOLE else [f"profile {policy.get('profile')}"]
        return wrong + ([] if policy.get("minTlsVersion") in RECENT else [f"from {policy.get('minTlsVersion')} on"])

    judge_front(gcp, finding, by_name(proxies(gcp), said), is_empty, "proxy")


@pytest.mark.control("gcp.balancer-certificate")
def test_the_balancer_shows_a_certificate_of_the_domain(gcp, finding):
    finding.expect(f"a certificate for {gcp.sheet.domain} that holds; one that Google makes is ready")
    known = {row["selfLink"]: row for row in gcp.every("compute.sslCertificates.list")}
    seen = {
        f"{row['name']}/{last(link)}": _wrong_with(known.get(link, {}), gcp.sheet.domain)
        for row in proxies(gcp)
        for link in row.get("sslCertificates", [])
    }
    judge_front(gcp, finding, seen, is_empty, "certificate of the load balancer")


def _wrong_with(row: Row, domain: str) -> list[str]:
    names = row.get("managed", {}).get("domains") or row.get("subjectAlternativeNames", [])
    wrong = [] if domain in names else [f"it is for {', '.join(names) or 'nobody'}"]
    status = row.get("managed", {}).get("status", "ACTIVE")
    wrong += [] if status == "ACTIVE" else [f"status {status}: Google waits for the domain to lead to the balancer"]
    ends = row.get("expireTime")
    return wrong + ([f"ended {ends}"] if ends and datetime.fromisoformat(ends) < datetime.now(UTC) else [])


@pytest.mark.control("gcp.balancer-asks-by-tls")
def test_the_edge_is_asked_by_tls_and_by_its_name(gcp, finding):
    """With a name the balancer demands a certificate for it: https://cloud.google.com/compute/docs/reference/rest/v1/backendServices."""
    finding.expect(f"HTTPS or HTTP2, to a machine that shows a certificate for {gcp.sheet.domain}")
    seen = by_name(
        services(gcp),
        lambda row: f"{row.get('protocol')} to {row.get('tlsSettings', {}).get('sni') or 'whoever answers'}",
    )
    right = {f"{protocol} to {gcp.sheet.domain}" for protocol in ("HTTPS", "HTTP2")}
    judge_front(gcp, finding, seen, lambda said: said in right, "backend service")


@pytest.mark.control("gcp.balancer-shows-clients")
def test_the_edge_is_told_whose_request_it_is(gcp, finding):
    """The edge believes one header. Whoever could set it would be whoever she says."""
    finding.expect(
        "the header of the client's address is put in the place of what a client sends, and nowhere else set"
    )

    def wrong(row: Row) -> list[str]:
        added = row.get("headerAction", {}).get("requestHeadersToAdd", [])
        ours = [one for one in added if one.get("headerName", "").lower() == CLIENT]
        right = len(ours) == 1 and ours[0].get("headerValue") == VALUE and ours[0].get("replace") is True
        inner = str(row.get("pathMatchers", "")).lower() + str(row.get("defaultRouteAction", "")).lower()
        return ([] if right else ["not set, or beside what a client sends"]) + (
            ["set by a path"] if CLIENT in inner else []
        )

    seen = {f"map {row['name']}": wrong(row) for row in maps(gcp)}
    for row in services(gcp):
        set_ = [one for one in row.get("customRequestHeaders", []) if one.lower().partition(":")[0].strip() == CLIENT]
        seen[f"service {row['name']}"] = ["set by the service"] if set_ else []
    judge_front(gcp, finding, seen, is_empty, "part of the load balancer")


@pytest.mark.control("gcp.balancer-keeps-nothing")
def test_no_answer_is_kept_by_the_balancer(gcp, finding):
    finding.expect("Cloud CDN is off: a copy would lie in any country")
    seen = by_name(services(gcp), lambda row: "kept" if row.get("enableCDN") else "not kept")
    judge_front(gcp, finding, seen, lambda said: said == "not kept", "backend service")


@pytest.mark.control("gcp.balancer-logged")
def test_every_request_is_written_down(gcp, finding):
    finding.expect("logs on, and of every request")
    seen = by_name(services(gcp), lambda row: [row.get("logConfig", {}).get(one) for one in ("enable", "sampleRate")])
    judge_front(gcp, finding, seen, lambda said: said[0] is True and said[1] in (None, 1), "backend service")


@pytest.mark.control("gcp.armor-in-front")
def test_cloud_armor_stands_before_the_edge(gcp, finding):
    finding.expect("each backend service has a security policy")
    there = {row["selfLink"] for row in policies(gcp)}
    seen = by_name(services(gcp), lambda row: row.get("securityPolicy") in there)
    judge_front(gcp, finding, seen, is_true, "backend service")


@pytest.mark.control("gcp.armor-refuses")
def test_attacks_are_refused_and_not_only_counted(gcp, finding):
    """A rule in preview writes down what it would do: https://cloud.google.com/armor/docs/security-policy-overview#preview_mode."""
    finding.expect(f"each policy refuses: {', '.join(ATTACKS)}; no rule only counts")

    def wrong(row: Row) -> list[str]:
        rules = [one for one in row.get("rules", []) if str(one.get("action")).startswith("deny")]
        counted = [f"rule {one['priority']} only counts" for one in row.get("rules", []) if one.get("preview")]
        weak = [f"rule {one['priority']} has exceptions" for one in rules if _exceptions(one)]
        text = " ".join(one.get("match", {}).get("expr", {}).get("expression", "") for one in rules)
        return (
            [f"{name} not looked for" for name in ATTACKS if f"evaluatePreconfiguredWaf('{name}-" not in text]
            + counted
            + weak
        )

    judge_front(gcp, finding, by_name(policies(gcp), wrong), is_empty, "security policy")


def _exceptions(rule: Row) -> bool:
    return bool(rule.get("preconfiguredWafConfig", {}).get("exclusions"))


@pytest.mark.control("gcp.armor-clients-as-declared")
def test_nobody_is_let_in_but_who_is_declared(gcp, finding):
    finding.expect(f"let in: {', '.join(gcp.sheet.clients) or 'nobody'}; everybody else refused by the last rule")

    def wrong(row: Row) -> list[str]:
        found = []
        for one in row.get("rules", []):
            if one.get("action") not in LETS_IN:
                continue
            match = one.get("match", {})
            ranges = match.get("config", {}).get("srcIpRanges", []) if match.get("versionedExpr") else ["whoever fits"]
            found += [each for each in ranges if not _declared(each, gcp.sheet.clients)]
        last_ = [one.get("action") for one in row.get("rules", []) if one.get("priority") == LAST]
        return found + ([] if last_ and str(last_[0]).startswith("deny") else ["everybody else"])

    judge_front(gcp, finding, by_name(policies(gcp), wrong), is_empty, "security policy")


def _declared(network: str, clients: tuple[str, ...]) -> bool:
    if network == "whoever fits":
        return False
    return covered(EVERYBODY if network == "*" else network, clients)


@pytest.mark.control("gcp.armor-limits")
def test_nobody_asks_without_end(gcp, finding):
    finding.expect("whoever is let in is held to a number of requests, by address")

    def wrong(row: Row) -> list[str]:
        free = [one for one in row.get("rules", []) if one.get("action") in ("allow", "redirect")]
        limited = [one for one in row.get("rules", []) if one.get("rateLimitOptions")]
        together = [one for one in limited if one["rateLimitOptions"].get("enforceOnKey") not in ("IP", "XFF_IP")]
        return [f"rule {one['priority']}" for one in (*free, *together)]

    judge_front(gcp, finding, by_name(policies(gcp), wrong), is_empty, "security policy")


@pytest.mark.control("gcp.armor-logs-no-content")
def test_what_was_sent_is_not_written_down(gcp, finding):
    """Verbose logs have the part of a request that a rule matched: https://cloud.google.com/armor/docs/verbose-logging."""
    finding.expect("policies do not log verbosely, and no header of a request or an answer is logged")
    seen = {
        f"policy {row['name']}": ["verbose"]
        if row.get("advancedOptionsConfig", {}).get("logLevel") == "VERBOSE"
        else []
        for row in policies(gcp)
    }
    for row in services(gcp):
        log = row.get("logConfig", {})
        kinds = ("loggingHttpRequestHeaders", "loggingHttpResponseHeaders")
        seen[f"service {row['name']}"] = [str(one.get("headerName")) for kind in kinds for one in log.get(kind, [])]
    judge_front(gcp, finding, seen, is_empty, "part of the load balancer")
