"""Ways to spoil the order of records."""

SABOTAGE = {
    # chronyd tells the kernel that the clock is on its own until a source has answered.
    "time.synchronised": "sed -i '/^server /d; /^pool /d; /^sourcedir /d' /etc/chrony/chrony.conf;"
    " systemctl restart chrony.service",
    "time.utc": "ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime",
}

SETTLE = {"time.synchronised": "chronyc waitsync 30 0 0 2"}

TOGETHER = True
