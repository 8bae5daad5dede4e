"""PostgreSQL, asked as its own superuser over the host's socket, and as a client would over the network."""

from __future__ import annotations

import ipaddress
import json
import shlex

import pytest

from checks import access_rules, confined
from checks.gathered import LISTENERS
from checks.listening import addresses_of
from checks.sql import sql
from checks.tls import ended_well, handshake
from hedgerow.checking import ANY, CouldNotAsk

SETTINGS = sql(
    "select json_object_agg(name, setting) from pg_settings where name in ('ssl', 'ssl_min_protocol_version',"
    " 'password_encryption', 'shared_preload_libraries', 'log_connections', 'log_disconnections', 'data_checksums',"
    " 'authentication_timeout', 'idle_in_transaction_session_timeout', 'max_wal_size', 'max_slot_wal_keep_size',"
    " 'temp_file_limit')"
)
RULES = sql("select json_agg(r order by rule_number) from pg_hba_file_rules r")
LOADED = sql("select (pg_stat_file(current_setting('hba_file'))).modification <= pg_conf_load_time()")
ROLES = sql(
    "select json_agg(json_build_object('name', rolname, 'super', rolsuper, 'limit', rolconnlimit, 'password',"
    " split_part(coalesce(rolpassword, 'none'), '$', 1), 'powers', array_remove(array[case when rolsuper then"
    " 'superuser' end, case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,"
    " case when rolreplication then 'replication' end, case when rolbypassrls then 'bypassrls' end], null) ||"
    " array(select 'member of ' || g.rolname from pg_auth_members join pg_roles g on g.oid = roleid"
    " where member = a.oid and g.rolname like 'pg\\_%'))) from pg_authid a where rolcanlogin"
)
OPEN_DATABASES = sql(
    "select coalesce(json_agg(datname), '[]') from pg_database"
    " where datallowconn and has_database_privilege('public', oid, 'connect')"
)
# What is audited for every role. Our own session cannot tell: the superuser has a setting of its own.
AUDITED = sql(
    "select json_build_object('classes', (select setting from pg_file_settings where name = 'pgaudit.log' and applied"
    " order by seqno desc limit 1), 'loaded', (select bool_and((pg_stat_file(sourcefile)).modification"
    " <= pg_conf_load_time()) from (select distinct sourcefile from pg_file_settings) files))"
)
NARROWED = sql(
    "select coalesce(json_agg(setrole::regrole || ' ' || setting), '[]') from pg_db_role_setting,"
    " unnest(setconfig) setting where setting like 'pgaudit.%' or setting like 'log\\_%'"
)
# Who only counts or looks persons up has no business with sign-ins, keys and second factors.
INTRUDERS = "runuser -u postgres -- bash -c " + shlex.quote(  # noqa: S608 - constant text
    'names=$(psql -XAtqwc "select datname from pg_database where datallowconn") || exit 3; '
    'for name in $names; do psql -XAtqwd "$name" -c "select rolname, relname from pg_class, pg_roles where relkind ='
    " 'r' and relname ~ '^(posthog_user|posthog_personalapikey|posthog_team|otp_totp_totpdevice|django_session)\\$'"
    " and rolname ~ '^posthog_(personhog_replica|property_defs_rs)\\$'"
    " and has_table_privilege(pg_roles.oid, pg_class.oid, 'select, insert, update, delete')\" || exit 3; done"
)
OPEN_SCHEMAS = "runuser -u postgres -- bash -c " + shlex.quote(  # noqa: S608 - constant text
    'names=$(psql -XAtqwc "select datname from pg_database where datallowconn") || exit 3; '
    'for name in $names; do psql -XAtqwd "$name" -c "select current_database(), nspname, '
    "has_schema_privilege('public', oid, 'create') from pg_namespace where nspname = 'public'\" || exit 3; done"
)
# A connection with a name of its own and a table that is never made: whatever is said about them in the journal was
# said by the running server, now.
TRIAL = (
    "name=hedgerow_trial_$$; printf 'begin; create temporary table %s(); rollback;' $name"
    " | PGAPPNAME=$name runuser -u postgres -- psql -XAtqw -f - && journalctl --sync || exit 9;"
    " journalctl -q -r -o cat --since=-2min -g $name"
)
# A row that is there already, as a statement of the application's; our own session is on record whole otherwise. The
# name of the table shows that the refusal was written down, the other word whether the row was.
REFUSED_ROW = (
    "name=hedgerow_trial_$$ word=hedgerow_private_$$;"
    " printf \"set pgaudit.log = 'none'; create temporary table %s(word text unique);"
    " insert into %s values ('%s'); insert into %s values ('%s');\" $name $name $word $name $word"
    " | runuser -u postgres -- psql -XAtqw -f - >/dev/null 2>&1; journalctl --sync || exit 9;"
    " for each in ${name}_word_key $word;"
    " do journalctl -q -t postgres -o cat --since=-2min -g $each | wc -l; done; true"
)
LOGGED = sql(
    "select json_object_agg(name, setting) from pg_settings where name in ('log_statement',"
    " 'log_min_duration_statement', 'log_min_error_statement', 'log_parameter_max_length',"
    " 'log_parameter_max_length_on_error')"
)
QUIET = {
    "log_statement": {"none", "ddl"},
    "log_min_duration_statement": {"-1"},
    "log_min_error_statement": {"fatal", "panic"},
    "log_parameter_max_length": {"0"},
    "log_parameter_max_length_on_error": {"0"},
}
# Whoever starts it becomes the user postgres: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SETGID and
# CAP_SETUID (capabilities(7)).
CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7
UNIT = "$(systemctl list-units --plain --no-legend 'postgresql@*.service' | cut -d' ' -f1)"
LOCAL = "127.0.0.1:5432"
PLAIN = "PGPASSWORD=none psql -Xwc '' 'hostaddr=127.0.0.1 sslmode=disable user=hedgerow_nobody dbname=postgres'"
HANDSHAKE = handshake(LOCAL, "postgres.hedgerow.internal", "-starttls postgres")

