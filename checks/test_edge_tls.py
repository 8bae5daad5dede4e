"""The edge before anything is asked of it: handshakes, its certificate, and the headers of every answer."""

from __future__ import annotations

import ssl
import time

import pytest

from checks.door import GIGABYTE, Request, offering, refused, verifying
from hedgerow.checking import CouldNotAsk

# Mozilla's guidelines 6.0, intermediate: what TLS 1.2 may use. Every suite of TLS 1.3 is as good.
GOOD = frozenset(
    f"ECDHE-{key}-{cipher}"
    for key in ("ECDSA", "RSA")
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
)
# The same guidelines: how a key may be agreed on. The hybrid one this library knows by no name, so it is not asked for.
GROUPS = ("X25519", "prime256v1", "secp384r1")
OTHER_GROUPS = ("secp521r1", "X448", "ffdhe2048", "ffdhe3072")
TWO_YEARS = 63_072_000
DAYS_LEFT = 21


@pytest.mark.control("edge.tls-versions")
def test_nothing_older_than_tls_1_2(finding, door, visits):
    finding.expect("handshakes by TLS 1.2 and 1.3 accepted, by 1.0 and 1.1 refused")
    seen = {}
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        finding.asked(f"TLS handshake offering {version.name} alone")
        seen[version.name] = refused(door, offering(version))
    finding.observe(", ".join(f"{name} {why or 'accepted'}" for name, why in seen.items()))
    assert seen["TLSv1"] and seen["TLSv1_1"], "an old version of TLS is spoken"
    assert not seen["TLSv1_2"] and not seen["TLSv1_3"], "a version that clients need is refused"


@pytest.mark.control("edge.tls-ciphers")
def test_every_cipher_is_a_good_one(finding, door, visits):
    """All that this controller knows is offered, then all but what was chosen, until nothing is left to choose."""
    finding.expect(f"of TLS 1.2 nothing but {', '.join(sorted(GOOD))}")
    accepted: list[str] = []
    while True:
        context = offering(
            ssl.TLSVersion.TLSv1_2, ":".join(["ALL:COMPLEMENTOFALL", *(f"!{each}" for each in accepted)])
        )
        finding.asked(f"TLS 1.2 handshake offering every cipher but {', '.join(accepted) or 'none'}")
        try:
            with door.handshake(context) as connection:
                accepted.append(connection.cipher()[0])
        except ssl.SSLError:
            break
        except OSError as reason:
            raise CouldNotAsk(str(reason)) from reason
    finding.observe(f"accepted: {', '.join(accepted)}")
    if not accepted:
        raise CouldNotAsk("no handshake by TLS 1.2 at all")
    assert set(accepted) <= GOOD, f"a weak cipher is accepted: {', '.join(sorted(set(accepted) - GOOD))}"


@pytest.mark.control("edge.tls-groups")
def test_keys_are_agreed_on_in_good_groups_alone(finding, door, visits):
    """By TLS 1.3: in 1.2 the one group that a client offers has to be its server certificate's, too (RFC 8422, 5.1)."""
    finding.expect(f"{', '.join(GROUPS)} accepted, {', '.join(OTHER_GROUPS)} refused")
    seen: dict[str, list[str]] = {"accepted": [], "refused": []}
    for group in (*GROUPS, *OTHER_GROUPS):
        finding.asked(f"TLS 1.3 handshake offering {group} alone")
        seen["refused" if refused(door, offering(ssl.TLSVersion.TLSv1_3, group=group)) else "accepted"].append(group)
    finding.observe("; ".join(f"{how}: {', '.join(those) or 'none'}" for how, those in seen.items()))
    strange = sorted(set(seen["accepted"]) - set(GROUPS))
    lost = sorted(set(seen["refused"]) & set(GROUPS))
    assert not strange, f"a key may be agreed on in {', '.join(strange)}"
    assert not lost, f"what clients need is refused: {', '.join(lost)}"


