"""Ways in which a hurried administrator undoes the event log's protection."""

HOME = "/etc/hedgerow/eventlog"
RESTART = (
    "systemctl restart hedgerow-kafka.service;"
    " timeout 60 sh -c 'until podman healthcheck run hedgerow-kafka >/dev/null; do sleep 0.5; done'"
)


def line(file: str, expression: str) -> str:
    """Return the command that edits one of its files and has it read."""
    return f"sed -i '{expression}' {HOME}/{file}; {RESTART}"


TOGETHER = True

SABOTAGE = {
    # In the clear and without asking who: clients go on over their side-cars in vain.
    "eventlog.tls-only": (
        f"sed -i 's/enabled: true/enabled: false/' {HOME}/redpanda.yaml; systemctl restart --no-block"
        " hedgerow-kafka.service; sleep 8"
    ),
    # The neighbour's certificate: of the right authority, for another name.
    "eventlog.certificate": (
        f"cd /etc/hedgerow/clickhouse; cat server.crt >{HOME}/server.crt; cat server.key >{HOME}/server.key;"
        " systemctl restart --no-block hedgerow-kafka.service; sleep 8"
    ),
    "eventlog.clients-proven": line("redpanda.yaml", "s/require_client_auth: true/require_client_auth: false/"),
    "eventlog.least-privilege": line(
        "access.yaml", "/^acls:/a \\  - {user: posthog_web, operations: [read], topic: events_plugin_ingestion}"
    ),
}

# Clients verify the name and speak TLS alone, so that nobody gets an answer, and they say that they are not well.
DEAF = {"eventlog.clients-proven", "eventlog.least-privilege", "posthog.healthy"}
COMPANIONS = {
    # Who shows no certificate is nobody, and nobody may write or read.
    "eventlog.clients-proven": DEAF - {"eventlog.clients-proven"},
    "eventlog.certificate": DEAF,
    "eventlog.tls-only": {*DEAF, "eventlog.certificate"},
}