MOST_MEGABYTES = 64 << 10
ASK_AHEAD = (
    TRIAL,
    REFUSED_ROW,
    LOGGED,
    confined.question(UNIT),
    SETTINGS,
    RULES,
    LOADED,
    ROLES,
    OPEN_DATABASES,
    INTRUDERS,
    AUDITED,
    NARROWED,
    OPEN_SCHEMAS,
    PLAIN,
    HANDSHAKE,
    LISTENERS,
)

SCRAM = "SCRAM-SHA-256"


def facts(finding, host, question):
    """Return what PostgreSQL answered, as the values it stands for."""
    return json.loads(finding.ask(host, question).stdout)


@pytest.mark.control("postgres.tls-only")
def test_nobody_comes_in_without_tls(host, finding):
    """A client that asks for no TLS is turned away by the rules, before any password is looked at."""
    finding.expect("a plain connection turned away; only hostssl rules; TLS 1.2 at least")
    refusal = finding.ask(host, PLAIN, codes=(2,)).stderr
    if "FATAL" not in refusal:
        raise CouldNotAsk(refusal)
    settings = facts(finding, host, SETTINGS)
    plain = access_rules.unencrypted(facts(finding, host, RULES))
    version = settings["ssl_min_protocol_version"]
    finding.observe(f"{refusal.strip()}; ssl {settings['ssl']}, {version} at least; plain rules: {plain or 'none'}")
    assert settings["ssl"] == "on", "TLS is off"
    assert version in ("TLSv1.2", "TLSv1.3"), f"{version or 'any version'} is still spoken"
    assert not plain, f"a rule lets in without TLS: {plain[0]}"
    assert "no pg_hba.conf entry" in refusal or "rejects connection" in refusal, "a plain connection got to a password"


@pytest.mark.control("postgres.certificate")
def test_its_name_can_be_proven(host, finding):
    """What an application does with sslmode=verify-full, done with the CA the host has."""
    finding.expect("a chain to the private CA, for postgres.hedgerow.internal, good for 14 more days")
    ended_well(finding, finding.ask(host, HANDSHAKE, codes=ANY))


@pytest.mark.control("postgres.scram")
def test_passwords_are_kept_and_proven_by_scram(host, finding):
    finding.expect("every password kept as SCRAM-SHA-256, and no rule that takes another proof over the network")
    roles, rules = facts(finding, host, ROLES), facts(finding, host, RULES)
    kept = facts(finding, host, SETTINGS)["password_encryption"]
    other = [f"{role['name']}: {role['password']}" for role in roles if role["password"] not in (SCRAM, "none")]
    methods = {rule["auth_method"] for rule in rules if access_rules.from_network(rule) and access_rules.lets_in(rule)}
    finding.observe(f"new passwords: {kept}; methods over the network: {', '.join(sorted(methods))}; other: {other}")
    assert kept == "scram-sha-256", f"new passwords are kept as {kept}"
    assert not other, f"kept in another form: {', '.join(other)}"
    assert methods <= {"scram-sha-256"}, f"a rule takes {', '.join(sorted(methods - {'scram-sha-256'}))}"


