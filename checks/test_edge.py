"""The edge, as browsers, SDKs and strangers meet it: by handshakes and requests from this controller."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace

import pytest

from checks import confined
from checks.door import GIGABYTE, Door, Request, refused, self_made, verifying
from checks.nftables import within
from checks.on_host import program
from checks.visits import Visits
from hedgerow.checking import CouldNotAsk, NotExercised

SIGN_UP = ("/signup", "/signup/", "/api/signup", "/api/signup/", "//api/signup", "/api/%73ignup/", "/API/signup")
SHARING = ("/shared", "/shared_dashboard", "/embedded", "/exporter")
# Pages and API, and ways to spell them that might slip past an allow-list.
PAGES = ("/", "/login", "/api/projects/", "/api/users/@me/", "/_preflight/", "/e/../login", "/static/..%2flogin")
# What begins like a path of capture and is none: pages of PostHog among them.
NOT_CAPTURE = (
    *("/events", "/experiments", "/batch_exports", "/capture-all", "/i/v0x"),
    *("/settings", "/flagship", "/array-of", "/api/feature_flag", "/api/feature_flag/1"),
)
FLOOD_LIMIT = 60
APPLICATION = "hedgerow-web.service"
# Where events come in, and recordings where they are taken, and a page.
KEPT = ("/e/", "/batch/", "/capture/", "/i/v0/e/")
RECORDINGS, RECORDER = "/s/", "replay-capture"
LOOKED_AT = "/login"
WATCHING = "systemctl show hedgerow-pressure.service -p ActiveState,UnitFileState; ls /run/hedgerow-pressure"
ROOM = "df -B1 --output=avail /var/lib/containers /var/lib/postgresql /var/lib/valkey /var/log/journal 2>/dev/null"


def flood(sheet):
    """Return the question how many sign-ins the edge takes at once."""
    return program("flood", sheet.declared.domain)


def rehearsal(sheet):
    """Return the question what the edge says to events for which there is no room, and to who only looks."""
    return program("rehearsal", sheet.declared.domain, *kept(sheet.declared), LOOKED_AT)


def kept(declared):
    """Return the paths by which something comes in that is to be kept."""
    return (*KEPT, RECORDINGS) if RECORDER in declared.all_services else KEPT


UNIT = "nginx.service"
# What its first process needs to bind ports, to read the key and to become somebody else: CAP_CHOWN, CAP_DAC_OVERRIDE,
# CAP_KILL, CAP_SETGID, CAP_SETUID and CAP_NET_BIND_SERVICE (capabilities(7)).
CAPABILITIES = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10

ASK_AHEAD = (flood, rehearsal, WATCHING, ROOM, confined.question(UNIT))


@pytest.fixture(scope="session")
def words():
    """Return two words of this run: one that may be on record, one that may not."""
    return f"hedgerow-trial-{secrets.token_hex(6)}", f"hedgerow-private-{secrets.token_hex(6)}"


def record_of(finding, host, visits, words):
    """Return what the edge wrote down about requests that this run makes for the purpose, as a list of lines.

    Their paths carry one word; their query strings, referring page and body another. One of them is too large,
    because servers like to quote in their log of errors what they leave out of the other.
    """
    shown, private = words
    referring = {"Referer": f"https://acme.example/?patient={private}"}
    for path in (f"/login/{shown}", *(f"{closed}/{shown}" for closed in (*SIGN_UP, *SHARING))):
        visits.ask(finding, Request(f"{path}?email={private}@acme.example", headers=referring))
    visits.ask(finding, Request(f"/e/{shown}?data={private}", "POST", {**referring, **GIGABYTE}))
    visits.ask(finding, Request(f"/login/{shown}?email={private}", "POST", referring, private.encode()))
    question = (
        f"journalctl --sync && journalctl -q -o cat -u nginx.service --since=-2min -g '{shown}|{private}';"
        f" grep -rhsE '{shown}|{private}' /var/log --exclude-dir=journal"
    )
    lines = finding.ask(host, question, codes=(0, 1)).stdout.splitlines()
    finding.observe(f"{len(lines)} lines on record")
    if not lines:
        raise CouldNotAsk("our own requests are on no record of this host")
    return lines


def closed_at_the_door(finding, lines, paths, words):
    """Assert that every path was refused, and by the edge itself: no service stands behind the answer."""
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    seen = {row["path"].partition("?")[0]: row for row in rows}
    answers = {path: seen.get(f"{path}/{words[0]}") for path in paths}
    missing = [path for path, row in answers.items() if row is None]
    if missing:
        raise CouldNotAsk(f"not on record: {', '.join(missing)}")
    wrong = [f"{p} {r['status']}" for p, r in answers.items() if int(r["status"]) not in (403, 404) or r["upstream"]]
    finding.observe(", ".join(f"{path} {row['status']}" for path, row in answers.items()) + "; asked of no service")
    assert not wrong, f"let through to a service: {', '.join(wrong)}"


@pytest.mark.control("edge.interface-sources")
def test_pages_open_for_declared_networks_alone(finding, visits, declared, outside, stranger):
    finding.expect("pages and API refused to a stranger, and served to a declared address")
    if within(outside.stranger, declared.interface_from):
        raise NotExercised(f"our second address {outside.stranger} is in interface_from: it is no stranger here")
    if not within(outside.controller, declared.interface_from):
        raise NotExercised(f"this controller ({outside.controller}) is not in interface_from")
    ours = visits.ask(finding, Request("/login"))
    finding.asked(f"TCP connect from {outside.stranger} to port 443")
    theirs = {path: stranger.ask(finding, Request(path)) if stranger else None for path in PAGES}
    finding.observe(
        f"/login to us {ours}; to a stranger "
        + (", ".join(f"{path} {reply}" for path, reply in theirs.items()) if stranger else "no connection")
    )
    served = [f"{path} {reply}" for path, reply in theirs.items() if reply and reply.status not in (0, 400, 403, 404)]
    assert ours.status not in (0, 403), "a declared address is refused as well: this shows nothing"
    assert not served, f"a stranger gets {', '.join(served)}"


@pytest.mark.control("edge.client-certificates")
def test_pages_open_to_holders_of_a_certificate_alone(finding, visits, declared, outside):
    """From an address that is let in, so that nothing but the certificate can be what is missing."""
    finding.expect(
        "pages and API: ours shown, served; none or a stranger's, refused; an event without one: not refused"
    )
    if not declared.caller_file:
        raise NotExercised("access.interface_certificates is not declared")
    if not within(outside.controller, declared.interface_from):
        raise NotExercised(f"this controller ({outside.controller}) is not in interface_from")
    shown = visits.ask(finding, Request("/login"))
    bare = visits.showing("")
    without = {path: bare.ask(finding, Request(path)) for path in PAGES}
    with self_made() as stranger:
        strange = visits.showing(stranger).ask(finding, Request("/login"))
    event = bare.ask(finding, Request("/e/", "POST", {"Content-Type": "application/json"}, b"{}"))
    served = [f"{path} {reply}" for path, reply in without.items() if reply.status not in (0, 400, 403, 404)]
    finding.observe(
        f"/login with ours {shown}, with a stranger's {strange}; without: "
        + ", ".join(f"{path} {reply}" for path, reply in without.items())
        + f"; an event without: {event}"
    )
    assert shown.status not in (0, 400, 403), "whoever holds a certificate is refused as well: this shows nothing"
    assert not served, f"served without a certificate: {', '.join(served)}"
    assert strange.status in (0, 400, 403), f"a certificate that nobody issued opens /login ({strange})"
    if declared.services and within(outside.controller, declared.ingest_from):
        assert event.status not in (0, 403), f"an event without a certificate gets {event}"


@pytest.mark.control("edge.ingest-sources")
def test_events_come_from_declared_networks_alone(finding, declared, outside, stranger):
    """An empty event is refused by capture itself, so a refusal by the edge (403) is told from one behind it."""
    finding.expect("a stranger's events refused unless any may send them, and then through the capture paths alone")
    if not declared.all_services:
        raise NotExercised("PostHog is not deployed, so nobody takes events")
    free, pages_too = (within(outside.stranger, each) for each in (declared.ingest_from, declared.interface_from))
    finding.asked(f"TCP connect from {outside.stranger} to port 443")
    event = Request("/e/", "POST", {"Content-Type": "application/json"}, b"{}")
    theirs = stranger.ask(finding, event).status if stranger else 0
    near = {path: stranger.ask(finding, Request(path)) for path in NOT_CAPTURE} if stranger and not pages_too else {}
    passed = [f"{path} {reply}" for path, reply in near.items() if reply.status not in (0, 400, 403)]
    finding.observe(f"an event of a stranger's gets {theirs or 'no connection'}; besides: {passed or 'nothing'}")
    if free and pages_too:
        raise NotExercised("both lists of the declaration hold our second address: there is nobody to refuse")
    assert (theirs not in (0, 403)) is free, f"an event of a stranger's gets {theirs or 'no connection'}"
    assert not passed, f"let through besides events: {', '.join(passed)}"


@pytest.mark.control("edge.sign-up-closed")
def test_nobody_signs_up_through_the_door(finding, host, visits, words):
    finding.expect("403 or 404 from the edge itself for every spelling of the way to sign up")
    closed_at_the_door(finding, record_of(finding, host, visits, words), SIGN_UP, words)


@pytest.mark.control("edge.sharing-closed")
def test_nothing_is_shown_without_signing_in(finding, host, visits, words, declared):
    finding.expect("403 or 404 from the edge itself for every way to a shared page")
    if declared.public_sharing:
        raise NotExercised("access.public_sharing is declared, so shared pages are open")
    closed_at_the_door(finding, record_of(finding, host, visits, words), SHARING, words)


@pytest.mark.control("edge.log-without-phi")
def test_the_record_says_who_and_where_and_no_more(finding, host, visits, words):
    finding.expect("our requests on record by their path, and nothing of query strings, referring pages or bodies")
    lines = record_of(finding, host, visits, words)
    private = [line for line in lines if words[1] in line]
    recorded = [line for line in lines if words[0] in line and words[1] not in line]
    leaks = ", ".join(" ".join(line.replace(words[1], "[private]").split())[:160] for line in private[:2])
    finding.observe(leaks or f"{len(recorded)} of our requests on record, by path alone")
    assert not private, f"a query string, a referring page or a body is on record: {leaks}"
    assert recorded, "our requests are not on record"


@pytest.mark.control("edge.requests-bounded")
def test_nobody_floods_the_application(finding, host, visits, sheet):
    """The flood comes from an address of the host's own, so that nobody's real allowance is used up."""
    finding.expect(f"sign-ins from one address refused (429) before the {FLOOD_LIMIT}th, a request of 1 GiB with 413")
    answers = json.loads(finding.ask(host, flood(sheet)).stdout)
    large = visits.ask(finding, Request("/e/", "POST", GIGABYTE))
    finding.observe(f"sign-in {answers['asked']} got {answers['last']}; 1 GiB got {large}")
    if not answers["asked"]:
        raise CouldNotAsk("the edge closed the connection before the first answer")
    assert answers["last"] in (429, 503), (
        f"{answers['asked']} sign-ins in a row were all answered ({answers['statuses']})"
    )
    assert large.status == 413, f"a request of 1 GiB got {large}"


@pytest.mark.control("edge.back-pressure")
def test_what_cannot_be_kept_is_refused(finding, host, sheet, declared):
    """An address of the host's own is always answered as everybody is while there is no room; nothing is changed."""
    finding.expect("503 with Retry-After for events without room, pages as ever, and somebody who measures the room")
    if not declared.all_services:
        raise NotExercised("PostHog is not deployed, so nobody takes events")
    answers = json.loads(finding.ask(host, rehearsal(sheet)).stdout)
    watching = finding.ask(host, WATCHING, codes=(0, 2)).stdout.split()
    free = min(int(word) for word in finding.ask(host, ROOM, codes=(0, 1)).stdout.split() if word.isdigit())
    refusing = "full" in watching
    finding.observe(
        ", ".join(f"{path} {status}" for path, (status, _) in answers.items())
        + f"; measured: {'yes' if 'ActiveState=active' in watching else 'no'}; {free >> 20} MiB free,"
        f" events are {'refused' if refusing else 'accepted'}"
    )
    taken = [path for path in kept(declared) if answers[path][0] != 503 or not answers[path][1]]
    assert not taken, f"not refused when there is no room: {', '.join(taken)}"
    assert answers[LOOKED_AT][0] != 503, "pages close together with events"
    assert "ActiveState=active" in watching, "nobody measures whether there is room"
    assert "UnitFileState=enabled" in watching, "after a restart nobody measures whether there is room"
    assert refusing or free >= declared.reserve, f"events are accepted with {free >> 20} MiB left"


