"""Ways to make the kernel believe strangers, or write memory to disk."""

LOOSE = "/etc/systemd/system.conf.d/zzz-loose.conf"

SABOTAGE = {
    "kernel.network-parameters": "sysctl -qw net.ipv4.conf.all.accept_redirects=1",
    "kernel.memory-protected": "sysctl -qw kernel.yama.ptrace_scope=0",
    "kernel.modules-denied": "rm /etc/modprobe.d/hedgerow.conf",
    "kernel.core-dumps-off": f"printf '[Manager]\\nDefaultLimitCORE=infinity\\n' >{LOOSE}; systemctl daemon-reexec",
}

TOGETHER = True
