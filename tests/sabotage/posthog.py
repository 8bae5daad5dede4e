"""Ways in which a hurried administrator undoes PostHog's own protection."""

WEB = "/etc/containers/systemd/hedgerow-web.container"
# Waits until the service says that it is well, which is a control of its own and is to hold.
RESTART = (
    "systemctl daemon-reload; systemctl restart hedgerow-web.service;"
    " timeout 30 sh -c 'until podman healthcheck run hedgerow-web >/dev/null; do sleep 0.2; done'"
)


def environment(name: str, value: str) -> str:
    """Return the command that changes a setting of the web service and starts it anew."""
    return f"""sed -i 's|^Environment="{name}=.*|Environment="{name}={value}"|' {WEB}; {RESTART}"""


def add(line: str) -> str:
    """Return the command that adds a line to the web service's container and starts it anew."""
    return f"""sed -i '/^\\[Container\\]/a {line}' {WEB}; {RESTART}"""


TOGETHER = True

SABOTAGE = {
    "posthog.healthy": "systemctl stop hedgerow-worker.service",
    "posthog.no-published-defaults": (
        f"sed -i '/target=LICENSE_SECRET_KEY/d' {WEB}; " + add("Environment=LICENSE_SECRET_KEY=license-so-secret")
    ),
    # An instance without an organisation offers itself to whoever comes first.
    "posthog.sign-up-closed": (
        "runuser -u postgres -- psql -Xqd posthog -c 'truncate posthog_organization cascade' 2>/dev/null"
    ),
    "posthog.telemetry-off": environment("OPT_OUT_CAPTURE", "false"),
    "posthog.no-third-parties": add(f"Environment=OPENAI_API_KEY={'a1' * 24}"),
    "posthog.sessions-short": environment("SESSION_COOKIE_AGE", "1209600"),
    "posthog.database-over-tls": add(
        "Environment=READER_URL=postgres://postgres.hedgerow.internal:5432/posthog?sslmode=require"
    ),
    "posthog.cache-over-tls": add("Environment=CACHE_URL=redis://valkey.hedgerow.internal:6379/"),
}
