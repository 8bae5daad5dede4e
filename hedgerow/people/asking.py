"""Asking hosts and the database who can reach them, by programs that only read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hedgerow import ssh
from hedgerow.deployment import now
from hedgerow.errors import UnreachableError
from hedgerow.flow import Work
from hedgerow.hosts import Host, Site
from hedgerow.images import table_of
from hedgerow.people import Access, HostAccount, account_of, invited_of, member_of, role_of
from hedgerow.stores import Stores
from hedgerow.variables import data_host

DATABASE = "posthog"
PROBE = r"""
import json, os, re, subprocess, sys, time
asked = json.loads(sys.argv[1])

def out(*words):
    try:
        run = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=30, cwd="/",
                             env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"})
        return run.stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""

def moment(seconds):
    known = str(seconds).isdigit() and int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(seconds))) if known else ""

def ssh_of(name):
    rows = {}
    for line in out("/usr/sbin/sshd", "-T", "-C", "user=%s,host=localhost,addr=127.0.0.1" % name).splitlines():
        key, _, value = line.partition(" ")
        rows.setdefault(key, []).append(value)
    return rows

def key_files(name, home, rows):
    found = []
    for pattern in " ".join(rows.get("authorizedkeysfile", [])).split():
        if pattern != "none":
            path = pattern.replace("%%", "\0").replace("%u", name).replace("%h", home).replace("\0", "%")
            found.append(os.path.join(home, path))
    return found

def fingerprints(path):
    lines = out("/usr/bin/ssh-keygen", "-lf", path).splitlines() if os.path.isfile(path) else []
    return [" ".join(line.split()[1:2] + line.split()[-1:]) for line in lines if len(line.split()) > 2]

def sudo_of(name):
    said = out("/usr/bin/sudo", "-n", "-l", "-U", name).partition("may run the following commands")[2]
    return [line.strip() for line in said.splitlines()[1:] if line.startswith("    ")]

def last_login(name):
    # logind's message about a new session, by its id and the account: fields that the journal has an index of.
    said = out("/usr/bin/journalctl", "-q", "-n", "1", "-o", "json", "--no-pager",
               "MESSAGE_ID=8d45620c1a4348dbb17410da57c60c66", "USER_ID=" + name).strip()
    return moment(str(json.loads(said).get("__REALTIME_TIMESTAMP", "0"))[:-6]) if said else ""

shells = {line for line in open("/etc/shells").read().splitlines() if line.startswith("/")}
shadow = {row.split(":")[0]: row.split(":") for row in open("/etc/shadow").read().splitlines()}
accounts = []
for row in open("/etc/passwd").read().splitlines():
    name, _, number, _, _, home, shell = row.split(":")
    if not (1000 <= int(number) < 60000 or int(number) == 0 or shell in shells):
        continue
    if asked["only"] and name not in asked["only"]:
        continue
    rows = ssh_of(name)
    files = key_files(name, home, rows)
    secret = shadow.get(name, [name, "!", "", "", "", "", "", "", ""])
    birth = out("/usr/bin/stat", "-c", "%W", home).strip() if os.path.isdir(home) and home != "/" else ""
    accounts.append({
        "name": name, "shell": shell in shells, "expires": secret[7], "today": time.strftime("%Y-%m-%d", time.gmtime()),
        "password": not secret[1].startswith(("!", "*")), "keys": [key for path in files for key in fingerprints(path)],
        "files": files, "sudo": sudo_of(name), "groups": out("/usr/bin/id", "-nG", name).split(),
        "allowed": " ".join(rows.get("allowgroups", [])).split(), "pam": rows.get("usepam", []) == ["yes"],
        "last_login": last_login(name), "since": moment(birth),
        "processes": len(out("/usr/bin/pgrep", "-u", name).split()) if number != "0" else 0,
    })
print(json.dumps(accounts))
"""
ROLES = """
SELECT coalesce(json_agg(json_build_object('name', rolname, 'superuser', rolsuper, 'until', rolvaliduntil,
  'sessions', (SELECT count(*) FROM pg_stat_activity WHERE usename = rolname)) ORDER BY rolname), '[]')
FROM pg_roles WHERE rolcanlogin;
"""
TABLES = "SELECT coalesce(json_agg(relname), '[]') FROM pg_class WHERE relkind = 'r' AND relname LIKE 'posthog%';"
INVITES = "posthog_organizationinvite"
INVITED = """
SELECT coalesce(json_agg(json_build_object('email', target_email, 'level', level, 'since', created_at)
                         ORDER BY target_email), '[]')
