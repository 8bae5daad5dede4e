"""Ways to lose the record, or to show it."""

FOLDER = "/etc/systemd/journald.conf.d"


def setting(name: str, *lines: str) -> str:
    """Return the command that makes journald run with these settings; systemd keeps the last value it reads."""
    words = " ".join(f"'{line}'" for line in ("[Journal]", *lines))
    return f"printf '%s\\n' {words} >{FOLDER}/zzz-{name}.conf; systemctl restart systemd-journald.service"


SABOTAGE = {
    "journal.kept-six-years": setting("short", "MaxRetentionSec=1month"),
    "journal.rate-not-lossy": setting("lossy", "RateLimitIntervalSec=30s", "RateLimitBurst=100"),
    "journal.bounded": setting("boundless", "SystemMaxUse=1T"),
    "journal.private": "chmod -R o+rX /var/log/journal",
    "journal.persistent": setting("volatile", "Storage=volatile"),
}

TOGETHER = True
