"""Doors that only a look from outside shows."""

TABLE = "inet hedgerow"
# Not one of our names: each of those has a bound (services.confined).
LISTENER = "stray-listener"

SABOTAGE = {
    "outside.only-declared-ports": f"systemd-run --quiet --collect --unit={LISTENER} python3 -m http.server 8081;"
    f" nft insert rule {TABLE} input tcp dport 8081 accept",
    "outside.data-tier-closed": f"nft insert rule {TABLE} input tcp dport '{{ 5432, 6379 }}' accept",
    "outside.ssh-closed-to-strangers": f"nft insert rule {TABLE} input ip saddr 0.0.0.0/0 tcp dport 22 accept",
}

# A port that is open where it should not be is also open without being declared.
COMPANIONS = {
    "outside.data-tier-closed": {"outside.only-declared-ports"},
    "outside.ssh-closed-to-strangers": {"outside.only-declared-ports", "firewall.ssh-sources"},
}

# A stray process is for whoever started it to end; that nobody reaches it is ours.
MEND = {"outside.only-declared-ports": f"systemctl stop {LISTENER}"}

TOGETHER = True
