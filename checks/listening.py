"""Which addresses a host listens on."""

from __future__ import annotations


def addresses_of(listing: str, port: int) -> set[str]:
    """Return the addresses that listen on a TCP port, by `ss -tulpnH`; "*", "0.0.0.0" and "::" mean all of them."""
    found = set()
    for line in listing.splitlines():
        kind, _, _, _, local, *_ = line.split()
        address, _, number = local.rpartition(":")
        if kind == "tcp" and number == str(port):
            found.add(address.partition("%")[0].strip("[]"))
    return found
