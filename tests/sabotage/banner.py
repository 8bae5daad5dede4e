"""A way to say nothing before login."""

SABOTAGE = {
    "banner.shown": "echo Welcome >/etc/issue.net",
}

TOGETHER = True