@pytest.mark.control("edge.certificate")
def test_its_name_can_be_proven(finding, door, visits):
    """OpenSSL's level 2 refuses keys and signatures below 112 bits of strength."""
    finding.expect(f"a trusted chain for {door.domain}, by a sound key, good for {DAYS_LEFT} more days")
    finding.asked(f"TLS handshake with {door.domain}, trusting {'the private CA' if door.ca_file else 'public CAs'}")
    try:
        with door.handshake(verifying(door.ca_file)) as connection:
            shown = connection.getpeercert() or {}
    except ssl.SSLCertVerificationError as reason:
        finding.observe(reason.verify_message)
        raise AssertionError(f"the certificate proves nothing: {reason.verify_message}") from reason
    except OSError as reason:
        raise CouldNotAsk(str(reason)) from reason
    end = str(shown["notAfter"])
    left = int((ssl.cert_time_to_seconds(end) - time.time()) // 86400)
    names = ", ".join(value for _, value in shown.get("subjectAltName", ()))
    finding.observe(f"verified for {names}; ends {end}, in {left} days")
    assert left >= DAYS_LEFT, f"it ends in {left} days"


def directives(policy: str) -> dict[str, list[str]]:
    """Return a Content-Security-Policy by directive; of one that is said twice a browser keeps the first."""
    found: dict[str, list[str]] = {}
    for words in (part.split() for part in policy.split(";")):
        if words:
            found.setdefault(words[0].lower(), words[1:])
    return found


def holds_to_its_origin(policy: dict[str, list[str]]) -> bool:
    """Say whether a page can neither ask nor be told anything by a place other than its own.

    The application's own pages would ask the vendor for flags and tools, also where its telemetry is off
    (PostHog, frontend/src/loadPostHogJS.tsx).
    """
    leading_out = [
        source
        for directive in ("connect-src", "script-src", "form-action")
        for source in policy.get(directive, policy.get("default-src", ["*"]))
        if not source.startswith("'") and source not in ("blob:", "data:")
    ]
    own = policy.get("default-src") == ["'self'"]
    return own and not leading_out and {"frame-ancestors", "object-src"} <= {*policy}


@pytest.mark.control("edge.hsts")
def test_browsers_stay_with_https(finding, visits):
    """On refusals as well: a browser that only ever meets one must learn it too."""
    finding.expect(f"Strict-Transport-Security of {TWO_YEARS} s or more, with includeSubDomains, on every answer")
    seen = {}
    for path in ("/login", "/signup", "/no-such-page"):
        reply = visits.ask(finding, Request(path))
        seen[f"{path} ({reply})"] = reply.headers.get("strict-transport-security", "none")
    finding.observe("; ".join(f"{path} {value}" for path, value in seen.items()))
    for path, value in seen.items():
        parts = {name.strip().lower(): age for name, _, age in (part.partition("=") for part in value.split(";"))}
        age = parts.get("max-age", "0").strip('"')
        assert age.isdigit() and int(age) >= TWO_YEARS, f"{path} is answered with {value}"
        assert "includesubdomains" in parts, f"{path}: names below this one are left out"


@pytest.mark.control("edge.plain-http-redirected")
def test_plain_http_is_no_way_in(finding, visits, declared):
    finding.expect("a look answered 301 or 308 to https, an event neither taken nor sent on")
    look = visits.ask(finding, Request("/login"), plain=True)
    event = visits.ask(finding, Request("/e/", "POST", {"Content-Type": "application/json"}, b"{}"), plain=True)
    place = look.headers.get("location", "nowhere")
    finding.observe(f"GET: {look} to {place}; POST: {event}")
    assert look.status in (301, 308), f"a look over plain HTTP gets {look}"
    assert place.startswith(f"https://{declared.domain}/"), f"it is sent to {place}"
    assert event.status == 0 or event.status >= 400, f"an event over plain HTTP gets {event}"


@pytest.mark.control("edge.headers")
def test_pages_keep_to_themselves(finding, visits):
    finding.expect("nosniff, no foreign frames, a content security policy, and no addresses told, on every answer")
    wrong = []
    for path in ("/login", "/signup", "/no-such-page"):
        reply = visits.ask(finding, Request(path))
        policy = directives(reply.headers.get("content-security-policy", ""))
        good = {
            "X-Content-Type-Options": reply.headers.get("x-content-type-options", "") == "nosniff",
            "X-Frame-Options": reply.headers.get("x-frame-options", "").upper() in ("DENY", "SAMEORIGIN"),
            "Content-Security-Policy": holds_to_its_origin(policy),
            "Referrer-Policy": reply.headers.get("referrer-policy", "")
            in ("no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"),
        }
        wrong += [f"{path} ({reply}): {name}" for name, holds in good.items() if not holds]
    finding.observe("; ".join(wrong) or "all four on every answer asked for")
    assert not wrong, f"missing or weak: {', '.join(wrong)}"


@pytest.mark.control("edge.no-version")
def test_answers_do_not_name_a_version(finding, visits):
    finding.expect("no number in Server, no X-Powered-By, no version on a page of the edge's own")
    asked = [(Request(path), False) for path in ("/login", "/signup", "/no-such-page")]
    telling = []
    for request, plain in [*asked, (Request("/"), True), (Request("/e/", "POST", GIGABYTE), False)]:
        reply = visits.ask(finding, request, plain=plain)
        server = reply.headers.get("server", "")
        telling += [f"{request}: Server {server}"] * any(character.isdigit() for character in server)
        telling += [f"{request}: {name}" for name in ("x-powered-by", "x-aspnet-version") if name in reply.headers]
        telling += [f"{request}: its page"] * ("nginx/" in reply.body)
    finding.observe("; ".join(telling) or "five answers, no version")
    assert not telling, f"told by {', '.join(telling)}"
