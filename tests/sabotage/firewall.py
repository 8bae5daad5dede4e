"""Ways through the firewall: rules that an intruder would add to the running ones."""

TABLE = "inet hedgerow"

SABOTAGE = {
    "firewall.input-dropped": f"nft add rule {TABLE} input accept",
    "firewall.output-dropped": f"nft insert rule {TABLE} output accept",
    "firewall.forward-dropped": f"nft insert rule {TABLE} forward accept",
    "firewall.at-boot": "systemctl --quiet disable nftables.service",
    "firewall.logs-drops": f"nft -a list chain {TABLE} input | sed -n 's/.* log prefix.* # handle //p'"
    f" | xargs -n 1 nft delete rule {TABLE} input handle",
    "firewall.ssh-sources": f"nft insert rule {TABLE} input ip saddr 198.51.100.0/24 tcp dport 22 accept",
    "firewall.ipv6-same": f"nft insert rule {TABLE} input meta nfproto ipv6 accept",
}

# With the default policy gone everything that listens is open, the host's own SSH to its containers too.
COMPANIONS = {
    "firewall.input-dropped": {
        "containers.kept-apart",
        "containers.no-egress",
        "outside.only-declared-ports",
        "outside.data-tier-closed",
        "outside.ssh-closed-to-strangers",
    },
    "firewall.forward-dropped": {"containers.no-egress", "containers.kept-apart", "posthog.mail-relay"},
    "firewall.output-dropped": {"containers.no-egress"},
}

TOGETHER = True
