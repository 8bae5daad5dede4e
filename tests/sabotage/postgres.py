"""Ways in which a hurried administrator undoes PostgreSQL's protection."""

HOME = "cd /etc/postgresql/*/main"
RELOAD = "runuser -u postgres -- psql -XAtqc 'select pg_reload_conf()' >/dev/null"
RESTART = "systemctl restart postgresql.service"


def rule(line: str) -> str:
    """Return the command that adds a line to the access rules and has it read."""
    return f"{HOME}; echo '{line}' >>pg_hba.conf; {RELOAD}"


def setting(name: str, value: str, then: str = RELOAD) -> str:
    """Return the command that changes a setting where it stands, and has it taken up."""
    return f"""{HOME}; sed -i "s/^{name} = .*/{name} = '{value}'/" postgresql.conf; {then}"""


def sql(statement: str, database: str = "postgres") -> str:
    """Return the command that runs a statement as the superuser."""
    return f'runuser -u postgres -- psql -Xqd {database} -c "{statement}"'


TOGETHER = True

SABOTAGE = {
    "postgres.tls-only": rule("host posthog posthog_web 10.90.0.0/24 scram-sha-256"),
    # The neighbour's certificate: of the right authority, for another name.
    "postgres.certificate": (
        "cd /etc/hedgerow/tls; cat valkey.crt >postgres.crt; cat valkey.key >postgres.key; " + RELOAD
    ),
    "postgres.scram": sql(
        "drop role if exists intern; set password_encryption = md5;"
        " create role intern login password 'x' connection limit 1"
    ),
    "postgres.no-remote-superuser": rule("hostssl postgres postgres 10.90.0.0/24 scram-sha-256"),
    "postgres.least-privilege": sql("alter role posthog_worker createrole"),
    "postgres.listens-privately": setting("listen_addresses", "*", RESTART),
    "postgres.audited": setting("pgaudit.log", "none"),
    "postgres.connections-logged": setting("log_connections", "off"),
    "postgres.checksums": (
        "systemctl stop postgresql.service; sleep 1;"
        " runuser -u postgres -- /usr/lib/postgresql/*/bin/pg_checksums --disable -D /var/lib/postgresql/*/main;"
        " systemctl start postgresql.service"
    ),
    "postgres.public-schema-closed": sql("grant create on schema public to public", "posthog"),
    "postgres.sessions-bounded": sql("alter role posthog_worker connection limit -1"),
    "postgres.disk-bounded": setting("temp_file_limit", "-1"),
    # "The log does not say which row it was."
    "postgres.log-without-phi": setting("log_error_verbosity", "default"),
    "postgres.confined": (
        "sed -i 's/^NoNewPrivileges=.*/NoNewPrivileges=no/'"
        " /etc/systemd/system/postgresql@*-main.service.d/hedgerow.conf; systemctl daemon-reload; " + RESTART
    ),
    "postgres.own-rows-of-hba": rule("hostssl posthog posthog_web 0.0.0.0/0 scram-sha-256"),
}

COMPANIONS = {
    # Services verify the name, and those that connect anew are not well and cannot say who may sign up.
    "postgres.certificate": {"posthog.healthy", "posthog.sign-up-closed", "posthog.properties-dropped"},
}
