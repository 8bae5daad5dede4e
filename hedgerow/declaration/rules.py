"""What no single key can tell: rules over the whole.

They read the plain values, not the model, so that their findings stand beside those of single
keys in one report. Values of a wrong type are none of their business and pass unseen.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from hedgerow import releases
from hedgerow.declaration.clouds import CLOUDS, agreement_is_signed, aws_holds_together, gcp_holds_together
from hedgerow.declaration.destinations import backup_place_is_whole, drill_host_is_apart
from hedgerow.declaration.lookups import at, rows_of, texts, twice
from hedgerow.declaration.networks import ANY
from hedgerow.declaration.promises import (
    attestations_differ,
    attested_in_the_past,
    sealed_in_the_past,
    signed_in_the_past,
    waived_controls_exist,
    waived_controls_may_be,
    waivers_differ,
    waivers_have_not_ended,
)
from hedgerow.declaration.strictness import profile_is_met, second_factor_keys
from hedgerow.declaration.volumes import volume_can_be_opened
from hedgerow.declaration.words import Path, Wrong, shown
from hedgerow.hosts import ROLES

STAND_IN = "hedgerow-stand-in"
MOST_OBJECTS = 5
Rule = Callable[[dict[str, Any]], Iterator[Wrong]]


def check(
    value: dict[str, Any],
    now: datetime.datetime | None,
    known_controls: Collection[str] | None,
    never_waived: Mapping[str, str],
) -> list[Wrong]:
    """Apply every rule. Without `now` or `known_controls`, what depends on them is not asked."""
    wrong = [found for rule in RULES for found in rule(value)]
    if now is not None:
        today = now.date()
        wrong += [*signed_in_the_past(value, today), *attested_in_the_past(value, today)]
        wrong += [*waivers_have_not_ended(value, today), *sealed_in_the_past(value, now)]
    if known_controls is not None:
        wrong += waived_controls_exist(value, known_controls)
    wrong += waived_controls_may_be(value, never_waived)
    return wrong


def _roles(row: dict[str, Any]) -> list[str]:
    return texts(row["roles"]) if "roles" in row else list(ROLES)


def release_is_carried(value: dict[str, Any]) -> Iterator[Wrong]:
    """A release is one that this Hedgerow has a table of."""
    name, carried = value.get("release"), releases.names()
    if isinstance(name, str) and name not in carried:
        yield Wrong(("release",), f"there is no release {shown(name)}", releases.listed(carried))


def hosts_differ(value: dict[str, Any]) -> Iterator[Wrong]:
    """Two hosts never share a name, an address or a private address."""
    rows = rows_of(value, "target", "hosts")
    yield from twice(rows, "name", "the name of another host")
    behind_one_address = [(path, {"address": f"{row.get('address')}:{row.get('port', 22)}"}) for path, row in rows]
    if all("address" in row for _, row in rows):
        yield from twice(behind_one_address, "address", "the address of another host")
    yield from twice(rows, "private_address", "the private address of another host")


def roles_are_placed(value: dict[str, Any]) -> Iterator[Wrong]:
    """Every role is on just one host, and no host is idle."""
    found = at(value, "target", "hosts")
    rows = rows_of(value, "target", "hosts")
    if found == []:
        yield Wrong(("target", "hosts"), "there are no hosts", "Name at least one: - {name: analytics-1, ...}.")
    for path, row in rows:
        roles = _roles(row)
        if row.get("roles") == []:
            yield Wrong((*path, "roles"), "this host has nothing to do", "Write [edge, app, data], or remove the host.")
        if len(set(roles)) < len(roles):
            yield Wrong((*path, "roles"), "a role is listed twice", "Name each role once.")
        if "roles" not in row and len(rows) > 1:
            fix = (
                "Write roles: [edge, app] for one host and roles: [data] for the other, or one role for each of three."
            )
            yield Wrong((*path, "roles"), "is missing, and there are several hosts", fix)
    understood = all(len(rows) == 1 or "roles" in row for _, row in rows) and all(
        set(_roles(row)) <= set(ROLES) for _, row in rows
    )
    if rows and understood:
        yield from _placed([(path, _roles(row)) for path, row in rows])


def _placed(hosts: list[tuple[Path, list[str]]]) -> Iterator[Wrong]:
    for role in ROLES:
        bearers = [path for path, roles in hosts if role in roles]
        if not bearers:
            yield Wrong(("target", "hosts"), f"no host has the role {role}", f"Add {role} to the roles of one host.")
        for path in bearers[1:]:
            fix = "This release runs each role on exactly one host; remove it here or there."
            yield Wrong((*path, "roles"), f"a second host has the role {role}", fix)


def hosts_know_their_address(value: dict[str, Any]) -> Iterator[Wrong]:
    """What the services of a host listen on is known, or can be read off its address."""
    rows = rows_of(value, "target", "hosts")
    if at(value, "target", "kind") != "onprem":
        return
    for path, row in rows:
        place = (*path, "private_address")
        fix = "Add private_address: the IPv4 address on the network that the hosts share, for example 192.0.2.52."
        if row.get("private_address") is None and len(rows) > 1:
            yield Wrong(place, "is missing, and there are several hosts", fix)
        elif row.get("private_address") is None and ":" in str(row.get("address", "")):
            yield Wrong(place, "is missing, and the address is not IPv4", fix)


def people_are_named(value: dict[str, Any]) -> Iterator[Wrong]:
    """Real hosts have named administrators, each with keys of her own and an account of her own."""
    real = at(value, "target", "kind") in ("onprem", *CLOUDS)
    rows = rows_of(value, "access", "administrators")
    if real and not at(value, "access", "administrators"):
        fix = 'Name at least one person: administrators: [{name: jane, ssh_keys: ["ssh-ed25519 AAAA..."]}].'
        yield Wrong(("access", "administrators"), "nobody is named, and the hosts will let nobody else in", fix)
    yield from twice(rows, "name", "the name of another administrator")
    logins = [row.get("user") for _, row in rows_of(value, "target", "hosts")]
    holder: dict[str, Path] = {}
    for path, row in rows:
        if row.get("name") in logins:
            fix = "Give the installer an account of its own, so that the log tells a person from the installer."
            yield Wrong((*path, "name"), f"{shown(row['name'])} is the account that the installer connects with", fix)
        if row.get("ssh_keys") == []:
            yield Wrong((*path, "ssh_keys"), "is empty: this person could not log in", "Paste the line of a .pub file.")
        for index, key in enumerate(row["ssh_keys"] if isinstance(row.get("ssh_keys"), list) else []):
            body = " ".join(key.split()[:2]) if isinstance(key, str) and "PRIVATE" not in key else ""
            if body and body in holder:
                fix = "One key, one person (164.312(a)(2)(i), unique user identification): remove it here or there."
                yield Wrong((*path, "ssh_keys", index), "this key is listed above already", fix)
            holder.setdefault(body, path)
        if row.get("sealed") and row.get("sudo", "all") != "all":
            fix = "Give it sudo: all. Who is let in by it reaches for it because nothing else works."
            yield Wrong((*path, "sudo"), "an account for emergencies that may not do everything is none", fix)
    if rows and all(row.get("sealed") for _, row in rows):
        fix = "Declare a person too, with keys of her own: what is sealed is for when those do not work."
        yield Wrong(("access", "administrators"), "every account is sealed, and the first use of one is an alarm", fix)


def certificate_has_files(value: dict[str, Any]) -> Iterator[Wrong]:
    """`provided` needs its two files; elsewhere they would do nothing."""
    provided = at(value, "tls", "certificate") == "provided"
    for key in ("certificate_file", "key_file"):
        if provided and at(value, "tls", key) is None:
            yield Wrong(("tls", key), "is missing, and the certificate is provided", f"Add {key}: FILE.pem.")
        if not provided and at(value, "tls", key) is not None:
            yield Wrong(("tls", key), "is used only with certificate: provided", "Write that too, or remove this line.")


def authority_can_ask(value: dict[str, Any]) -> Iterator[Wrong]:
    """Whoever certifies a name looks for an answer at its port 80 (RFC 8555, 8.3), from wherever it likes."""
    acme = at(value, "tls", "certificate") == "acme"
    for key in ("directory", "directory_ca", "contact"):
        if not acme and at(value, "tls", key) is not None:
            yield Wrong(("tls", key), "is used only with certificate: acme", "Write that too, or remove this line.")
    own = at(value, "tls", "directory")
    if at(value, "tls", "directory_ca") is not None and own is None:
        yield Wrong(("tls", "directory_ca"), "is that of a directory of yours, and none is named", "Add directory.")
    if acme and own is None and ANY not in texts(at(value, "access", "ingest_from") or []):
        fix = "Write access.ingest_from: [any], or tls.directory: an ACME server of yours, or certificate: provided."
        reason = "a public authority comes to port 80 from addresses that nobody knows, and not everybody is let in"
        yield Wrong(("tls", "certificate"), reason, fix)
    elif acme and own is None and at(value, "target", "egress") in ("none", "endpoints"):
        fix = "Write tls.directory: an ACME server of yours that hosts reach, or certificate: provided."
        yield Wrong(
            ("tls", "certificate"), "a public authority is in the internet, and target.egress leads to none", fix
        )


def mail_is_encrypted(value: dict[str, Any]) -> Iterator[Wrong]:
    """A relay is spoken to by TLS, in the form that its port is for (RFC 8314, 3.3)."""
    port, form = at(value, "mail", "port") or 587, at(value, "mail", "encryption") or "starttls"
    if port == 25:
        fix = "Ask whoever runs the relay for its submission port: 587, or 465 with encryption: implicit."
        yield Wrong(("mail", "port"), "25 is the port between mail servers, where TLS is optional", fix)
    if port == 465 and form == "starttls":
        fix = "Write encryption: implicit, or port: 587."
        yield Wrong(("mail", "encryption"), "port 465 speaks TLS from the first byte", fix)
    if port == 587 and form == "implicit":
        fix = "Write port: 465, or remove encryption."
        yield Wrong(("mail", "encryption"), "port 587 begins in the clear and asks for TLS (STARTTLS)", fix)


def alerts_have_a_way(value: dict[str, Any]) -> Iterator[Wrong]:
    """Alerts by mail need the relay."""
    if at(value, "alerts", "mail") and not at(value, "mail"):
        fix = "Declare mail (host, address, user, password_file, from), or use alerts.webhook_file."
        yield Wrong(("alerts", "mail"), "there is no relay to send mail by", fix)


def images_are_real(value: dict[str, Any]) -> Iterator[Wrong]:
    """Stand-ins never leave the lab. Whether an image without a digest is locked is for the image lock to say."""
    if at(value, "target", "kind") == "lab":
        return
    place = ("posthog", "images")
    named = at(value, *place)
    for name, image in named.items() if isinstance(named, dict) else ():
        if isinstance(image, str) and STAND_IN in image:
            yield Wrong((*place, name), "a stand-in is no PostHog: it is for the lab only", "Name PostHog's own image.")


def outbound_differs(value: dict[str, Any]) -> Iterator[Wrong]:
    """A destination is declared once."""
    found = at(value, "access", "outbound_to")
    seen: list[Any] = []
    for index, row in enumerate(found if isinstance(found, list) else []):
        same = f"{row.get('to')}:{row.get('port')}" if isinstance(row, dict) else row
        if same in seen:
            yield Wrong(("access", "outbound_to", index), f"{shown(same)} is listed twice", "Keep one of the two.")
        seen.append(same)


def outbound_is_used(value: dict[str, Any]) -> Iterator[Wrong]:
    """A way out is for what delivers there; without that nothing would ever take it."""
    delivering = {"destinations", "batch-exports"}
    if at(value, "access", "outbound_to") and not delivering & {*(at(value, "features") or ())}:
        fix = "Add destinations or batch-exports to features, or remove it. Mail has its own relay, under mail."
        yield Wrong(("access", "outbound_to"), "nothing that is declared would connect there", fix)


def dropping_can_be_done(value: dict[str, Any]) -> Iterator[Wrong]:
    """Upstream's API makes a transformation from a template alone, which it has from the service of destinations."""
    place, names = ("privacy", "drop_properties"), texts(at(value, "privacy", "drop_properties"))
    if names and "destinations" not in texts(at(value, "features")):
        yield Wrong(
            place,
            "PostHog takes properties out by a transformation, whose template only its service of destinations has",
            "Add destinations to features, or do not send them (before_send in PostHog's SDKs) and remove this key.",
        )
    for index, name in enumerate(names):
        if above := [other for other in names if other != name and name.startswith(f"{other}.")]:
            yield Wrong(
                (*place, index), f"{shown(name)} lies in {shown(above[0])}, which is taken out whole", "Remove it."
            )
        elif name in names[:index]:
            yield Wrong((*place, index), f"{shown(name)} is taken out above already", "Each is named once: remove one.")
    # Each object takes a transformation, and one each in $set and $set_once; a project may have twenty that are on.
    if len({name.rpartition(".")[0] for name in names}) > MOST_OBJECTS:
        yield Wrong(
            place, f"they lie in more than {MOST_OBJECTS} objects", "Take out whole objects: form for form.name."
        )


RULES: tuple[Rule, ...] = (
    release_is_carried,
    hosts_differ,
    roles_are_placed,
    hosts_know_their_address,
    people_are_named,
    certificate_has_files,
    authority_can_ask,
    volume_can_be_opened,
    backup_place_is_whole,
    drill_host_is_apart,
    mail_is_encrypted,
    alerts_have_a_way,
    agreement_is_signed,
    aws_holds_together,
    gcp_holds_together,
    images_are_real,
    outbound_differs,
    outbound_is_used,
    dropping_can_be_done,
    waivers_differ,
    attestations_differ,
    profile_is_met,
    second_factor_keys,
)
