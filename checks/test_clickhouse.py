"""ClickHouse: its doors as its own host finds them; what it lets each service do, asked from where that service is."""

from __future__ import annotations

import json
import re

import pytest

from checks import in_containers
from checks.in_containers import INSIDE
from checks.on_host import program
from checks.tls import CA
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.sheet import Sheet

STORE = "clickhouse"
HTTPS_PORT = 8443
PORTS = {HTTPS_PORT, 9440}
# Upstream's own file says 10 GB a query and no time: one dashboard could then take the whole host.
MOST_SECONDS = 600
MOST_BYTES = 2_000_000_000
# What a service needs of the database, and what its owner needs beside, to make tables on clusters and to look at them.
# Every server adds that a user may see that there is a database `default`.
OWN = re.compile(r"GRANT ([A-Za-z ,]+ ON posthog\.\*|SHOW DATABASES ON default\.\*) TO \S+")
OWNERS = re.compile(r"GRANT (SELECT ON system\.\*|(CLUSTER|REMOTE|NAMED COLLECTION|, )+ ON \*(\.\*)?) TO \S+")
OWNER = "posthog_web"
# A TTL that deletes rows by a column of time, as ClickHouse states it.
DELETES = re.compile(r" TTL [^,]*?\btoIntervalDay\((\d+)\)(?: DELETE)?(?= SETTINGS|$)")


def clients(sheet: Sheet) -> str:
    """Return the question what ClickHouse lets each of this host's services do."""
    places = {
        f"hedgerow-{service}": (address, port)
        for service, store, address, port in sheet.declared.hops
        if store == STORE and port == HTTPS_PORT
    }
    return program("analysts", json.dumps(places), f"{STORE}.{INSIDE}", CA)


def borrowed(sheet: Sheet) -> str:
    """Return the question whether what the container sees is what the image has."""
    return program("from_images", json.dumps([row for row in sheet.declared.from_images if row[0] == STORE]))


ASK_AHEAD = (in_containers.question, clients, borrowed)


@pytest.fixture
def told(finding, host, sheet):
    """Return what each client was told. Raises NotExercised where none is declared, CouldNotAsk where none runs."""
    if not any(store == STORE for _, store, _, _ in sheet.declared.hops):
        raise NotExercised("no service of this host asks ClickHouse")
    found = json.loads(finding.ask(host, clients(sheet)).stdout)
    deaf = [f"{name}: {each['select'][1][:120]}" for name, each in found.items() if each["select"] != [200, "1"]]
    finding.observe(f"asked from {', '.join(found) or 'no container'}")
    if not found or deaf:
        raise CouldNotAsk(f"not even SELECT 1 is answered: {'; '.join(deaf) or 'no client runs'}")
    return found


@pytest.mark.control("clickhouse.tls-only")
def test_nothing_is_said_in_the_clear(finding, host, sheet):
    in_containers.assert_tls_only(finding, in_containers.answer(finding, host, sheet, STORE), PORTS)


@pytest.mark.control("clickhouse.certificate")
def test_the_certificate_proves_the_name(finding, host, sheet):
    in_containers.assert_certificate(finding, in_containers.answer(finding, host, sheet, STORE), f"{STORE}.{INSIDE}")


@pytest.mark.control("clickhouse.no-default-user")
def test_only_named_users_with_their_password_get_in(finding, told):
    """The user `default` without a password is how an image comes."""
    finding.expect("refused: default without a password, a user nobody made, a service's user with a wrong password")
    let_in = [
        f"{name}: {who}" for name, each in told.items() for who in ("default", "nobody", "wrong") if each[who][0] == 200
    ]
    unheard = [
        f"{name}: {who} {each[who][1][:80]}"
        for name, each in told.items()
        for who in ("default", "nobody", "wrong")
        if not each[who][0]
    ]
    codes = sorted({each[who][0] for each in told.values() for who in ("default", "nobody", "wrong")})
    finding.observe(f"answers {codes} in {len(told)} containers; let in: {let_in or 'nobody'}")
    assert not let_in, f"let in: {', '.join(let_in)}"
    if unheard:
        raise CouldNotAsk(f"no answer: {'; '.join(unheard)}")