FROM posthog_organizationinvite;
"""
TOKENS = ("posthog_oauthaccesstoken", "posthog_oauthrefreshtoken", "posthog_oauthgrant")
COUNT = "(SELECT count(*) FROM %s t WHERE t.user_id = u.id)"
# Columns that not every release has are read through to_jsonb, where a missing one is NULL and no error.
MEMBERS = """
SELECT coalesce(json_agg(row_to_json(found) ORDER BY found.email), '[]') FROM (
  SELECT u.email, coalesce((to_jsonb(u)->>'is_active')::boolean, true) AS active,
    (SELECT max(m.level) FROM posthog_organizationmembership m WHERE m.user_id = u.id) AS level,
    CASE WHEN EXISTS (SELECT FROM otp_totp_totpdevice d WHERE d.user_id = u.id AND d.confirmed) THEN 'totp'
         WHEN to_jsonb(u)->>'passkeys_enabled_for_2fa' = 'true' THEN 'passkey' ELSE 'none' END AS second_factor,
    coalesce((SELECT min(to_jsonb(m)->>'joined_at') FROM posthog_organizationmembership m WHERE m.user_id = u.id),
             to_jsonb(u)->>'date_joined') AS since,
    to_jsonb(u)->>'last_login' AS last_login,
    (SELECT json_agg(json_build_object('label', k.label, 'since', to_jsonb(k)->>'created_at',
       'last_used', to_jsonb(k)->>'last_used_at', 'scopes', to_jsonb(k)->'scopes') ORDER BY k.label)
     FROM posthog_personalapikey k WHERE k.user_id = u.id) AS keys,
    CASE WHEN EXISTS (SELECT FROM information_schema.columns
                      WHERE table_name = 'django_session' AND column_name = 'user_id')
         THEN (SELECT count(*) FROM django_session s
               WHERE to_jsonb(s)->>'user_id' = u.id::text AND s.expire_date > now()) END AS sessions,
    {tokens} AS tokens,
    left(u.password, 1) <> '!' AS password
  FROM posthog_user u) found;
"""


def access(work: Work, site: Site, say: Callable[[str], None] = lambda _: None) -> Access:
    """Ask every host at the same time, then the database. Raises UnreachableError."""
    say("asking the hosts")
    with ThreadPoolExecutor(8) as pool:
        seen = tuple(pool.map(lambda host: accounts(work, host), site.hosts))
    say("asking the database")
    host = data_host(site)
    services = [row["name"] for row in Stores(table_of(work.declaration), site.hosts).postgres_roles]
    roles = tuple(role_of(host.name, row, services) for row in query(work, host, ROLES, "postgres"))
    members = tuple(member_of(row) for row in asked_members(work, host))
    invited = tuple(invited_of(row) for row in invitations(work, host))
    return Access(now(), tuple(one for found in seen for one in found), members + invited, roles)


def accounts(work: Work, host: Host, only: tuple[str, ...] = ()) -> tuple[HostAccount, ...]:
    """Ask one host for its accounts, or for these alone. Raises UnreachableError."""
    words = ["sudo", "-n", "python3", "-", ssh.quoted([json.dumps({"only": only})])]
    answer = ssh.ask(host, work.deployment.known_hosts, words, stdin=PROBE, seconds=120)
    if answer.returncode:
        raise UnreachableError(f"{host.name}: could not look at its accounts: {answer.stderr.strip()[-300:]}")
    people = work.declaration.access.administrators
    return tuple(account_of(host.name, said, people, host.user) for said in json.loads(answer.stdout))


def asked_members(work: Work, host: Host) -> list[dict[str, Any]]:
    """Return what the database says of everybody in PostHog; nobody where PostHog is not deployed."""
    if not work.declaration.posthog.deploy:
        return []
    tables = {str(name) for name in query(work, host, TABLES)}
    if "posthog_user" not in tables:
        return []
    return query(work, host, members_query(tables))


def invitations(work: Work, host: Host) -> list[dict[str, Any]]:
    """Return the invitations that were not answered yet, expired ones too: whoever has the link may ask for more."""
    if not work.declaration.posthog.deploy or INVITES not in query(work, host, TABLES):
        return []
    return query(work, host, INVITED)  # type: ignore[no-any-return]


def members_query(tables: set[str]) -> str:
    """Return the question about members, for a database that has these tables."""
    return MEMBERS.replace("{tokens}", " + ".join(COUNT % name for name in TOKENS if name in tables) or "0")


def query(work: Work, host: Host, text: str, database: str = DATABASE, **values: str) -> Any:
    """Return the JSON that a statement answers, asked as the database's superuser. Raises UnreachableError.

    `values` stand in the statement as :'name', quoted by psql.
    """
    given = [word for name, value in values.items() for word in ("-v", f"{name}={value}")]
    psql = ["runuser", "-u", "postgres", "--", "psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", *given, "-d", database]
    words = ["sudo", "-n", "sh", "-c", ssh.quoted([f"cd / && {shlex.join([*psql, '-f', '-'])}"])]
    answer = ssh.ask(host, work.deployment.known_hosts, words, stdin=text, seconds=60)
    if answer.returncode:
        raise UnreachableError(f"{host.name}: the database did not answer: {answer.stderr.strip()[-300:]}")
    return json.loads(answer.stdout)