@pytest.mark.control("postgres.no-remote-superuser")
def test_superusers_stay_on_the_host(host, finding):
    finding.expect("one superuser, postgres, and no rule that lets it in over the network")
    supers = [role["name"] for role in facts(finding, host, ROLES) if role["super"]]
    rules = facts(finding, host, RULES)
    ways = {name: found for name in supers if (found := access_rules.admitting(rules, name))}
    finding.observe(f"superusers: {', '.join(supers)}; let in over the network by: {ways or 'no rule'}")
    assert supers == ["postgres"], f"superusers are {', '.join(supers)}"
    assert not ways, f"a superuser can come over the network: {ways}"


@pytest.mark.control("postgres.least-privilege")
def test_services_own_nothing_but_their_data(host, finding):
    finding.expect("no power of administration but in postgres, no database open to everybody, accounts closed to some")
    powers = {
        role["name"]: role["powers"]
        for role in facts(finding, host, ROLES)
        if role["name"] != "postgres" and role["powers"]
    }
    everybody = facts(finding, host, OPEN_DATABASES)
    intruders = [line.replace("|", " in ") for line in finding.ask(host, INTRUDERS).stdout.splitlines()]
    finding.observe(
        f"powers: {powers or 'none'}; databases open to everybody: {', '.join(everybody) or 'none'}; of"
        f" personhog-replica and property-defs-rs in tables of accounts: {', '.join(intruders) or 'none'}"
    )
    assert not powers, f"too powerful: {powers}"
    assert not everybody, f"every role may connect to {', '.join(everybody)}"
    assert not intruders, f"reaches people's accounts: {', '.join(intruders)}"


@pytest.mark.control("postgres.listens-privately")
def test_it_listens_where_the_application_is(host, finding, here):
    finding.expect(f"port 5432 on 127.0.0.1 and {here.private_address} alone")
    found = addresses_of(finding.ask(host, LISTENERS).stdout, 5432)
    finding.observe(f"port 5432 on {', '.join(sorted(found)) or 'no address'}")
    assert found, "nothing listens on port 5432"
    assert found <= {"127.0.0.1", "::1", here.private_address}, "it listens on more addresses than its own two"


@pytest.mark.control("postgres.audited")
def test_changes_to_tables_are_on_record(host, finding):
    """pgaudit writes what a statement was, before it is done; a rolled-back one too."""
    finding.expect("a statement that makes a table, in the journal as AUDIT; ddl, role and write for every role")
    settings = facts(finding, host, SETTINGS)
    record = finding.ask(host, TRIAL, codes=(0, 1)).stdout
    audited = [line for line in record.splitlines() if "AUDIT: " in line and ",DDL,CREATE TABLE," in line]
    audits = facts(finding, host, AUDITED)
    classes = {word.strip() for word in (audits["classes"] or "none").split(",")}
    narrowed = [row for row in facts(finding, host, NARROWED) if not row.endswith(" pgaudit.log=all")]
    finding.observe(f"{audited[0] if audited else 'no record'}; pgaudit.log {audits['classes']}")
    if not audits["loaded"]:
        raise CouldNotAsk("the settings were changed after the server read them: what runs is not what they say")
    assert "pgaudit" in settings["shared_preload_libraries"], "pgaudit is not loaded"
    assert classes >= {"ddl", "role", "write"} or "all" in classes, f"audited is only: {', '.join(sorted(classes))}"
    assert not narrowed, f"set differently for {', '.join(narrowed)}"
    assert audited, "a table was made, and the journal does not know"


@pytest.mark.control("postgres.connections-logged")
def test_every_session_is_on_record(host, finding):
    """The journal is where records are kept for years; a log file beside it is rotated away."""
    finding.expect("our own session in the journal, its beginning and its end")
    settings = facts(finding, host, SETTINGS)
    record = finding.ask(host, TRIAL, codes=(0, 1)).stdout
    begun = [line for line in record.splitlines() if "connection authorized" in line]
    finding.observe(f"{begun[0] if begun else 'no record'}; ends logged: {settings['log_disconnections']}")
    assert settings["log_connections"] != "off", "sessions are not recorded"
    assert settings["log_disconnections"] == "on", "the end of a session is not recorded"
    assert begun, "a session began, and the journal does not know"


@pytest.mark.control("postgres.checksums")
def test_damage_on_disk_is_noticed(host, finding):
    finding.expect("data_checksums on")
    state = facts(finding, host, SETTINGS)["data_checksums"]
    finding.observe(f"data_checksums {state}")
    assert state == "on", "pages are read back unchecked"


