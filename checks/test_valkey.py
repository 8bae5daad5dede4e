"""Valkey, asked by the host's inspector (a user that sees settings and no key) and by a client without a name."""

from __future__ import annotations

import re
import shlex

import pytest

from checks import confined
from checks.gathered import LISTENERS
from checks.listening import addresses_of
from checks.tls import CA, ended_well, handshake
from checks.valkey_inspector import INSPECTOR
from hedgerow.checking import ANY, CouldNotAsk

USERS = f"{INSPECTOR} ACL LIST"
SETTINGS = f"printf '%s\\n' 'CONFIG GET *port' 'CONFIG GET enable-*' | {INSPECTOR}"
PLAIN = "timeout 60 valkey-cli -h 127.0.0.1 -p 6379 PING"
NAMELESS = f"timeout 60 valkey-cli -h 127.0.0.1 -p 6379 --tls --cacert {CA} --sni valkey.hedgerow.internal PING"
HANDSHAKE = handshake("127.0.0.1:6379", "valkey.hedgerow.internal")

MEMORY = f"printf '%s\\n' 'CONFIG GET maxmemory' 'CONFIG GET maxmemory-policy' | {INSPECTOR}"

UNIT = "valkey-server.service"
BOUNDS = f"printf '%s\\n' 'CONFIG GET maxclients' 'CONFIG GET tcp-keepalive' | {INSPECTOR}"
RECORD = f"printf '%s\\n' 'CONFIG GET hide-user-data-from-log' 'CONFIG GET loglevel' | {INSPECTOR}"
KEEPING = f"printf '%s\\n' 'CONFIG GET appendonly' 'CONFIG GET appendfsync' | {INSPECTOR}"
MOST_CLIENTS = 10_000

ASK_AHEAD = (
    BOUNDS,
    RECORD,
    KEEPING,
    confined.question(UNIT),
    MEMORY,
    USERS,
    SETTINGS,
    PLAIN,
    NAMELESS,
    HANDSHAKE,
    LISTENERS,
)

# What empties, reconfigures, copies, stops or debugs the server, as an ACL dry run takes it.
DANGEROUS = (
    "FLUSHALL",
    "FLUSHDB",
    "CONFIG SET maxmemory 0",
    "CONFIG REWRITE",
    "ACL SETUSER nobody on",
    "ACL SAVE",
    "DEBUG SLEEP 0",
    "MODULE LOAD /nothing",
    "REPLICAOF 192.0.2.1 6379",
    "PSYNC ? -1",
    "MIGRATE 192.0.2.1 6379 key 0 1",
    "MONITOR",
    "SHUTDOWN",
    "SAVE",
    "SWAPDB 0 1",
    "KEYS *",
)
MOST_MEMORY = 16 << 30
ADMINISTRATION = ("ACL LIST", "CONFIG GET dir", "CLIENT LIST", "CLIENT KILL TYPE normal", "SLOWLOG GET")
DATA = ("GET key", "SET key value", "DEL key", "PUBLISH channel word")


@pytest.fixture
def users(finding, host):
    """Return the rules of every user that is on, by name. Password hashes are left out."""
    found = {}
    answer = finding.ask(host, USERS).stdout
    finding.observe("a list of users")  # not as it stands: it holds hashes of passwords
    for line in answer.splitlines():
        match line.split():
            case ["user", name, "on", *rules]:
                found[name] = [rule for rule in rules if rule[0] != "#"]
            case ["user", _, *_]:
                continue
            case _:
                raise CouldNotAsk(re.sub(r"#\w+", "#[hidden]", line))
    finding.observe(f"users on: {', '.join(found)}")
    return found


def settings(finding, host):
    """Return what CONFIG GET answered: names and values in turn."""
    return told(finding, host, SETTINGS)


def told(finding, host, question):
    """Return the answers to several CONFIG GET by name. Raises CouldNotAsk where there is none."""
    words = finding.ask(host, question).stdout.split()
    if not words or len(words) % 2:
        raise CouldNotAsk(f"{len(words)} words in answer to CONFIG GET")
    return dict(zip(words[::2], words[1::2], strict=True))


def allowed(finding, host, names, commands):
    """Return which of the commands each user could run, without running any (ACL DRYRUN)."""
    trials = [(name, command) for name in names for command in commands]
    if not trials:
        return {}
    words = " ".join(shlex.quote(f"ACL DRYRUN {name} {command}") for name, command in trials)
    answers = finding.ask(host, f"printf '%s\\n' {words} | {INSPECTOR}").stdout.splitlines()
    strange = [answer for answer in answers if answer != "OK" and "no permissions" not in answer]
    if strange or len(answers) != len(trials):
        raise CouldNotAsk(f"{len(trials)} dry runs, {len(answers)} answers: {strange[:1]}")
    found: dict[str, list[str]] = {}
    for (name, command), answer in zip(trials, answers, strict=True):
        if answer == "OK":
            found.setdefault(name, []).append(command)
    return found


@pytest.mark.control("valkey.tls-only")
def test_nothing_is_said_in_the_clear(host, finding):
    finding.expect("no answer without TLS, port 0, and a TLS port that answers")
    plain = finding.ask(host, PLAIN, codes=ANY)
    said = (plain.stdout + plain.stderr).strip()
    port = settings(finding, host).get("port", "unknown")
    if "Could not connect" in said:
        raise CouldNotAsk(said)
    finding.observe(f"to a plain PING: {said}; port {port}")
    assert not re.search("PONG|NOAUTH|DENIED|ERR", said), "it talks to a client without TLS"
    assert port == "0", f"it listens without TLS on port {port}"


