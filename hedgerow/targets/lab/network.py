"""A lab's network: a bridge, an nftables table, and the kernel's permission to forward."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

from hedgerow.targets.lab import firewall
from hedgerow.targets.lab.commands import attempt, run
from hedgerow.targets.lab.names import Network, hardware_address
from hedgerow.targets.lab.places import Places, locked, write

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def taken_networks() -> list[IPv4Network]:
    """Return the networks this controller has an address in or a route to."""
    found = []
    for route in json.loads(run(["ip", "-4", "-j", "route", "show", "table", "all"])):
        # Loopback and broadcast addresses are in the "local" table, each under its own network's route.
        if route["dst"] != "default":
            found.append(IPv4Network(route["dst"], strict=False))
    for link in json.loads(run(["ip", "-4", "-j", "address"])):
        found += [IPv4Network(f"{own['local']}/{own['prefixlen']}", strict=False) for own in link["addr_info"]]
    return found


def bridge_addresses(network: Network) -> list[str] | None:
    """Return the bridge's IPv4 addresses, or None where there is no such bridge."""
    status, output, _ = attempt(["ip", "-4", "-j", "address", "show", "dev", network.bridge])
    if status != 0:
        return None
    return [own["local"] for link in json.loads(output) for own in link.get("addr_info", [])]


def has_bridge(network: Network) -> bool:
    addresses = bridge_addresses(network)
    return addresses is not None and {network.controller, network.stranger} <= set(addresses)


def forwards(places: Places) -> bool:
    return places.forward.read_text().strip() == "1"


def set_up(network: Network, holder: str, places: Places) -> None:
    """Make what is missing; what is there stays as it is."""
    if bridge_addresses(network) is None:
        # An address of its own: a bridge that was given none takes a port's, and changes it when hosts come and go.
        run(["ip", "link", "add", network.bridge, "address", hardware_address(network.bridge), "type", "bridge"])
    for address in (network.controller, network.stranger):
        if address not in (bridge_addresses(network) or []):
            run(["ip", "address", "add", f"{address}/{network.subnet.prefixlen}", "dev", network.bridge])
    run(["ip", "link", "set", network.bridge, "up"])
    firewall.set_up(network)
    hold_forwarding(holder, places)


def take_down(network: Network, holder: str, places: Places) -> list[tuple[str, str]]:
    """Remove what is there and return it as (kind, name)."""
    removed = []
    if firewall.take_down(network):
        removed.append(("firewall table", network.table))
    if bridge_addresses(network) is not None:
        run(["ip", "link", "delete", network.bridge])
        removed.append(("bridge", network.bridge))
    if release_forwarding(holder, places):
        removed.append(("sysctl", "net.ipv4.ip_forward"))
    return removed


def hold_forwarding(holder: str, places: Places) -> None:
    """Let the kernel forward for this lab, and remember what it did before the first lab came."""
    with locked(places.run / "forwarding.lock"):
        record = forwarding(places)
        if holder not in record["holders"]:
            record["holders"].append(holder)
            write(places.run / "forwarding.json", json.dumps(record))
        places.forward.write_text("1")


def release_forwarding(holder: str, places: Places) -> bool:
    """Let go; the last lab to do so puts back what was before. True where it was put back."""
    with locked(places.run / "forwarding.lock"):
        record = forwarding(places)
        # A lab whose folder somebody removed by hand will never let go.
        held = [other for other in record["holders"] if other != holder and Path(other).is_dir()]
        if held == record["holders"]:
            return False
        if held:
            write(places.run / "forwarding.json", json.dumps({**record, "holders": held}))
            return False
        places.forward.write_text(record["before"])
        (places.run / "forwarding.json").unlink(missing_ok=True)
        return record["before"] != "1"


def forwarding(places: Places) -> dict:
    """Return who holds forwarding and what it was before; a record from before a reboot says nothing."""
    boot = BOOT_ID.read_text().strip()
    path = places.run / "forwarding.json"
    if path.exists():
        record = json.loads(path.read_text())
        if record["boot"] == boot:
            return record
    return {"boot": boot, "before": places.forward.read_text().strip(), "holders": []}