@pytest.mark.control("postgres.public-schema-closed")
def test_nobody_plants_tables_in_public(host, finding):
    """Whoever may create in a schema that others search can put a function in the way of theirs (CVE-2018-1058)."""
    finding.expect("no database in which everybody may create in schema public")
    rows = [line.split("|") for line in finding.ask(host, OPEN_SCHEMAS).stdout.splitlines()]
    if not rows:
        raise CouldNotAsk("no database has a schema public to ask about")
    opened = [database for database, _, may in rows if may != "f"]
    finding.observe(f"asked {', '.join(row[0] for row in rows)}; open: {', '.join(opened) or 'none'}")
    assert not opened, f"everybody may create in {', '.join(opened)}"


@pytest.mark.control("postgres.sessions-bounded")
def test_sessions_end_and_are_counted(host, finding):
    finding.expect("idle transactions ended within 10 minutes, log-in within 60 s, connections counted per role")
    settings = facts(finding, host, SETTINGS)
    idle, login = int(settings["idle_in_transaction_session_timeout"]) // 1000, int(settings["authentication_timeout"])
    endless = [r["name"] for r in facts(finding, host, ROLES) if not r["super"] and r["limit"] < 0]
    finding.observe(f"idle in transaction {idle} s, log-in {login} s, without a limit: {', '.join(endless) or 'none'}")
    assert 0 < idle <= 600, "a transaction may stay open and idle for ever" if not idle else f"{idle} s is too long"
    assert login <= 60, f"a log-in may take {login} s"
    assert not endless, f"connections are not counted for {', '.join(endless)}"


@pytest.mark.control("postgres.disk-bounded")
def test_nothing_of_it_fills_the_disk(host, finding):
    """Megabytes, and for the files of a query kilobytes (pg_settings, unit); -1 is no limit."""
    finding.expect("max_wal_size, max_slot_wal_keep_size and temp_file_limit of 64 GiB or less")
    settings = facts(finding, host, SETTINGS)
    sizes = {name: int(settings[name]) for name in ("max_wal_size", "max_slot_wal_keep_size")}
    files = int(settings["temp_file_limit"])
    sizes["temp_file_limit"] = files >> 10 if files > 0 else files
    finding.observe(", ".join(f"{name} {size} MB" for name, size in sizes.items()))
    endless = [name for name, size in sizes.items() if not 0 <= size <= MOST_MEGABYTES]
    assert not endless, f"not limited: {', '.join(endless)}"


@pytest.mark.control("postgres.own-rows-of-hba")
def test_rules_are_ours_and_loaded(host, finding, here, declared):
    """Named databases to named roles from the application's addresses; anything else is somebody's shortcut."""
    finding.expect("only named roles, databases and addresses of the application, loaded by the running server")
    ours = [peer.private_address for peer in declared.hosts if "app" in peer.roles]
    networks = [*declared.app_subnets, "127.0.0.1/32", f"{here.private_address}/32", *(f"{ip}/32" for ip in ours)]
    rules = facts(finding, host, RULES)
    strange = list(access_rules.beyond(rules, [str(ipaddress.ip_network(network)) for network in networks]))
    loaded = finding.ask(host, LOADED).stdout.strip()
    finding.observe(f"{len(rules)} rules; beyond ours: {'; '.join(strange) or 'none'}; loaded: {loaded}")
    assert not strange, f"opens more than was declared: {strange[0]}"
    assert loaded == "t", "the file was changed after the server read it"


@pytest.mark.control("postgres.log-without-phi")
def test_its_record_holds_no_row(host, finding):
    """A refused row is what errors like to quote; statements and parameters are the other ways into the record."""
    finding.expect(
        "a refused row on record without its content, and no setting that writes statements or parameters down"
    )
    settings = facts(finding, host, LOGGED)
    logged, quoted = (int(count) for count in finding.ask(host, REFUSED_ROW).stdout.split())
    loud = {name: value for name, value in settings.items() if value not in QUIET[name]}
    finding.observe(
        f"refused once: on record {logged} times, with its content {quoted} times; loud: {loud or 'nothing'}"
    )
    if settings.keys() != QUIET.keys() or not logged:
        raise CouldNotAsk("the refusal of a row did not come to the journal")
    assert not quoted, "a refused row stands in the journal"
    assert not loud, ", ".join(f"{name} is {value}" for name, value in loud.items())


@pytest.mark.control("postgres.confined")
def test_whoever_breaks_in_is_held_in(finding, host):
    confined.assert_confined(finding, host, UNIT, CAPABILITIES, first_as_root=False)
