"""Ways to leave files open."""

SABOTAGE = {
    "files.homes-private": "chmod 0755 /root",
    "files.credentials-protected": "chmod o+r /etc/shadow",
    "files.nothing-world-writable": "touch /etc/anybody; chmod 0666 /etc/anybody",
    "files.tmp-restricted": "mount -o remount,suid,dev /tmp",
}

TOGETHER = True
