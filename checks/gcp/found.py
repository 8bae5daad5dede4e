"""What belongs to the deployment, found by its label or name or by what its things refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from checks.judging import judge as _judge
from hedgerow.checking import Finder
from hedgerow.gcp_reading import Asker

Row = dict[str, Any]
PUBLIC = {"allUsers", "allAuthenticatedUsers"}


def judge(gcp: Asker, finding: Finder, seen: Mapping[str, Any], right: Callable[[Any], bool], what: str) -> None:
    """Write down what was seen, by name; fail where one is not right, and where there is none at all."""
    _judge(finding, seen, right, what, gcp.masked)


def last(link: str) -> str:
    """Return the last part of a link: the thing's own name."""
    return link.rpartition("/")[2]


def instances(gcp: Asker) -> list[Row]:
    """Return the deployment's machines."""
    return [row for row in gcp.every("compute.instances.list") if gcp.mine(row)]


def networks(gcp: Asker) -> list[Row]:
    """Return the deployment's networks: those of its name, and those that its machines lie in."""
    used = {last(card["network"]) for row in instances(gcp) for card in row.get("networkInterfaces", [])}
    return [row for row in gcp.every("compute.networks.list") if gcp.mine(row) or row["name"] in used]


def in_networks(gcp: Asker, name: str) -> list[Row]:
    """Return all of one kind that lies in the deployment's networks, whoever made it."""
    lying = {row["name"] for row in networks(gcp)}
    return [row for row in gcp.every(name) if last(row.get("network", "")) in lying]


def disks(gcp: Asker) -> list[Row]:
    """Return the deployment's disks: those that bear its label, and those of its machines."""
    used = {last(one["source"]) for row in instances(gcp) for one in row.get("disks", []) if "source" in one}
    return [row for row in gcp.every("compute.disks.list") if gcp.mine(row) or row["name"] in used]


def snapshots(gcp: Asker) -> list[Row]:
    """Return the snapshots of the deployment's disks, and those that bear its label."""
    of = {row["name"] for row in disks(gcp)}
    return [
        row for row in gcp.every("compute.snapshots.list") if gcp.mine(row) or last(row.get("sourceDisk", "")) in of
    ]


def rings(gcp: Asker) -> list[Row]:
    """Return the deployment's rings of keys."""
    return [row for row in gcp.every("cloudkms.keyRings.list") if gcp.mine(row)]


def keys(gcp: Asker) -> list[Row]:
    """Return the keys in the deployment's rings."""
    return [row for ring in rings(gcp) for row in gcp.every("cloudkms.cryptoKeys.list", ring["name"])]


def ours(gcp: Asker, key: str | None) -> bool:
    """Tell whether a key, or one of its versions, is one of the deployment's."""
    return bool(key) and str(key).partition("/cryptoKeyVersions/")[0] in {row["name"] for row in keys(gcp)}


def buckets(gcp: Asker) -> list[Row]:
    """Return the deployment's buckets."""
    return [row for row in gcp.every("storage.buckets.list") if gcp.mine(row)]


def sinks(gcp: Asker) -> list[Row]:
    """Return the project's sinks of logs that lead into a bucket of the deployment's."""
    places = {f"storage.googleapis.com/{row['name']}" for row in buckets(gcp)}
    return [row for row in gcp.every("logging.sinks.list") if row.get("destination") in places]


def record_buckets(gcp: Asker) -> set[str]:
    """Return the names of the buckets that logs are written to."""
    return {last(row["destination"]) for row in sinks(gcp)}


def accounts(gcp: Asker) -> set[str]:
    """Return the addresses of the accounts that the deployment's machines are."""
    return {one["email"] for row in instances(gcp) for one in row.get("serviceAccounts", [])}


def bindings(policy: Row) -> list[tuple[str, list[str]]]:
    """Return each role of a policy with who has it."""
    return [(row["role"], row.get("members", [])) for row in policy.get("bindings", [])]


def open_to_everybody(policy: Row) -> list[str]:
    """Return what a policy gives to whoever asks, or to whoever has any account of Google's."""
    return [f"{role} to {who}" for role, members in bindings(policy) for who in members if who in PUBLIC]


def metadata(row: Row) -> dict[str, str]:
    """Return metadata's items as a mapping."""
    return {one["key"]: one.get("value", "") for one in row.get("items", [])}


def says_yes(value: str | None) -> bool:
    """Tell whether a switch in metadata is on: https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#boolean."""
    return str(value).strip().lower() in ("true", "y", "yes", "1")


def by_name(rows: Iterable[Row], read: Callable[[Row], Any]) -> dict[str, Any]:
    """Return what `read` says of each, by its name."""
    return {last(row["name"]): read(row) for row in rows}
