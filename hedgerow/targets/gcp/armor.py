"""The rules of Cloud Armor, from a dated file and the declared networks. Pure.

The first rule that matches a request decides. What looks like an attack is refused; who is on a list of the declaration
comes in, and not too often; the last rule refuses the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("armor.yml")
LAST = 2147483647
"""The priority of the rule that every policy has (https://cloud.google.com/armor/docs/security-policy-overview)."""
FIRST_SET, FIRST_LIST = 1000, 2000
TOGETHER = 10
"""Networks that one rule can name (https://cloud.google.com/armor/quotas)."""
EVERYBODY = "0.0.0.0/0"
Rule = dict[str, Any]


@cache
def said() -> dict[str, Any]:
    """Return the file."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def below(paths: Sequence[str]) -> str:
    """Return an expression that is true at these paths and below them.

    A path with a dot or an encoded character in it never is: it may mean another one (`/e/../login`).
    """
    names = "|".join(re.escape(one.lstrip("/")).replace("\\-", "-") for one in paths)
    return f"request.path.matches('^/(?:{names})(?:/[A-Za-z0-9_-]+)*/?$')"


def rules(networks: Sequence[str], *, preview: bool = False) -> list[Rule]:
    """Return the rules by priority; `networks` are those that may come in at all, IPv4.

    With `preview` what looks like an attack is written down and let through.
    """
    found = [_attack(FIRST_SET + 10 * place, one) | {"preview": preview} for place, one in enumerate(said()["sets"])]
    ranges = ["*"] if EVERYBODY in networks else list(networks)
    for place in range(0, len(ranges), TOGETHER):
        found.append(_let_in(FIRST_LIST + place, ranges[place : place + TOGETHER]))
    return [*found, _rule(LAST, "deny(403)", "nobody else", _from(["*"]))]


def _attack(priority: int, one: dict[str, Any]) -> Rule:
    sensitivity, exempt = said()["sensitivity"], said()["exempt"]
    looks = [f"evaluatePreconfiguredWaf('{one['name']}', {{'sensitivity': {sensitivity}}})"]
    looks += [f"!{below(exempt[name]['paths'])}" for name in one["not_at"]]
    rule = _rule(priority, "deny(403)", one["refuses"], {"expr": {"expression": " && ".join(looks)}})
    return rule | {"preconfiguredWafConfig": {"exclusions": []}}


def _let_in(priority: int, ranges: list[str]) -> Rule:
    rate = said()["rate"]
    options = {
        "conformAction": "allow",
        "exceedAction": "deny(429)",
        "enforceOnKey": "IP",
        "rateLimitThreshold": {"count": rate["count"], "intervalSec": rate["seconds"]},
    }
    return _rule(priority, "throttle", "declared networks", _from(ranges)) | {"rateLimitOptions": options}


def _from(ranges: list[str]) -> Rule:
    return {"versionedExpr": "SRC_IPS_V1", "config": {"srcIpRanges": ranges}}


def _rule(priority: int, action: str, what: str, match: Rule) -> Rule:
    return {"priority": priority, "action": action, "description": what, "match": match, "preview": False}
