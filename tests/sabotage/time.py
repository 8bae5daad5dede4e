"""A way to spoil the order of records."""

SABOTAGE = {
    "time.utc": "ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime",
}

TOGETHER = True
