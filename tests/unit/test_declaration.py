"""The declaration: what is accepted, and for everything else the line, the key, the words and the fix."""

from __future__ import annotations

import base64
import datetime
import json
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest
import yaml

from hedgerow.declaration import Around, Declaration, covers, load, parse, resolve_sources, schema
from hedgerow.declaration.application import Images
from hedgerow.declaration.machines import EVERY_ROLE
from hedgerow.declaration.vocabulary import Renamed
from hedgerow.errors import EXIT_WRONG_CALL, DeclarationError, Problem
from hedgerow.hosts import ROLES

INVENTORIES = Path(__file__).parents[2] / "inventories"
NOW = datetime.datetime(2026, 6, 15, tzinfo=datetime.UTC)
CONTROLS = ("ssh.no-passwords", "ssh.idle-sessions-end", "journal.persistent")

JANE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPZw8Zb6c3THTz8GycTPXbKu78nIfJ39zK8MvWwOwKpC"
MAYA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH2Xn2OkOKvFQJvh92LngqEDq265b7WkImnssihdTsop"
DIGEST = "sha256:" + "0123456789abcdef" * 4

LAB = """\
name: acme
domain: analytics.acme.example
target: {kind: lab}
"""
ONPREM = f"""\
name: acme
domain: analytics.acme.example
posthog: {{deploy: false}}
access:
  administrators: [{{name: jane, ssh_keys: ["{JANE}"]}}]
target:
  kind: onprem
  hosts:
    - {{name: one, address: 192.0.2.52, user: debian}}
"""
FRONT = "{name: one, address: 192.0.2.52, private_address: 192.0.2.52, user: debian, roles: [edge, app]}"


def wire_key(kind: str, *fields: bytes) -> str:
    """Build a public key as ssh-keygen would write it."""
    blob = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return f"{kind} {base64.b64encode(blob).decode()}"


