"""Ways to leave files open."""

SABOTAGE = {
    "files.homes-private": "chmod 0755 /root",
    "files.credentials-protected": "chmod o+r /etc/shadow",
    "files.nothing-world-writable": "touch /etc/anybody; chmod 0666 /etc/anybody",
    "files.programs-protected": "chown games /usr/bin/uptime",
    # A shell for an administrator in a hurry.
    "files.setuid-known": "install -m 4755 /bin/dash /usr/local/bin/quick",
    "files.shm-restricted": "mount -o remount,exec /dev/shm",
    "files.var-tmp-restricted": "mount -o remount,bind,suid,dev /var/tmp",
    "files.tmp-restricted": "mount -o remount,suid,dev /tmp",
}

TOGETHER = True
