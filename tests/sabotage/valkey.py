"""Ways in which a hurried administrator undoes Valkey's protection."""

# One after the other they would be too many for systemd in ten seconds.
RESTART = "systemctl reset-failed valkey-server.service; systemctl restart valkey-server.service"


def line(file: str, expression: str) -> str:
    """Return the command that edits one of Valkey's two files and has it read."""
    return f"sed -i '{expression}' /etc/valkey/{file}; {RESTART}"


TOGETHER = True

SABOTAGE = {
    "valkey.tls-only": line("valkey.conf", "s/^port 0/port 6380/"),
    # The neighbour's certificate: of the right authority, for another name.
    "valkey.certificate": (
        "cd /etc/hedgerow/tls; cat postgres.crt >valkey.crt; cat postgres.key >valkey.key; " + RESTART
    ),
    "valkey.no-default-user": line("users.acl", "s/^user default .*/user default on nopass resetchannels -@all +ping/"),
    # A user for a quick look at the data.
    "valkey.least-privilege": (
        f"echo \"user intern on #$(printf %s x | sha256sum | cut -d' ' -f1) ~* resetchannels -@all +get\""
        f" >>/etc/valkey/users.acl; {RESTART}"
    ),
    "valkey.dangerous-commands-off": line("users.acl", "/^user posthog_web /s/$/ +flushall/"),
    # The policy of a cache, for a queue.
    "valkey.memory-bounded": line("valkey.conf", "s/^maxmemory-policy .*/maxmemory-policy allkeys-lru/"),
    "valkey.clients-bounded": line("valkey.conf", "s/^maxclients .*/maxclients 60000/"),
    "valkey.log-without-phi": line("valkey.conf", "s/^hide-user-data-from-log yes/hide-user-data-from-log no/"),
    "valkey.outlives-restart": line("valkey.conf", "s/^appendfsync .*/appendfsync no/"),
    "valkey.confined": (
        "sed -i 's/^ProtectSystem=.*/ProtectSystem=no/' /etc/systemd/system/valkey-server.service.d/hedgerow.conf;"
        f" systemctl daemon-reload; {RESTART}"
    ),
    "valkey.listens-privately": line("valkey.conf", "s/^bind .*/bind 0.0.0.0/"),
}

COMPANIONS = {
    # A user without a password is one of the defaults that upstream publishes.
    "valkey.no-default-user": {"posthog.no-published-defaults"},
    # Services verify the name, and those that connect anew say that they are not well.
    "valkey.certificate": {"posthog.healthy"},
}
