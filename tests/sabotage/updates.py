"""Ways to keep updates from coming."""

KEPT = "/usr/lib/os-release.kept"

SABOTAGE = {
    "updates.automatic": "systemctl disable --now --quiet apt-daily-upgrade.timer",
    "updates.none-overdue": "touch --date='10 days ago' /run/reboot-required",
    "updates.supported-release": f"cp /usr/lib/os-release {KEPT};"
    " sed -i 's/^VERSION_ID=.*/VERSION_ID=\"11\"/' /usr/lib/os-release",
}

# Converge restarts no host by itself, and the release is the distribution's to name.
MEND = {
    "updates.none-overdue": "rm /run/reboot-required",
    "updates.supported-release": f"mv {KEPT} /usr/lib/os-release",
}

TOGETHER = True

# Its name stands in a file of a package's.
COMPANIONS = {"updates.supported-release": {"packages.unmodified"}}