@pytest.mark.control("edge.forwarded-for-overwritten")
def test_the_application_learns_the_true_address(finding, host, sheet, outside):
    """A request with a false address is made here, and overheard where the application has it out of TLS."""
    finding.expect(f"X-Forwarded-For naming {outside.controller} alone, and nothing of the address claimed")
    declared = sheet.declared
    if not declared.posthog or not declared.all_services:
        raise NotExercised("PostHog is not deployed, so nobody learns anything")
    if not within(outside.controller, declared.interface_from):
        raise NotExercised(f"this controller ({outside.controller}) is not in interface_from")
    claimed, word = "203.0.113.99", f"hedgerow-{secrets.token_hex(8)}"
    claims = dict.fromkeys(
        ("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "X-Hedgerow-Client"), claimed
    )
    headers = {**claims, "Forwarded": f"for={claimed}", "User-Agent": word}
    visits = Visits(Door.of(sheet, replace(outside, address=declared.edge_address)), outside.controller)
    question = program("overhear", APPLICATION, word)
    host.backend.begin(question)
    for attempt in range(20):
        # The listener is there a moment after it was asked for, and goes once it has heard: then nobody needs more.
        visits.ask(finding, Request(f"/_livez/?{attempt}", headers=headers))
        if host.backend.answered(question):
            break
        time.sleep(0.05)
    heard = json.loads(finding.ask(host, question).stdout)
    finding.observe(", ".join(f"{name}: {value}" for name, value in (heard or {}).items()) or "nothing overheard")
    if heard is None:
        raise CouldNotAsk("our request did not come out of the application's side-car")
    assert heard.get("x-forwarded-for") == outside.controller, f"it learns {heard.get('x-forwarded-for', 'nothing')}"
    assert not any(claimed in value for value in heard.values()), "the address that a client claims is passed on"


@pytest.mark.control("edge.unknown-names-refused")
def test_other_names_get_no_page(finding, visits, door):
    finding.expect("no handshake for an unknown name, and no page for an unknown Host, with TLS or without")
    other = "nobody.example"
    finding.asked(f"TLS handshake for {other}")
    handshake = refused(door, verifying(door.ca_file), other)
    hidden = visits.ask(finding, Request("/login", host=other))
    plain = visits.ask(finding, Request("/login", host=other), plain=True)
    finding.observe(f"handshake {handshake or 'accepted'}; Host over TLS: {hidden}; Host over plain HTTP: {plain}")
    assert handshake and "verify" not in handshake, "a handshake for a name that is not ours was accepted"
    assert hidden.status in (0, 400, 404, 421), f"a Host that is not ours gets {hidden}"
    assert plain.status in (0, 400, 404, 421), f"a Host that is not ours gets {plain} over plain HTTP"


@pytest.mark.control("edge.confined")
def test_whoever_breaks_in_is_held_in(finding, host):
    confined.assert_confined(finding, host, UNIT, CAPABILITIES, first_as_root=True)
