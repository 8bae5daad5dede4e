"""Ways to loosen SSH: one more file that sorts before ours, for sshd keeps the first value it reads."""

FOLDER = "/etc/ssh/sshd_config.d"


def setting(name: str, *lines: str) -> str:
    """Return the command that makes sshd run with these settings before all others."""
    words = " ".join(f"'{line}'" for line in lines)
    return f"printf '%s\\n' {words} >{FOLDER}/00-a-{name}.conf; systemctl reload ssh.service"


SABOTAGE = {
    "ssh.no-passwords": setting("password", "PasswordAuthentication yes", "AuthenticationMethods any"),
    "ssh.no-root": setting("root", "PermitRootLogin prohibit-password"),
    "ssh.groups-only": setting("groups", "AllowGroups games"),
    "ssh.modern-algorithms": setting("old", "MACs hmac-sha1,hmac-sha2-256-etm@openssh.com"),
    "ssh.attempts-limited": setting("guess", "MaxAuthTries 20"),
    # Not "PerSourcePenalties no": a later line with a number switches them on again.
    "ssh.guessers-wait": setting("patient", "PerSourcePenaltyExemptList 0.0.0.0/0,::/0"),
    "ssh.no-forwarding": setting("tunnel", "DisableForwarding no", "AllowTcpForwarding yes"),
    "ssh.idle-sessions-end": setting("idle", "ClientAliveInterval 0"),
    "ssh.logs-keys": setting("quiet", "LogLevel ERROR"),
    "ssh.strong-host-keys": "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_weak_key; "
    + setting("weak", "HostKey /etc/ssh/ssh_host_weak_key"),
    "ssh.no-environment": setting("environment", "PermitUserEnvironment yes"),
    "ssh.no-host-trust": setting("trust", "HostbasedAuthentication yes"),
    "ssh.client-strict": "printf 'Host *\\n  ForwardAgent yes\\n' >/etc/ssh/ssh_config.d/00-a.conf",
    "ssh.second-factor": setting(
        "file", "Match Group hedgerow-admins", "  PubkeyAcceptedAlgorithms ssh-ed25519", "  PubkeyAuthOptions none"
    ),
    "ssh.strict-modes": setting("careless", "StrictModes no"),
}

# The settings are converge's to remove; the key that nobody names any more does no harm, and goes too.
MEND = {"ssh.strong-host-keys": "rm /etc/ssh/ssh_host_weak_key /etc/ssh/ssh_host_weak_key.pub"}

TOGETHER = True
