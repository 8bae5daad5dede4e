"""Security policies of Cloud Armor: what a rule may say, and how rules are set one by one.

https://cloud.google.com/armor/docs/security-policy-overview and https://cloud.google.com/armor/docs/configure-security-policies.
"""

from __future__ import annotations

import copy
import ipaddress
import re
from typing import Any

from ..asked import Asked
from ..errors import RefusedError, invalid
from . import rows
from .effect import Effect

DEFAULT = 2147483647
ACTIONS = re.compile(r"allow|deny\((403|404|502)\)|throttle|rate_based_ban|redirect")
EXCEEDED = re.compile(r"deny\((403|404|429|502)\)|redirect")
TOGETHER = 10  # https://cloud.google.com/armor/quotas, IP ranges a rule
LONGEST, PARTS, REGEX = 2048, 5, 1024  # the same page: an expression, its subexpressions, one regular expression
# https://cloud.google.com/armor/docs/waf-rules, CRS 3.3
SETS = {
    f"{name}-v33-{state}"
    for name in (
        *("sqli", "xss", "lfi", "rfi", "rce", "methodenforcement", "scannerdetection", "protocolattack", "php"),
        *("sessionfixation", "java", "nodejs"),
    )
    for state in ("stable", "canary")
} | {"cve-canary", "json-sqli-canary"}
INTERVALS = {10, 30, 60, 120, 180, 240, 270, 300, 600, 900, 1200, 1800, 2700, 3600}
"""Seconds over which requests are counted (https://cloud.google.com/armor/docs/rate-limiting-overview)."""
MOST = 1_000_000


def policy(asked: Asked, row: dict[str, Any], where: str) -> Effect:
    """A policy and its rules. Without a last rule it has one that lets everybody in (the schema's `rules`)."""
    if asked.action == "patch" and "rules" in asked.body:
        raise RefusedError(400, "Rules cannot be updated by patch: use addRule, patchRule and removeRule.", "invalid")
    row.setdefault("type", "CLOUD_ARMOR")
    if row["type"] != "CLOUD_ARMOR":
        raise RefusedError(501, f"The fake does not model policies of type {row['type']}.", "notImplemented")
    given = row.get("rules", [])
    priorities = [one.get("priority") for one in given]
    if len(set(priorities)) != len(priorities):
        raise RefusedError(400, "Cannot have rules with the same priorities.", "invalid")
    if DEFAULT not in priorities:
        given = [*given, {"priority": DEFAULT, "action": "allow", "match": _everybody()}]
    row["rules"] = [rule(one) for one in given]
    return Effect()


def _everybody() -> dict[str, Any]:
    return {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ["*"]}}


def rule(given: dict[str, Any]) -> dict[str, Any]:
    """Return a rule with what Google fills in; refused where it says what none may."""
    made = {"kind": "compute#securityPolicyRule", "preview": False, "description": "", **given}
    priority, action = made.get("priority"), made.get("action")
    if not isinstance(priority, int) or not 0 <= priority <= DEFAULT:
        raise invalid("resource.priority", priority, "Must be between 0 and 2147483647.")
    if not ACTIONS.fullmatch(str(action)):
        raise invalid("resource.action", action, "Is no action.")
    _match(made.get("match") or {}, priority)
    if (action in ("throttle", "rate_based_ban")) != bool(made.get("rateLimitOptions")):
        raise invalid("resource.rateLimitOptions", made.get("rateLimitOptions"), f"Does not go with {action}.")
    if action == "throttle":
        _rate(made["rateLimitOptions"])
    return made


def _match(match: dict[str, Any], priority: int) -> None:
    ranges, expression = match.get("versionedExpr"), match.get("expr")
    if bool(ranges) == bool(expression):
        raise invalid("resource.match", match, "Exactly one of versionedExpr and expr must be specified.")
    if expression:
        if priority == DEFAULT:
            raise invalid("resource.match", match, "The default rule matches everybody.")
        _expression(str(expression.get("expression", "")))
        return
    given = match.get("config", {}).get("srcIpRanges", [])
    if not given or len(given) > TOGETHER:
        raise invalid("resource.match.config.srcIpRanges", given, f"Must have between 1 and {TOGETHER} ranges.")
    if priority == DEFAULT and given != ["*"]:
        raise invalid("resource.match", match, "The default rule matches everybody.")
    for one in given:
        try:
            ipaddress.ip_network(one if one != "*" else "0.0.0.0/0")
        except ValueError as wrong:
            raise invalid("resource.match.config.srcIpRanges", one, "Must be a valid CIDR range.") from wrong


def _expression(text: str) -> None:
    """The parts of an expression that policies of ours have; what else there is is not modelled, and said so."""
    if not text or len(text) > LONGEST:
        raise invalid("resource.match.expr.expression", text[:40], f"Must have between 1 and {LONGEST} characters.")
    parts = text.split(" && ")
    if len(parts) > PARTS:
        raise invalid("resource.match.expr.expression", text[:40], f"Must have at most {PARTS} subexpressions.")
    for part in parts:
        waf = re.fullmatch(r"evaluatePreconfiguredWaf\('([a-z0-9-]+)'(?:, \{'sensitivity': ([0-9])\})?\)", part)
        path = re.fullmatch(r"!?request\.path\.matches\('(.+)'\)", part)
        if waf:
            if waf[1] not in SETS or int(waf[2] or 4) > 4:
                raise invalid("resource.match.expr.expression", part, "There is no such preconfigured expression set.")
        elif path:
            if len(path[1]) > REGEX:
                raise invalid("resource.match.expr.expression", part[:40], f"A pattern has at most {REGEX} characters.")
            try:
                re.compile(path[1])
            except re.error as wrong:
                raise invalid("resource.match.expr.expression", part, "Is no regular expression.") from wrong
        else:
            raise RefusedError(501, f"The fake does not model the expression {part}", "notImplemented")


def _rate(options: dict[str, Any]) -> None:
    """https://cloud.google.com/armor/docs/rate-limiting-overview."""
    threshold = options.get("rateLimitThreshold", {})
    if options.get("conformAction") != "allow" or not EXCEEDED.fullmatch(str(options.get("exceedAction"))):
        raise invalid(
            "resource.rateLimitOptions", options, "What conforms is allowed, what exceeds denied or redirected."
        )
    if not 1 <= threshold.get("count", 0) <= MOST or threshold.get("intervalSec") not in INTERVALS:
        raise invalid("resource.rateLimitOptions.rateLimitThreshold", threshold, "Is no threshold.")


def set_rule(asked: Asked) -> dict[str, Any]:
    """Add, patch or remove one rule: the methods' descriptions."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    there = {one["priority"]: one for one in row["rules"]}
    priority = int(asked.one("priority", "0")) if asked.action != "addRule" else asked.body.get("priority")
    if asked.action == "addRule" and priority in there:
        raise RefusedError(400, "Cannot have rules with the same priorities.", "invalid")
    if asked.action != "addRule" and priority not in there:
        raise invalid("priority", priority, "The policy has no rule with this priority.")
    if asked.action == "removeRule":
        if priority == DEFAULT:
            raise RefusedError(400, "The default rule cannot be removed.", "invalid")
        del there[priority]
    elif asked.action == "patchRule":
        there[priority] = rule(rows.merge(copy.deepcopy(there[priority]), asked.body))
    else:
        there[priority] = rule(asked.body)
    left = [there[one] for one in sorted(there)]
    return rows.change(asked, where, lambda made: made.update(rules=left))


SPECIAL = {f"securityPolicies.{name}Rule": set_rule for name in ("add", "patch", "remove")}
