"""Ways in which a hurried administrator undoes ClickHouse's protection."""

HOME = "/etc/hedgerow/clickhouse"
# Waits until it says that it is well, which is a control of its own and is to hold.
RESTART = (
    "systemctl restart hedgerow-clickhouse.service;"
    " timeout 60 sh -c 'until podman healthcheck run hedgerow-clickhouse >/dev/null; do sleep 0.5; done'"
)


def line(file: str, expression: str) -> str:
    """Return the command that edits one of its files and has it read."""
    return f"sed -i '{expression}' {HOME}/{file}; {RESTART}"


TOGETHER = True

SABOTAGE = {
    "clickhouse.tls-only": line("config.xml", 's|<http_port remove="remove"/>|<http_port>8123</http_port>|'),
    # The neighbour's certificate: of the right authority, for another name. Its own health question fails with it.
    "clickhouse.certificate": (
        f"cd /etc/hedgerow/eventlog; cat server.crt >{HOME}/server.crt; cat server.key >{HOME}/server.key;"
        " systemctl restart --no-block hedgerow-clickhouse.service; sleep 8"
    ),
    "clickhouse.no-default-user": line(
        "users.xml",
        's|<default remove="remove"/>|<default><password></password><networks><ip>0.0.0.0/0</ip></networks>'
        "<profile>default</profile><quota>default</quota></default>|",
    ),
    "clickhouse.least-privilege": line(
        "users.xml", "s|<query>GRANT SELECT, INSERT ON posthog|<query>GRANT SELECT ON *.*</query>&|"
    ),
    # Where a function's program lies, whoever can write on the host can change what queries run.
    "clickhouse.scripts-from-image": "echo 'print(\"other\")' >>"
    "$(find /var/lib/hedgerow/from-images -name hedgerow_stand_in -type f)",
    "clickhouse.queries-bounded": line("users.xml", "/<max_execution_time>/d; /<max_memory_usage>/d"),
}

COMPANIONS = {
    # Clients verify the name, so nobody gets an answer; and a container that is not well is none that others wait for.
    "clickhouse.certificate": {
        "posthog.healthy",
        "clickhouse.no-default-user",
        "clickhouse.least-privilege",
        "clickhouse.queries-bounded",
        "clickhouse.retention",
    },
}
