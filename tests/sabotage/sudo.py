"""Ways to power, and around its record."""

FOLDER = "/etc/sudoers.d"

SABOTAGE = {
    "sudo.uses-pty": f"echo 'Defaults !use_pty' >{FOLDER}/99-pty",
    "sudo.logged": f"echo 'Defaults !syslog' >{FOLDER}/99-silent",
    "sudo.scope": "echo \"$(getent group hedgerow-admins | sed 's/.*://; s/,.*//') ALL=(root) NOPASSWD: /usr/bin/id\""
    f" >{FOLDER}/99-more",
    "sudo.no-strangers": f"echo 'games ALL=(ALL) NOPASSWD: ALL' >{FOLDER}/99-games",
}

TOGETHER = True
