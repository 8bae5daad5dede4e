"""Ways to do something to a host without anybody learning who did it.

The kernel's rules are locked, so a change of them takes effect when the host starts again, and so does its mending.
"""

RULES = "/etc/audit/rules.d/50-hedgerow.rules"
WITHOUT_RULES = ("identity", "privilege", "time", "network", "permissions", "refusals", "deletion", "modules", "stack")


def without(key: str) -> str:
    """Return the command after which the host starts without the rules of a key."""
    return f"sed -i '/key={key}$/d' {RULES}"


SABOTAGE = {
    "audit.running": "systemctl stop auditd.service",
    "audit.private": "chmod 755 /var/log/audit",
    "audit.locked": "echo '-w /etc/motd -p wa -k motd' >/etc/audit/rules.d/60-motd.rules",
} | {f"audit.{key}": without(key) for key in WITHOUT_RULES}

RESTART = {f"audit.{key}" for key in WITHOUT_RULES}
TOGETHER = True
