"""The lab's nftables table, and its way through the tables of others."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from hedgerow.targets.lab.commands import SYSTEM_PATH, attempt, run
from hedgerow.targets.lab.names import Network

LEGACY_TABLES = Path("/proc/net/ip_tables_names")


@dataclass(frozen=True)
class Chain:
    """Somebody else's chain that drops what is forwarded. `owned`: only its owner may change it."""

    family: str
    table: str
    name: str
    owned: bool = False


def rules(network: Network) -> str:
    """Return the lab's own table. Naming it before the delete makes that succeed where there was none.

    Lab hosts may reach anything; nobody but the controller and its second address on the
    bridge, neither of which is forwarded, may reach them: another lab's hosts neither.
    """
    table, bridge = network.table, network.bridge
    return f"""
table ip {table}
delete table ip {table}
table ip {table} {{
  chain leaving {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {network.subnet} oifname != "{bridge}" masquerade
  }}
  chain passing {{
    type filter hook forward priority filter; policy accept;
    iifname "{bridge}" accept
    oifname "{bridge}" ct state established,related accept
    oifname "{bridge}" drop
  }}
}}
"""


def closed_chains(ruleset: list[dict]) -> list[Chain]:
    """Find the forward chains that drop or reject, in the output of `nft -j list ruleset`.

    Docker and ufw set the policy of theirs to drop, firewalld ends its own with a reject. An
    accept in our table does not help there: a packet has to pass every base chain
    (nft(8), "accept").
    """
    owned = {
        (item["table"]["family"], item["table"]["name"])
        for item in ruleset
        # nft 1.0.6 calls it "owned" here, and the manual, as its input, "owner".
        if "own" in str(item.get("table", {}).get("flags", ""))
    }
    refusing = {
        (item["rule"]["family"], item["rule"]["table"], item["rule"]["chain"])
        for item in ruleset
        if "rule" in item and any("drop" in part or "reject" in part for part in item["rule"]["expr"])
    }
    found = []
    for item in ruleset:
        chain = item.get("chain", {})
        if chain.get("hook") != "forward" or chain["family"] not in ("ip", "inet"):
            continue
        if chain["table"].startswith("hedgerow_lab_"):
            continue
        place = (chain["family"], chain["table"], chain["name"])
        if chain.get("policy") == "drop" or place in refusing:
            found.append(Chain(*place, owned=place[:2] in owned))
    return found


def passes(ruleset: list[dict], network: Network) -> list[tuple[Chain, int]]:
    """Find the rules that this lab has put into the chains of others, with their handles."""
    return [
        (Chain(rule["family"], rule["table"], rule["chain"]), rule["handle"])
        for rule in (item["rule"] for item in ruleset if "rule" in item)
        if rule.get("comment") == network.table
    ]


def read() -> list[dict]:
    return json.loads(run(["nft", "-j", "-a", "list", "ruleset"]))["nftables"]


def has_table(network: Network) -> bool:
    return attempt(["nft", "list", "table", "ip", network.table])[0] == 0


def set_up(network: Network) -> None:
    """Make the lab's table, and let the lab through the chains that would drop it."""
    if not has_table(network):
        run(["nft", "-f", "-"], feed=rules(network))
    ruleset = read()
    open_already = {chain for chain, _ in passes(ruleset, network)}
    mark = f'comment "{network.table}"'
    for chain in closed_chains(ruleset):
        if chain in open_already or chain.owned:
            continue
        where = f"insert rule {chain.family} {chain.table} {chain.name}"
        lines = [
            f'{where} oifname "{network.bridge}" ct state established,related accept {mark}',
            f'{where} iifname "{network.bridge}" accept {mark}',
        ]
        run(["nft", "-f", "-"], feed="\n".join(lines) + "\n")


def take_down(network: Network) -> bool:
    """Remove the lab's table and its rules elsewhere. True where there was a table."""
    if shutil.which("nft", path=SYSTEM_PATH) is None:
        return False  # then no lab was ever set up here
    for chain, handle in passes(read(), network):
        run(["nft", "delete", "rule", chain.family, chain.table, chain.name, "handle", str(handle)])
    if not has_table(network):
        return False
    run(["nft", "delete", "table", "ip", network.table])
    return True


def problems(bridge: str) -> list[str]:
    """Say which firewall on this controller would drop the lab's packets whatever we do."""
    found = [
        f"the firewall table {chain.family} {chain.table} drops what is forwarded and only its owner may change it: "
        f"let {bridge} through there (with firewalld: firewall-cmd --zone=trusted --add-interface={bridge})"
        for chain in closed_chains(read())
        if chain.owned
    ]
    if LEGACY_TABLES.exists() and "filter" in LEGACY_TABLES.read_text().split():
        # nft cannot see what the old interface keeps.
        status, output, _ = attempt(["iptables-legacy", "-S", "FORWARD"])
        if status == 0 and "-P FORWARD DROP" in output and bridge not in output:
            found.append(
                "iptables-legacy drops what is forwarded here: "
                f"iptables-legacy -I FORWARD -i {bridge} -j ACCEPT; iptables-legacy -I FORWARD -o {bridge} -j ACCEPT"
            )
    return found