SHORT_RSA = wire_key("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 256)


@dataclass(frozen=True)
class Case:
    """A text with just one thing wrong, and what its author is told."""

    text: str
    line: int
    key: str
    says: str
    fix: str


def lab(added: str, line: int, key: str, says: str, fix: str) -> Case:
    """Add lines to a lab that is right; they begin in line 4."""
    return Case(LAB + added, line, key, says, fix)


def dropped(names: str, which: str, says: str, fix: str) -> Case:
    """Declare properties to take out, in a lab that has who does it."""
    added = f"features: [destinations]\nprivacy:\n  drop_properties: {names}\n"
    return lab(added, 6, f"privacy.drop_properties{which}", says, fix)


def images(missing: str) -> str:
    """Return the line that names every image but one."""
    return (
        f"images: {{{', '.join(f'{key}: r.example/{key}@{DIGEST}' for key in Images.model_fields if key != missing)}}}"
    )


def onprem(old: str, new: str, line: int, key: str, says: str, fix: str) -> Case:
    """Change one thing in an on-premises declaration that is right."""
    assert old in ONPREM
    return Case(ONPREM.replace(old, new), line, key, says, fix)


def host(new: str, key: str, says: str, fix: str) -> Case:
    """Change the one host, which stands in line 9."""
    return onprem("{name: one, address: 192.0.2.52, user: debian}", new, 9, f"target.hosts[0]{key}", says, fix)


def public_key(new: str, says: str, fix: str) -> Case:
    """Change the one public key, which stands in line 5."""
    return onprem(f'"{JANE}"', new, 5, "access.administrators[0].ssh_keys[0]", says, fix)


TEXT = {
    "empty": Case("", 1, "(file)", "the file is empty", "init"),
    "only a comment": Case("# later\n", 1, "(file)", "the file is empty", "init"),
    "a list": Case("- name: acme\n", 1, "(file)", "holds a list", "name: acme"),
    "one word": Case("acme\n", 1, "(file)", "holds one value", "name: acme"),
    "a tab": Case("name: acme\ntarget:\n\tkind: lab\n", 3, "(file)", "a tab", "spaces"),
    "an open quotation": Case('name: "acme\n', 2, "(file)", "ends inside a quotation", "Close"),
    "an open bracket": Case("name: acme\ntarget: {kind: lab\ndomain: x\n", 3, "(file)", "not closed", "Close"),
    "a colon in a text": Case("name: acme: it is\n", 1, "(file)", "a colon", "quotes"),
    "uneven indentation": Case("name: acme\n  domain: x.example\n", 2, "(file)", "a colon", "indentation"),
    "a second document": Case(LAB + "---\nname: b\n", 4, "(file)", "second document", "remove"),
    "an alias": Case("name: &a acme\ndomain: *a\n", 2, "(file)", "alias", "the value itself"),
    "a tag": Case("name: !!python/name:os.system x\n", 1, "(file)", "tag", "without a tag"),
    "nested without end": Case("[" * 5000, 1, "(file)", "nested deeper", "brackets"),
    "a control character": Case("name: acme\ndomain: a\x00b\n", 2, "(file)", "U+0000", "Delete"),
    "an escape beyond Unicode": Case('name: "\\UFFFFFFFF"\n', 1, "(file)", "cannot express", "plainly"),
    "a key twice": lab("name: other\n", 4, "name", "twice, first in line 1", "Keep one"),
    "a list as key": lab("? [a]\n: b\n", 4, "(file)", "where a key should", "key: value"),
}

KEYS = {
    "a slip": lab("tsl: {certificate: private}\n", 4, "tsl", "not a key", "Did you mean tls?"),
    "a slip inside": lab("access:\n  ssh_form: [controller]\n", 5, "access.ssh_form", "not a key", "ssh_from"),
    "in the wrong place": lab("ssh_from: [controller]\n", 4, "ssh_from", "not a key", "access.ssh_from"),
    "nothing like it": lab("zzz: 1\n", 4, "zzz", "not a key", "Keys here: name, domain"),
    "a key without a value": lab("updates:\n", 4, "updates", "has no value", "remove the line"),
    "an optional key without a value": host(
        "{name: one, address: 192.0.2.52, user: debian, identity_file: }", ".identity_file", "no value", "remove"
    ),
    "name is missing": Case(LAB.replace("name: acme\n", ""), 1, "name", "is missing", "name: acme"),
    "kind is missing": Case(LAB.replace("kind: lab", ""), 3, "target.kind", "is missing", "kind: onprem"),
    "a place of backups that is not built": lab(
        'backup: {to: "ftp://acme"}\n', 4, "backup.to", "do not go to ftp://", "/mnt/backup"
    ),
    "drills that are never due": lab("backup: {to: /mnt/backup, drill_days: 0}\n", 4, "backup.drill_days", "0", ""),
    "contact for nobody": lab(
        "tls: {contact: a@b.example}\n", 4, "tls.contact", "only with certificate: acme", "Write"
    ),
    "an authority that cannot come": lab(
        "tls: {certificate: acme}\n", 4, "tls.certificate", "comes to port 80", "ingest_from: [any]"
    ),
    "a directory without TLS": lab(
        "tls: {certificate: acme, directory: 'http://acme.acme.example/dir'}\n",
        4,
        "tls.directory",
        "is no directory",
        "https",
    ),
    "an authority's CA alone": lab(
        "access: {ingest_from: [any]}\ntls: {certificate: acme, directory_ca: ca.pem}\n",
        5,
        "tls.directory_ca",
        "none is named",
        "Add directory",
    ),
    "single sign-on is not upstream's": lab("sign_on: {kind: oidc}\n", 4, "sign_on", "not in this release", "licence"),
    "single sign-on elsewhere": lab(
        "access: {sign_on: {kind: saml}}\n", 4, "access.sign_on", "not in this release", "interface_certificates"
    ),
    "plugins are for later": lab("access: {plugins: [geoip]}\n", 4, "access.plugins", "not in this release", "[]"),
}

VALUES = {
    "Norway": Case(LAB.replace("acme\n", "no\n", 1), 1, "name", "YAML reads it as false", 'quotes: "no"'),
    "a number as name": Case(LAB.replace("acme\n", "42\n", 1), 1, "name", "reads it as a number", 'quotes: "42"'),
    "a version as name": Case(LAB.replace("acme\n", "1.10\n", 1), 1, "name", "1.10 is no text", 'quotes: "1.10"'),
    "a unit without its kind": lab(
        "own_units: [{unit: bareos-fd, why: Backup}]\n", 4, "own_units[0].unit", "is no unit", "bareos-fd.service"
    ),
    "a unit of ours": lab(
        "own_units: [{unit: hedgerow-web.service, why: Web}]\n", 4, "own_units[0].unit", "a name of ours", "Remove it"
    ),
    "a unit for nothing": lab("own_units: [{unit: bareos-fd.service}]\n", 4, "own_units[0].why", "", ""),
    "a long name": Case(LAB.replace("acme", "a" * 21, 1), 1, "name", "cannot be a name", "20"),
    "an underscore in a name": Case(LAB.replace("acme", "ac_me", 1), 1, "name", "cannot be a name", "hyphens"),
    "properties without who takes them out": lab(
        "privacy: {drop_properties: [email]}\n", 4, "privacy.drop_properties", "service of destinations", "before_send"
    ),
    "a property twice": dropped("[email, email]", "[1]", "taken out above already", "remove one"),
    "a property inside another": dropped("[form, form.name]", "[1]", '"form.name" lies in "form"', "Remove it"),
    "properties in too many objects": dropped("[a, b.a, c.a, d.a, e.a, f.a]", "", "more than 5 objects", "whole"),
    "a property with a comma": dropped('["a,b"]', "[0]", "holds ,", "under another name"),
    "a property with a brace": dropped('["{a}"]', "[0]", "holds { }", "under another name"),
    "a property with a blank before": dropped('[" a"]', "[0]", "cannot be a property's name", "as it is sent"),
    "a property without a name": dropped('[""]', "[0]", "cannot be a property's name", "as it is sent"),
    "a property with a tab inside": dropped('["a\\tb"]', "[0]", "cannot be a property's name", "as it is sent"),
    "a long property": dropped(f"[{'a' * 201}]", "[0]", "cannot be a property's name", "200"),
    "a property behind nothing": dropped("[form..name]", "[0]", "a dot that leads nowhere", "form.birthday"),
    "a person's property": dropped("[$set.email]", "[0]", "sets of its person", "email for $set.email"),
    "a property that is added later": dropped("[$geoip_city_name]", "[0]", "added by PostHog itself", "GeoIP"),
    "a property that is a number": dropped("[12]", "[0]", "12 is no text", "quotes"),
    "a URL as domain": Case(
        LAB.replace("analytics", "https://Analytics"), 2, "domain", "more than a host name", '"analytics.acme.example"'
    ),
    "an address as domain": Case(
        LAB.replace("analytics.acme.example", "192.0.2.1"), 2, "domain", "is an IP address", "needs a name"
    ),
    "a wildcard as domain": Case(
        LAB.replace("analytics", '"*').replace(".example", '.example"'), 2, "domain", "wildcard", "one name"
    ),
    "a bare label as domain": Case(LAB.replace(".acme.example", ""), 2, "domain", "no full host name", "analytics."),
    "an umlaut in the domain": Case(LAB.replace("acme.example", "äcme.example"), 2, "domain", "ASCII", "xn--cme-pla"),
    "our own names": Case(
        LAB.replace("analytics.acme.example", "web.hedgerow.internal"), 2, "domain", "use inside", "people type"
    ),
    "another cloud": Case(LAB.replace("lab", "azure"), 3, "target.kind", "not one of lab, onprem, aws, gcp", "lab"),
    "no such target": Case(LAB.replace("lab", "onpremise"), 3, "target.kind", "not one of lab, onprem", "mean onprem?"),
    "a target that is a word": Case(
        LAB.replace("{kind: lab}", "lab"), 3, "target", "a mapping of keys is wanted", "kind: lab"
    ),
    "another kind of machine": Case(
        LAB.replace("lab}", "lab, machine: metal}"), 3, "target.machine", "metal", "container or vm"
    ),
    "a lab subnet too small": Case(
        LAB.replace("lab}", "lab, subnet: 10.1.0.0/28}"), 3, "target.subnet", "cannot be a lab's network", "/24"
    ),
    "a lab on the containers' network": Case(
        LAB.replace("lab}", "lab, subnet: 10.90.0.0/24}"), 3, "target.subnet", "overlaps", "another"
    ),
    "files that nothing reads": lab("tls: {key_file: k.pem}\n", 4, "tls.key_file", "only with", "remove this line"),
    "a provided certificate without key": lab(
        "tls:\n  certificate: provided\n  certificate_file: c.pem\n", 4, "tls.key_file", "is missing", "key_file: FILE"
    ),
    "a text as switch": lab('updates: {reboot: "yes"}\n', 4, "updates.reboot", "true or false", "without quotes"),
    "a number as switch": lab("updates: {reboot: 1}\n", 4, "updates.reboot", "true or false", "true or false"),
    "no such hour": lab('updates: {reboot_time: "25:00"}\n', 4, "updates.reboot_time", "no time of day", "03:30"),
    "a bad owner": lab("posthog: {owner: jane}\n", 4, "posthog.owner", "no e-mail", "jane@acme.example"),
    "an image by name alone": lab(
        "posthog:\n  images:\n    posthog: docker.io/posthog/posthog\n",
        6,
        "posthog.images.posthog",
        "neither a tag nor a digest",
        "images lock",
    ),
    "an image by tag and digest": lab(
        f"posthog: {{images: {{posthog: 'docker.io/posthog/posthog:latest@{DIGEST}'}}}}\n",
        4,
        "posthog.images.posthog",
        "a tag beside its digest",
        "images lock",
    ),
    "an image without registry": lab(
        f"posthog: {{images: {{capture: 'posthog/capture@{DIGEST}'}}}}\n",
        4,
        "posthog.images.capture",
        "full registry",
        "REGISTRY/",
    ),
    "a bad time server": lab("time_servers: [a_b]\n", 4, "time_servers[0]", "neither", "time.acme.example"),
    "an impossible date": lab(
        "agreements: [{with: aws, signed: 2026-02-30, reference: r}]\n",
        4,
        "agreements[0].signed",
        "no date",
        "2026-02-28",
    ),
    "a date the other way round": lab(
        "agreements: [{with: aws, signed: 01/02/2026, reference: r}]\n",
        4,
        "agreements[0].signed",
        "no date",
        "year-month-day",
    ),
    "a date to come": lab(
        "agreements: [{with: aws, signed: 2027-01-01, reference: r}]\n",
        4,
        "agreements[0].signed",
        "not come yet",
        "signed",
    ),
    "an agreement without reference": lab(
        "agreements: [{with: aws, signed: 2026-02-01}]\n", 4, "agreements[0].reference", "is missing", "BAA 1234"
    ),
    "an attestation of a paragraph that is not there": lab(
        "attestations:\n  - {paragraph: 164.308(a)(2)(i), name: Jane, date: 2026-02-01, reference: r}\n",
        5,
        "attestations[0].paragraph",
        "no standard or specification",
        "Did you mean 164.",
    ),
    "an attestation of something else": lab(
        "attestations: [{paragraph: everything, name: Jane, date: 2026-02-01, reference: r}]\n",
        4,
        "attestations[0].paragraph",
        "no standard or specification",
        "164.308(a)(2)",
    ),
    "a paragraph attested twice": lab(
        "attestations:\n"
        "  - {paragraph: 164.308(a)(2), name: Jane, date: 2026-02-01, reference: r}\n"
        "  - {paragraph: 164.308(a)(2), name: Joan, date: 2026-02-01, reference: r}\n",
        6,
        "attestations[1].paragraph",
        "attested above already",
        "remove one",
    ),
    "an attestation to come": lab(
        "attestations: [{paragraph: 164.308(a)(2), name: Jane, date: 2027-01-01, reference: r}]\n",
        4,
        "attestations[0].date",
        "not come yet",
        "said so",
    ),
    "an attestation of nobody": lab(
        "attestations: [{paragraph: 164.308(a)(2), date: 2026-01-01, reference: r}]\n",
        4,
        "attestations[0].name",
        "is missing",
        "Jane Doe",
    ),
    "an attestation that nothing shows": lab(
        'attestations: [{paragraph: 164.308(a)(2), name: Jane, date: 2026-01-01, reference: " "}]\n',
        4,
        "attestations[0].reference",
        "says nothing",
        "auditor",
    ),
    "no such control": lab(
        "waivers:\n  - {control: ssh.no-password, reason: r, who: w, until: 2026-12-31}\n",
        5,
        "waivers[0].control",
        "there is no control",
        "ssh.no-passwords?",
    ),
    "a waiver twice": lab(
        "waivers:\n"
        "  - {control: ssh.no-passwords, reason: r, who: w, until: 2026-12-31}\n"
        "  - {control: ssh.no-passwords, reason: s, who: w, until: 2027-12-31}\n",
        6,
        "waivers[1].control",
        "waived above already",
        "remove one",
    ),
    "a waiver that is over": lab(
        "waivers:\n  - {control: ssh.no-passwords, reason: r, who: w, until: 2026-01-31}\n",
        5,
        "waivers[0].until",
        "ended on 2026-01-31",
        "a new day",
    ),
    "a control that none excuses": lab(
        "waivers:\n  - {control: journal.persistent, reason: r, who: w, until: 2026-12-31}\n",
        5,
        "waivers[0].control",
        "journal.persistent cannot be waived",
        "A gap cannot be filled. Remove this waiver.",
    ),
    "a waiver without reason": lab(
        'waivers: [{control: ssh.no-passwords, reason: " ", who: w, until: 2026-12-31}]\n',
        4,
        "waivers[0].reason",
        "says nothing",
        "auditor",
    ),
}

NETWORKS = {
    "host bits": lab("access:\n  ssh_from: [10.0.0.1/8]\n", 5, "access.ssh_from[0]", "one address", "10.0.0.0/8"),
    "everybody may log in": lab(
        "access: {ssh_from: [any]}\n", 4, "access.ssh_from[0]", "whole internet", "Only access.ingest_from"
    ),
    "zero length": lab(
        "access: {interface_from: [0.0.0.0/0]}\n", 4, "access.interface_from[0]", "whole internet", "Name the networks"
    ),
    "zero length where any is allowed": lab(
        'access: {ingest_from: ["::/0"]}\n', 4, "access.ingest_from[0]", "whole internet", "[any]"
    ),
    "half the internet": lab("access: {ssh_from: [128.0.0.0/1]}\n", 4, "access.ssh_from[0]", "public network of", "/8"),
    "wide IPv6": lab('access: {ssh_from: ["2001::/12"]}\n', 4, "access.ssh_from[0]", "one address", "2000::/12"),
    "wider IPv6": lab('access: {ssh_from: ["2000::/12"]}\n', 4, "access.ssh_from[0]", "public network of", "/16"),
    "multicast": lab("access: {ssh_from: [224.0.0.0/8]}\n", 4, "access.ssh_from[0]", "no host speaks", "address"),
    "a name": lab(
        "access: {ssh_from: [vpn.acme.example]}\n", 4, "access.ssh_from[0]", "neither", "knows addresses, not names"
    ),
    "a range": lab("access: {ssh_from: [198.51.100.1-9]}\n", 4, "access.ssh_from[0]", "neither", "as networks"),
    "a slip in controller": lab(
        "access: {ssh_from: [controler]}\n", 4, "access.ssh_from[0]", "no source", "controller"
    ),
    "twice": lab("access: {ssh_from: [10.0.0.0/8, 10.0.0.0/8]}\n", 4, "access.ssh_from", "twice", "Keep one"),
    "any and more": lab(
        "access: {ingest_from: [any, 10.0.0.0/8]}\n", 4, "access.ingest_from", "holds the others", "[any]"
    ),
    "nobody": lab("access: {ssh_from: []}\n", 4, "access.ssh_from", "nobody could log in", "controller"),
    "no list": lab("access: {ssh_from: 10.0.0.0/8}\n", 4, "access.ssh_from", "a list is wanted", '["10.0.0.0/8"]'),
    "outbound to a name": lab(
        'access: {outbound_to: ["hooks.acme.example:443"]}\nfeatures: [destinations]\n',
        4,
        "access.outbound_to[0].to",
        "neither",
        "not names",
    ),
    "outbound without port": lab(
        "access: {outbound_to: [198.51.100.7]}\nfeatures: [destinations]\n",
        4,
        "access.outbound_to[0]",
        "no address with a port",
        "198.51.100.7:443",
    ),
    "outbound to everywhere": lab(
        "access: {outbound_to: [{to: 0.0.0.0/0, port: 443}]}\nfeatures: [destinations]\n",
        4,
        "access.outbound_to[0].to",
        "whole internet",
        "Name",
    ),
    "outbound through no port": lab(
        "access: {outbound_to: [{to: 198.51.100.7, port: 0}]}\nfeatures: [batch-exports]\n",
        4,
        "access.outbound_to[0].port",
        "no port",
        "65535",
    ),
    "outbound twice": lab(
        'access: {outbound_to: ["198.51.100.7:443", {to: 198.51.100.7, port: 443}]}\nfeatures: [destinations]\n',
        4,
        "access.outbound_to[1]",
        "twice",
        "Keep one",
    ),
    "outbound for nobody": lab(
        'access: {outbound_to: ["198.51.100.7:443"]}\nfeatures: [screenshots]\n',
        4,
        "access.outbound_to",
        "nothing that is declared would connect there",
        "destinations or batch-exports",
    ),
}

HOSTS = {
    "root": host("{name: one, address: 192.0.2.52, user: root}", ".user", "root may not log in", "adduser"),
    "no user": host("{name: one, address: 192.0.2.52}", ".user", "is missing", "user: debian"),
    "no address": host("{name: one, user: debian}", ".address", "is missing", "192.0.2.52"),
    "an octet too high": host("{name: one, address: 192.0.2.522, user: debian}", ".address", "neither", "after `ssh`"),
    "a user in the address": host(
        "{name: one, address: jane@192.0.2.52, user: debian}", ".address", "holds a user", "address: 192.0.2.52"
    ),
    "loopback": host("{name: one, address: 127.0.0.1, user: debian}", ".address", "no other host can reach", "peers"),
    "an address among the containers": host(
        "{name: one, address: a.example, private_address: 10.90.0.9, user: debian}",
        ".private_address",
        "containers live",
        "another",
    ),
    "IPv6 alone": host(
        '{name: one, address: "2001:db8::9", user: debian}', ".private_address", "not IPv4", "private_address:"
    ),
    "a port in quotes": host(
        '{name: one, address: 192.0.2.52, user: debian, port: "22"}', ".port", "whole number", "without quotes"
    ),
    "an octal port": host(
        "{name: one, address: 192.0.2.52, user: debian, port: 022}", ".port", "whole number", "number"
    ),
    "a port too high": host("{name: one, address: 192.0.2.52, user: debian, port: 70000}", ".port", "no port", "65535"),
    "no such role": host(
        "{name: one, address: 192.0.2.52, user: debian, roles: [edg, app, data]}",
        ".roles[0]",
        "not one of edge, app, data",
        "mean edge?",
    ),
    "no role": Case(
        ONPREM.replace("user: debian", "user: debian, roles: [edge, app]"),
        8,
        "target.hosts",
        "no host has the role data",
        "Add data",
    ),
    "no hosts": Case(
        ONPREM[: ONPREM.index("    - {")].replace("hosts:", "hosts: []"),
        8,
        "target.hosts",
        "there are no hosts",
        "at least one",
    ),
    "a fingerprint as host key": host(
        "{name: one, address: 192.0.2.52, user: debian, host_key: 'SHA256:abc'}", ".host_key", "fingerprint", ".pub"
    ),
    "a line of known_hosts": host(
        f"{{name: one, address: 192.0.2.52, user: debian, host_key: '192.0.2.52 {JANE}'}}",
        ".host_key",
        "before the type",
        "begin with the type",
    ),
    "two data hosts": onprem(
        "{name: one, address: 192.0.2.52, user: debian}",
        FRONT.replace("app]", "app, data]")
        + "\n    - {name: two, address: b.example, private_address: 192.0.2.53, user: debian, roles: [data]}",
        10,
        "target.hosts[1].roles",
        "a second host has the role data",
        "exactly one host",
    ),
    "the same name": onprem(
        "{name: one, address: 192.0.2.52, user: debian}",
        FRONT + "\n    - {name: one, address: 192.0.2.53, private_address: 192.0.2.53, user: debian, roles: [data]}",
        10,
        "target.hosts[1].name",
        "the name of another host",
        "remove one",
    ),
    "the same address": onprem(
        "{name: one, address: 192.0.2.52, user: debian}",
        FRONT + "\n    - {name: two, address: 192.0.2.52, private_address: 192.0.2.53, user: debian, roles: [data]}",
        10,
        "target.hosts[1].address",
        "the address of another host",
        "remove one",
    ),
    "no roles among several": onprem(
        "{name: one, address: 192.0.2.52, user: debian}",
        FRONT + "\n    - {name: two, address: 192.0.2.53, private_address: 192.0.2.53, user: debian}",
        10,
        "target.hosts[1].roles",
        "several hosts",
        "[data]",
    ),
    "no private address among several": onprem(
        "{name: one, address: 192.0.2.52, user: debian}",
        FRONT + "\n    - {name: two, address: 192.0.2.53, user: debian, roles: [data]}",
        10,
        "target.hosts[1].private_address",
        "several hosts",
        "IPv4 address",
    ),
    "a stand-in on a real machine": onprem(
        "deploy: false",
        images("posthog").replace("}", f", posthog: 'localhost/hedgerow-stand-in/posthog@{DIGEST}'}}"),
        3,
        "posthog.images.posthog",
        "for the lab only",
        "PostHog's own",
    ),
}

PEOPLE = {
    "nobody": Case(
        "\n".join(line for line in ONPREM.splitlines() if line[:1] != "a" and "administrators" not in line),
        1,
        "access.administrators",
        "nobody is named",
        "name: jane",
    ),
    "a system account": onprem(
        "name: jane", "name: postgres", 5, "access.administrators[0].name", "of the system", "person"
    ),
    "a capital letter": onprem(
        "name: jane", "name: Jane", 5, "access.administrators[0].name", "cannot be an account", "jane"
    ),
    "the installer's account": onprem(
        "user: debian", "user: jane", 5, "access.administrators[0].name", "installer connects", "its own"
    ),
    "the same person twice": onprem(
        "administrators: [",
        f'administrators: [{{name: jane, ssh_keys: ["{MAYA}"]}}, ',
        5,
        "access.administrators[1].name",
        "another",
        "once",
    ),
    "a shared key": onprem(
        "administrators: [",
        f'administrators: [{{name: maya, ssh_keys: ["{JANE}"]}}, ',
        5,
        "access.administrators[1].ssh_keys[0]",
        "listed above",
        "one person",
    ),
    "power by a path": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"], sudo: ["systemctl restart nginx"]',
        5,
        "access.administrators[0].sudo[0]",
        "begins with no path",
        "command -v",
    ),
    "power over more": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"], sudo: ["/usr/bin/cat /var/log/*"]',
        5,
        "access.administrators[0].sudo[0]",
        "more than itself",
        "single spaces",
    ),
    "power of no kind": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"], sudo: some',
        5,
        "access.administrators[0].sudo",
        "no scope",
        "a list of commands",
    ),
    "sealed at no moment": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"]}}, {{name: safe, ssh_keys: ["{MAYA}"], sealed: 2026-02-28',
        5,
        "access.administrators[1].sealed",
        "is no moment",
        "2026-02-28T14:30:00Z",
    ),
    "sealed tomorrow": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"]}}, {{name: safe, ssh_keys: ["{MAYA}"], sealed: 2026-06-16T00:00:00Z',
        5,
        "access.administrators[1].sealed",
        "has not come yet",
        "was sealed",
    ),
    "sealed with half a power": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"]}}, {{name: safe, ssh_keys: ["{MAYA}"], sealed: 2026-06-14T00:00:00Z, sudo: none',
        5,
        "access.administrators[1].sudo",
        "is none",
        "sudo: all",
    ),
    "nobody but who is sealed": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"], sealed: 2024-02-28T14:30:00Z',
        5,
        "access.administrators",
        "every account is sealed",
        "a person too",
    ),
    "no day": onprem(
        f'ssh_keys: ["{JANE}"]',
        f'ssh_keys: ["{JANE}"], expires: soon',
        5,
        "access.administrators[0].expires",
        "",
        "",
    ),
    "no key": onprem(f'["{JANE}"]', "[]", 5, "access.administrators[0].ssh_keys", "could not log in", ".pub"),
    "a private key": public_key(
        '"-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"',
        "is a private key",
        "make a new one",
    ),
    "a DSA key": public_key('"ssh-dss AAAAB3NzaC1kc3MAAACB"', "DSA", "ed25519"),
    "a short RSA key": public_key(f'"{SHORT_RSA}"', "2048 bits is too short", "ed25519"),
    "a key cut off": public_key(f'"{JANE[:-8]}"', "cut off or damaged", "again"),
    "a key of another type": public_key(f'"{JANE.replace("ssh-ed25519", "ssh-rsa")}"', "holds another type", "again"),
    "options before a key": public_key(f"'from=\"10.0.0.1\" {JANE}'", "before the type", "begin with the type"),
    "a file instead of a key": public_key("~/.ssh/id_ed25519.pub", "the name of a file", "Paste"),
    "two keys in one": public_key(f'"{JANE}\\n{MAYA}"', "more than one line", "one list item"),
    "no key at all": public_key("hello", '"hello" is no public key', "ssh-keygen"),
    "only a type": public_key("ssh-ed25519", "only the type", "whole line"),
    "a certificate": public_key('"ssh-ed25519-cert-v01@openssh.com AAAA"', "certificate, not a key", "-cert"),
}

GROUPS = {"text": TEXT, "keys": KEYS, "values": VALUES, "networks": NETWORKS, "hosts": HOSTS, "people": PEOPLE}
CASES = [pytest.param(case, id=f"{group}: {name}") for group, cases in GROUPS.items() for name, case in cases.items()]


NEVER = {"journal.persistent": "A gap cannot be filled."}


def problems(text: str, **around: object) -> tuple[Problem, ...]:
    """Return what is wrong in a text; fails where nothing is."""
    with pytest.raises(DeclarationError) as caught:
        parse(text, "deploy.yml", Around(**{"known_controls": CONTROLS, "never_waived": NEVER, "now": NOW, **around}))
    assert caught.value.exit_code == EXIT_WRONG_CALL
    return caught.value.problems


@pytest.mark.parametrize("case", CASES)
def test_one_thing_wrong_gives_one_problem_with_its_place_and_fix(case: Case) -> None:
    found = problems(case.text)
    assert [(one.file, one.line, one.key) for one in found] == [("deploy.yml", case.line, case.key)], found
    assert case.says in found[0].message
    assert case.fix in found[0].fix


def test_every_problem_is_reported_at_once_in_the_order_of_lines() -> None:
    found = problems("nme: x\ndomain: 3\ntarget: {kind: onprem, hosts: []}\naccess: {ssh_from: [any]}\n")
    assert [one.line for one in found] == sorted(one.line for one in found)
    assert {"nme", "name", "domain", "target.hosts", "access.ssh_from[0]", "access.administrators"} <= {
        one.key for one in found
    }


def test_a_problem_reads_as_the_style_asks() -> None:
    (found,) = problems(ONPREM.replace("192.0.2.52", "192.0.2.522"))
    assert str(found) == (
        'deploy.yml:9  target.hosts[0].address: "192.0.2.522" is neither an IP address nor a host name\n'
        "    Write what you would type after `ssh`, for example 192.0.2.52."
    )


def test_a_private_key_is_never_repeated() -> None:
    secret = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ"
    pasted = f'"-----BEGIN OPENSSH PRIVATE KEY-----\\n{secret}\\n-----END OPENSSH PRIVATE KEY-----"'
    for text in (
        ONPREM.replace(f'"{JANE}"', pasted),
        ONPREM.replace(f'["{JANE}"]', pasted),
        LAB.replace("acme\n", f"{pasted}\n", 1),
        LAB.replace("analytics.acme.example", pasted),
        LAB + f"access: {{ssh_from: [{pasted}]}}\n",
        LAB + f"tls: {{certificate: {pasted}}}\n",
    ):
        assert secret not in "\n".join(map(str, problems(text)))


def test_a_renamed_key_is_refused_with_its_new_name_and_nothing_is_called_missing() -> None:
    renamed = {"host_name": Renamed("domain", until="0.3.0"), "access.admins[].keys": Renamed("x", until="0.3.0")}
    with pytest.raises(DeclarationError) as caught:
        parse(LAB.replace("domain", "host_name"), renamed=renamed)
    (found,) = caught.value.problems
    assert (found.line, found.key, found.message) == (2, "host_name", "this key is now called domain")
    assert found.fix == "Write domain in its place."


def test_four_values_are_enough_and_everything_else_is_closed() -> None:
    declaration = parse(ONPREM)
    assert declaration.access.interface_from == declaration.access.ingest_from == ("controller",)
    assert declaration.access.ssh_from == ("controller",)
    assert (declaration.access.outbound_to, declaration.access.public_sharing) == ((), False)
    assert (declaration.tls.certificate, declaration.updates.reboot) == ("private", False)
    kept = declaration.privacy.model_dump()
    assert kept.pop("drop_properties") == (), "it needs a feature that is off by default"
    assert set(kept.values()) == {True}
    assert declaration.target.hosts[0].roles == EVERY_ROLE == ROLES
    assert declaration.owner == "admin@analytics.acme.example"
    assert declaration.organization == "acme"


def test_properties_to_take_out_are_named_as_they_are_sent() -> None:
    names = ("email", "$current_url", "First name", "form.birthday", "prénom")
    added = f"features: [destinations]\nprivacy: {{drop_properties: [{', '.join(names)}]}}\n"
    assert parse(LAB + added).privacy.drop_properties == names


def test_a_lab_has_one_host_unless_told() -> None:
    assert [host.name for host in parse(LAB).target.hosts] == ["hedge-1"]


def test_values_come_in_one_spelling() -> None:
    declaration = parse(
        LAB + "access:\n"
        '  ssh_from: [198.51.100.7, "2001:DB8:0::/48", controller]\n'
        '  outbound_to: ["198.51.100.7:443", "[2001:db8::9]:25", {to: 10.0.0.0/8, port: 5432, why: archive}]\n'
        "updates: {reboot_time: 13:30}\nfeatures: [destinations]\n"
    )
    assert declaration.access.ssh_from == ("198.51.100.7/32", "2001:db8::/48", "controller")
    assert [(one.to, one.port, one.why) for one in declaration.access.outbound_to] == [
        ("198.51.100.7/32", 443, None),
        ("2001:db8::9/128", 25, None),
        ("10.0.0.0/8", 5432, "archive"),
    ]
    assert declaration.updates.reboot_time == "13:30"  # YAML 1.1 would read 810


@pytest.mark.parametrize(
    "key",
    [
        f"{JANE} jane doe@acme.example",
        wire_key("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 384),
        wire_key("ecdsa-sha2-nistp256", b"nistp256", b"\4" * 65),
        wire_key("sk-ssh-ed25519@openssh.com", b"\1" * 32, b"ssh:"),
        wire_key("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\4" * 65, b"ssh:"),
    ],
)
def test_sound_keys_are_accepted(key: str) -> None:
    declaration = parse(ONPREM.replace(JANE, key))
    assert declaration.access.administrators[0].ssh_keys == (key,)


def test_two_hosts_part_the_roles() -> None:
    declaration = load(INVENTORIES / "onprem-two-hosts" / "deploy.yml")
    assert [host.roles for host in declaration.target.hosts] == [("edge", "app"), ("data",)]


def test_one_machine_may_forward_two_ports_to_two_hosts() -> None:
    second = "{name: two, address: 192.0.2.52, port: 2222, private_address: 10.0.0.2, user: debian, roles: [data]}"
    declaration = parse(ONPREM.replace("{name: one, address: 192.0.2.52, user: debian}", f"{FRONT}\n    - {second}"))
    assert [host.port for host in declaration.target.hosts] == [22, 2222]


def test_a_declaration_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse(LAB).name = "other"


@pytest.mark.parametrize(
    ("today", "holds"),
    [("2026-12-30", True), ("2026-12-31", True), ("2027-01-01", False)],
    ids=["before", "last", "after"],
)
def test_a_waiver_holds_through_its_last_day(today: str, holds: bool) -> None:
    waiver = "waivers: [{control: ssh.no-passwords, reason: r, who: w, until: 2026-12-31}]\n"
    declaration = parse(LAB + waiver)
    assert bool(declaration.active_waivers(datetime.date.fromisoformat(today))) is holds


def test_a_waiver_that_ended_does_not_keep_anybody_from_looking() -> None:
    """Verify asks no date: the control fails again then, which says more than a refused file."""
    declared = "waivers: [{control: ssh.no-passwords, reason: r, who: w, until: 2020-12-31}]\n"
    assert parse(LAB + declared, around=Around(known_controls=CONTROLS)).waivers[0].until.year == 2020


@pytest.mark.parametrize(
    ("sources", "controller", "expected"),
    [
        ((), "192.0.2.1", ()),
        (("controller",), "192.0.2.1", ("192.0.2.1/32",)),
        (("10.0.0.0/8", "controller"), "2001:db8::1", ("10.0.0.0/8", "2001:db8::1/128")),
        (("controller",), "::ffff:192.0.2.1", ("192.0.2.1/32",)),
        (("192.0.2.1/32", "controller"), "192.0.2.1", ("192.0.2.1/32",)),
        (("any",), "192.0.2.1", ("any",)),
    ],
)
def test_the_controller_becomes_its_address(
    sources: tuple[str, ...], controller: str, expected: tuple[str, ...]
) -> None:
    assert resolve_sources(sources, controller) == expected


@pytest.mark.parametrize(
    ("sources", "address", "inside"),
    [
        (("10.0.0.0/8",), "10.1.2.3", True),
        (("10.0.0.0/8",), "192.0.2.1", False),
        (("10.0.0.0/8",), "2001:db8::1", False),
        (("any",), "192.0.2.1", True),
        ((), "192.0.2.1", False),
    ],
)
def test_whether_an_address_is_let_in(sources: tuple[str, ...], address: str, inside: bool) -> None:
    assert covers(sources, address) is inside


@pytest.mark.parametrize("example", sorted(INVENTORIES.glob("*/deploy.yml")), ids=lambda path: path.parent.name)
def test_every_example_loads_and_fits_the_schema(example: Path) -> None:
    assert isinstance(load(example), Declaration)
    jsonschema.validate(json.loads(json.dumps(yaml.safe_load(example.read_text()), default=str)), schema.schema())


def test_the_schema_in_the_repository_is_the_models() -> None:
    assert (INVENTORIES / "deploy.schema.json").read_text() == schema.text(), (
        "Run `python -m hedgerow.declaration.schema` and commit what it wrote."
    )


@pytest.mark.parametrize(
    "name", ["a slip", "a slip inside", "name is missing", "another cloud", "an image by name alone"]
)
def test_editors_see_what_the_schema_can_tell(name: str) -> None:
    case = next(cases[name] for cases in GROUPS.values() if name in cases)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(json.dumps(yaml.safe_load(case.text), default=str)), schema.schema())
