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


def sql(statement: str) -> str:
    """Return the command that changes PostHog's tables behind its back."""
    return f'runuser -u postgres -- psql -Xqd posthog -v ON_ERROR_STOP=1 -c "{statement}"'


# By the web service's own user, who owns the tables.
KEEP_FOR_EVER = """podman exec -i hedgerow-web python3 - <<'END'
import http.client, os, ssl
told = os.environ
context = ssl.create_default_context(cafile=told["CLICKHOUSE_CA"])
link = http.client.HTTPSConnection(told["CLICKHOUSE_HOST"], 8443, timeout=30, context=context)
names = {"X-ClickHouse-User": told["CLICKHOUSE_USER"], "X-ClickHouse-Key": told["CLICKHOUSE_PASSWORD"]}
link.request("POST", "/", "ALTER TABLE posthog.events REMOVE TTL", names)
assert link.getresponse().status == 200
END"""

TOGETHER = True

# Rows that somebody changes "for a moment", as a forum tells her to.
SETTINGS = {
    "posthog.second-factor-enforced": sql("update posthog_organization set enforce_2fa = false"),
    "posthog.public-sharing-off": sql("update posthog_organization set allow_publicly_shared_resources = true"),
    "posthog.sessions-end": sql("update posthog_organization set session_cookie_age = 1209600"),
    "posthog.plugins-limited": sql("update posthog_organization set plugins_access_level = 9"),
    "posthog.ai-off": sql("update posthog_organization set is_ai_data_processing_approved = true"),
    "posthog.ip-discarded": sql("update posthog_team set anonymize_ips = false"),
    "posthog.recordings-masked": sql("update posthog_team set session_recording_masking_config = null"),
    # The switch beside a transformation on PostHog's pages.
    "posthog.properties-dropped": sql("update posthog_hogfunction set enabled = false where type = 'transformation'"),
    # What the page for an instance's settings does: it wins over what the services were started with.
    "posthog.mail-relay": sql(
        "insert into posthog_instancesetting (key, raw_value) values ('constance:posthog:EMAIL_ENABLED', 'true'),"
        " ('constance:posthog:EMAIL_HOST', to_json('smtp.vendor.example'::text))"
    ),
    "posthog.keys-scoped": sql(
        "insert into posthog_personalapikey (id, user_id, label, secure_value, mask_value, scopes)"
        " select 'intern', min(id), 'for the dashboard', 'sha256$0', 'phx_...', '{*}' from posthog_user"
    ).replace("$", "\\$"),
}

SABOTAGE = {
    **SETTINGS,
    "clickhouse.retention": KEEP_FOR_EVER,
    "posthog.healthy": "systemctl stop hedgerow-worker.service",
    "posthog.no-published-defaults": (
        f"sed -i '/target=LICENSE_SECRET_KEY/d' {WEB}; " + add("Environment=LICENSE_SECRET_KEY=license-so-secret")
    ),
    # An instance without an organisation offers itself to whoever comes first.
    "posthog.sign-up-closed": (
        "runuser -u postgres -- psql -Xqd posthog -c 'truncate posthog_organization cascade' 2>/dev/null"
    ),
    "posthog.telemetry-off": environment("OPT_OUT_CAPTURE", "false"),
    "posthog.previews-off": add("Environment=PERSISTED_FEATURE_FLAGS=half-built-thing"),
    "posthog.no-third-parties": add(f"Environment=OPENAI_API_KEY={'a1' * 24}"),
    "posthog.sessions-short": environment("SESSION_COOKIE_AGE", "1209600"),
    "posthog.database-over-tls": add(
        "Environment=READER_URL=postgres://postgres.hedgerow.internal:5432/posthog?sslmode=require"
    ),
    "posthog.cache-over-tls": add("Environment=CACHE_URL=redis://valkey.hedgerow.internal:6379/"),
}

# Without an organisation there is nothing whose settings could be asked about, or whose keys.
COMPANIONS = {
    # The vendor's key comes onto the page, and so do its flags.
    "posthog.telemetry-off": {"posthog.previews-off"},
    # A side-car ends with its service.
    "posthog.healthy": {"sidecars.confined"},
    "posthog.sign-up-closed": set(SETTINGS) - {"posthog.mail-relay"},
}