@pytest.mark.control("valkey.certificate")
def test_its_name_can_be_proven(host, finding):
    finding.expect("a chain to the private CA, for valkey.hedgerow.internal, good for 14 more days")
    ended_well(finding, finding.ask(host, HANDSHAKE, codes=ANY))


@pytest.mark.control("valkey.no-default-user")
def test_nobody_without_a_name(host, finding, users):
    """The built-in user is who a client is until it says otherwise."""
    finding.expect("user default off, a client without a name refused, and no user without a password")
    answer = finding.ask(host, NAMELESS, codes=ANY)
    said = (answer.stdout + answer.stderr).strip()
    if "Could not connect" in said or not said:
        raise CouldNotAsk(said or "no answer")
    careless = [name for name, rules in users.items() if "nopass" in rules]
    finding.observe(f"to a client without a name: {said}; users on: {', '.join(users)}")
    assert "NOAUTH" in said, "a client without a name is served"
    assert "default" not in users, "the built-in user is on"
    assert not careless, f"no password needed for {', '.join(careless)}"


@pytest.mark.control("valkey.least-privilege")
def test_each_user_does_its_service(host, finding, users, declared):
    """A service touches data and administers nothing; whoever else has a name touches no data."""
    finding.expect("services administer nothing, and nobody but a service reads or writes")
    accounts = {f"posthog_{service.replace('-', '_')}" for service in declared.all_services}
    services = [name for name in users if name in accounts]
    others = [name for name in users if name not in services]
    too_much = {
        **allowed(finding, host, services, ADMINISTRATION),
        **allowed(finding, host, others, DATA),
    }
    finding.observe(f"services: {', '.join(services) or 'none'}; others: {', '.join(others)}; too much: {too_much}")
    assert not too_much, "; ".join(f"{name} may {', '.join(commands)}" for name, commands in too_much.items())


@pytest.mark.control("valkey.dangerous-commands-off")
def test_nobody_can_ruin_it(host, finding, users):
    finding.expect("every command that empties, copies, stops or changes the server refused to every user")
    possible = allowed(finding, host, users, DANGEROUS)
    switched = {name: value for name, value in settings(finding, host).items() if name.startswith("enable-")}
    finding.observe(f"{len(DANGEROUS)} commands tried for {', '.join(users)}: {possible or 'all refused'}; {switched}")
    assert not possible, "; ".join(f"{name} may {', '.join(commands)}" for name, commands in possible.items())
    assert set(switched.values()) == {"no"}, "commands for debugging or for modules are switched on"


@pytest.mark.control("valkey.listens-privately")
def test_it_listens_where_the_application_is(host, finding, here):
    finding.expect(f"port 6379 on 127.0.0.1 and {here.private_address} alone")
    found = addresses_of(finding.ask(host, LISTENERS).stdout, 6379)
    finding.observe(f"port 6379 on {', '.join(sorted(found)) or 'no address'}")
    assert found, "nothing listens on port 6379"
    assert found <= {"127.0.0.1", "::1", here.private_address}, "it listens on more addresses than its own two"


@pytest.mark.control("valkey.memory-bounded")
def test_what_is_queued_is_not_dropped(host, finding):
    """What expires anyway may go early; a queue has no expiry, so at the limit writes to it are refused."""
    finding.expect("maxmemory of at most 16 GiB, and a policy that drops nothing without an expiry")
    answers = told(finding, host, MEMORY)
    most, policy = int(answers["maxmemory"]), answers["maxmemory-policy"]
    finding.observe(f"maxmemory {most >> 20} MiB, maxmemory-policy {policy}")
    assert most, "nothing limits its memory: the kernel would end it, or a neighbour"
    assert most <= MOST_MEMORY, f"it may take {most >> 20} MiB"
    assert policy == "noeviction" or policy.startswith("volatile-"), f"{policy} drops what is queued"


@pytest.mark.control("valkey.clients-bounded")
def test_connections_end_somewhere(host, finding):
    """A client that is gone without a word is found out by the kernel's own question, and makes room."""
    finding.expect(f"maxclients of at most {MOST_CLIENTS}, and tcp-keepalive on")
    answers = told(finding, host, BOUNDS)
    most, alive = int(answers["maxclients"]), int(answers["tcp-keepalive"])
    finding.observe(f"maxclients {most}, tcp-keepalive {alive}")
    assert 0 < most <= MOST_CLIENTS, f"{most} clients may connect at once"
    assert alive > 0, "clients that are gone hold their place for ever"


@pytest.mark.control("valkey.log-without-phi")
def test_its_record_holds_no_data(host, finding):
    """With its debug level the server writes commands of clients down, arguments and all."""
    finding.expect("hide-user-data-from-log yes, loglevel notice or warning")
    answers = told(finding, host, RECORD)
    hidden, level = answers["hide-user-data-from-log"], answers["loglevel"]
    finding.observe(f"hide-user-data-from-log {hidden}, loglevel {level}")
    assert hidden == "yes", "keys and values of clients may be written to the journal"
    assert level in ("notice", "warning"), f"at level {level} it writes down what clients do"


@pytest.mark.control("valkey.outlives-restart")
def test_what_is_queued_is_on_disk(host, finding):
    finding.expect("appendonly yes, on disk every second or always")
    answers = told(finding, host, KEEPING)
    kept, often = answers["appendonly"], answers["appendfsync"]
    finding.observe(f"appendonly {kept}, appendfsync {often}")
    assert kept == "yes", "what waits in its queues is gone with the next restart"
    assert often in ("always", "everysec"), "the operating system says when what is queued reaches the disk"


@pytest.mark.control("valkey.confined")
def test_whoever_breaks_in_is_held_in(finding, host):
    confined.assert_confined(finding, host, UNIT, 0, first_as_root=False)
