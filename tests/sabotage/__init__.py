"""Sabotage: ways to break one control on a live lab host, one module a concern.

Each module states `SABOTAGE`, a dictionary of control id to a shell command that runs as root on the
host and breaks that control and, as far as can be, nothing else. It may also say:

    COMPANIONS = {"ssh.no-root": {"ssh.groups-only"}}     these may fail with it
    MEND = {"packages.minimal": "dpkg --purge telnetd"}   run before converge, for what converge rightly leaves alone
    SETTLE = {"time.synchronised": "chronyc waitsync 30"}   run after converge, for what takes its time
    RESTART = {"audit.time"}   broken and mended as the host starts again: all of a role at once
    TOGETHER = True      its breaks do not touch one another: all of a role are broken before one converge mends them

A control that only a host with a kernel of its own can show says so in the catalog (`own_kernel: true`): its sabotage
runs in the VM lab (tests/vm, `make test-vm`) and not in the container lab.
"""
