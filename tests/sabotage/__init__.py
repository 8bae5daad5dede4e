"""Sabotage: ways to break one control on a live lab host, one module a concern.

Each module states `SABOTAGE`, a dictionary of control id to a shell command that runs as root on the
host and breaks that control and, as far as can be, nothing else. Where more must break with it, or
where converge rightly leaves alone what was done (a package that is not ours to remove), it says so:

    COMPANIONS = {"ssh.no-root": {"ssh.groups-only"}}     these may fail too
    MEND = {"packages.minimal": "dpkg --purge telnetd"}   run before converge
"""