@pytest.mark.control("clickhouse.least-privilege")
def test_a_service_has_its_database_and_no_more(finding, told):
    finding.expect("grants on the database posthog alone; system tables and clusters for the owner of the tables only")
    wide, people = [], []
    for name, each in told.items():
        if each["grants"][0] != 200:
            raise CouldNotAsk(f"{name}: SHOW GRANTS: {each['grants'][1][:160]}")
        owner = each["user"] == OWNER
        for line in each["grants"][1].splitlines():
            if not (OWN.fullmatch(line) or (owner and OWNERS.fullmatch(line))):
                wide.append(f"{each['user']}: {line}")
        if each["people"][0] == 200 and not owner:
            people.append(each["user"])
    finding.observe("; ".join(f"{each['user']}: {each['grants'][1].splitlines()}" for each in told.values()))
    assert not wide, f"beyond its database: {'; '.join(wide)}"
    assert not people, f"sees who has an account: {', '.join(people)}"


@pytest.mark.control("clickhouse.queries-bounded")
def test_a_query_ends_somewhere(finding, told):
    finding.expect(f"at most {MOST_SECONDS} s and {MOST_BYTES} bytes for one query, and neither without an end")
    found = {}
    for name, each in told.items():
        status, words = each["limits"]
        numbers = re.fullmatch(r"(\d+)(?:\.\d+)?\t(\d+)", words)
        if status != 200 or not numbers:
            raise CouldNotAsk(f"{name}: {words[:160]}")
        found[each["user"]] = (int(numbers[1]), int(numbers[2]))
    finding.observe("; ".join(f"{user}: {seconds} s, {size} bytes" for user, (seconds, size) in found.items()))
    for user, (seconds, size) in found.items():
        assert 0 < seconds <= MOST_SECONDS, f"a query of {user} may take {seconds or 'endless'} s"
        assert 0 < size <= MOST_BYTES, f"a query of {user} may take {size or 'all'} bytes of memory"


@pytest.mark.control("clickhouse.scripts-from-image")
def test_what_it_runs_comes_out_of_the_locked_image(host, finding, sheet):
    """Seen through the container's own root: what lies where it was mounted from may be something else by now."""
    wanted = {target: digest for service, _, target, digest, _ in sheet.declared.from_images if service == STORE}
    if not wanted:
        raise NotExercised("ClickHouse takes nothing out of an image on this host")
    finding.expect(f"read-only and as the image has them: {', '.join(wanted)}")
    found = json.loads(finding.ask(host, borrowed(sheet)).stdout)
    if found is None:
        raise CouldNotAsk("ClickHouse does not run")
    images = sorted({each["digest"][:19] for each in found.values()})
    finding.observe(f"{sum(each['files'] for each in found.values())} files of {', '.join(images)}")
    for target, digest in wanted.items():
        each = found[target]
        assert each["digest"], f"{target}: {each['why']}"
        assert not digest or each["digest"] == digest, (
            f"{target} is out of {each['digest'][:19]}, the lock says {digest[:19]}"
        )
        assert not each["writable"], f"{target} can be written to from within"
        assert not each["wrong"], f"{target}: {', '.join(each['wrong'][:5])} not as in the image"


@pytest.mark.control("clickhouse.retention")
def test_events_go_when_their_time_is_over(finding, declared, told):
    """A table may have a shorter retention of upstream's own (events_recent: seven days)."""
    finding.expect(f"every table that keeps events deletes them after {declared.keep_days} days or sooner")
    owner = next((each for each in told.values() if each["user"] == OWNER), None)
    if owner is None:
        raise CouldNotAsk(f"{OWNER}, who sees the tables, does not run here")
    status, words = owner["events"]
    tables = dict(line.split("\t", 1) for line in words.splitlines()) if status == 200 else {}
    if not tables:
        raise CouldNotAsk(f"no table of events is seen: {status} {words[:160]}")
    kept = {name: DELETES.search(engine) for name, engine in tables.items()}
    finding.observe("; ".join(f"{name}: {found[1] + ' days' if found else 'no end'}" for name, found in kept.items()))
    for name, found in kept.items():
        assert found, f"{name} keeps events for ever, or as its own TTL has it: {tables[name][-120:]}"
        assert int(found[1]) <= declared.keep_days, f"{name} keeps events for {found[1]} days"
    assert any(int(found[1]) == declared.keep_days for found in kept.values() if found), "all go sooner than declared"
