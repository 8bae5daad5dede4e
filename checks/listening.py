"""Which addresses a host listens on, as `ss` lists them."""

from __future__ import annotations

LISTENERS = "ss -Hltn"


def addresses_of(listing: str, port: int) -> set[str]:
    """Return the addresses that listen on a TCP port; "*", "0.0.0.0" and "[::]" mean all of them."""
    found = set()
    for line in listing.splitlines():
        address, _, number = line.split()[3].rpartition(":")
        if number == str(port):
            found.add(address.strip("[]").partition("%")[0])
    return found
