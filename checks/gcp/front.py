"""A load balancer's parts, found from what it leads to: who made them does not matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checks.gcp.found import Row, judge, last
from hedgerow.checking import Finder, NotExercised
from hedgerow.gcp_reading import Asker


def services(gcp: Asker) -> list[Row]:
    """Return the backend services that are ours, or that lead to a group of ours."""
    return [row for row in gcp.every("compute.backendServices.list") if gcp.mine(row) or _leads_here(gcp, row)]


def _leads_here(gcp: Asker, row: Row) -> bool:
    return any(gcp.mine({"name": last(one.get("group", ""))}) for one in row.get("backends", []))


def maps(gcp: Asker) -> list[Row]:
    """Return the maps that have one of those services anywhere in them."""
    links = [row["selfLink"] for row in services(gcp)]
    return [row for row in gcp.every("compute.urlMaps.list") if any(f"'{link}'" in str(row) for link in links)]


def proxies(gcp: Asker, kind: str = "Https") -> list[Row]:
    """Return the proxies of a kind, Http or Https, that ask one of those maps."""
    links = {row["selfLink"] for row in maps(gcp)}
    return [row for row in gcp.every(f"compute.target{kind}Proxies.list") if row.get("urlMap") in links]


def addresses(gcp: Asker) -> dict[str, tuple[Row, bool]]:
    """Return the forwarding rules by name, each with whether TLS is spoken there."""
    spoken = {row["selfLink"]: True for row in proxies(gcp)} | {row["selfLink"]: False for row in proxies(gcp, "Http")}
    rows = gcp.every("compute.globalForwardingRules.list")
    return {row["name"]: (row, spoken[row["target"]]) for row in rows if row.get("target") in spoken}


def policies(gcp: Asker) -> list[Row]:
    """Return the policies of Cloud Armor that stand before those services, and those of ours that stand before none."""
    used = {row.get("securityPolicy") for row in services(gcp)}
    return [row for row in gcp.every("compute.securityPolicies.list") if row["selfLink"] in used or gcp.mine(row)]


def judge_front(gcp: Asker, finding: Finder, seen: Mapping[str, Any], right: Callable[[Any], bool], what: str) -> None:
    """Judge what is there. Raises NotExercised where there is nothing, and none is declared."""
    if not seen and not gcp.sheet.balancer:
        raise NotExercised("no load balancer is declared, and none leads to the deployment")
    judge(gcp, finding, seen, right, what)
