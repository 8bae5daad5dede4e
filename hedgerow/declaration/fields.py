"""Single values: names, addresses, dates, images. Each function returns the value or raises RefusedError."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from hedgerow import standards
from hedgerow.declaration.networks import ipv4
from hedgerow.declaration.words import RefusedError, meant, shown
from hedgerow.oci.references import REFERENCE

LONGEST_NAME = 20
LONGEST_PROPERTY = 200
INSIDE = "hedgerow.internal"
"""Names that the hosts give their own services."""

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUDO_COMMAND = re.compile(r"(/[A-Za-z0-9._+-]+)+( [A-Za-z0-9._/@+-]+)*")
"""No wildcard, quote, comma, colon, equals sign or backslash: sudoers(5) gives each a meaning."""
TAKEN = {
    *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "backup", "list"),
    *("irc", "nobody", "sshd", "messagebus", "sudo", "adm", "admin", "www-data", "postgres", "valkey", "nginx"),
    *(
        "systemd-network",
        "systemd-resolve",
        "systemd-timesync",
        "hedgerow",
        "hedgerow-admins",
        "hedgerow-people",
        "hedgerow-ssh",
    ),
    *("debian", "ubuntu"),
}
"""Accounts and groups that a Debian or Ubuntu host, or Hedgerow, has for itself."""


def label(text: str) -> str:
    """Read a name that file systems, DNS and interfaces all accept."""
    if not LABEL.fullmatch(text) or not text[0].isalpha() or len(text) > LONGEST_NAME:
        raise RefusedError(
            f"{shown(text)} cannot be a name",
            f"Begin with a small letter; then small letters, digits and inner hyphens, {LONGEST_NAME} in all at most.",
        )
    return text


def sudo_scope(value: object) -> object:
    """Read what somebody may do as root: None for everything, else the commands, of which there may be none."""
    if value == "all":
        return None
    if value == "none":
        return ()
    if not isinstance(value, list):
        raise RefusedError(f"{shown(value)} is no scope", "Write all, none, or a list of commands.")
    return value


def sudo_command(text: str) -> str:
    """Read a command that may be run as root: exactly this one, so nothing in it may stand for something else."""
    if not text.startswith("/"):
        raise RefusedError(
            f"{shown(text)} begins with no path", "Write what `command -v` shows: /usr/bin/systemctl restart x."
        )
    if not SUDO_COMMAND.fullmatch(text):
        raise RefusedError(
            f"{shown(text)} holds what sudo would read as more than itself",
            "Write the words of one command, with single spaces: letters, digits and . _ / @ + - only.",
        )
    return text


def domain(text: str) -> str:
    """Read the host name under which people open the page (RFC 1123, 2.1)."""
    bare = re.sub(r"^[a-z]+://", "", text, flags=re.IGNORECASE).split("/")[0].split(":")[0].rstrip(".").lower()
    if _is_address(text):
        raise RefusedError(
            f"{shown(text)} is an IP address", "A certificate needs a name: write for example analytics.acme.example."
        )
    if bare != text:
        raise RefusedError(
            f"{shown(text)} is more than a host name", f"Write {shown(bare)}, in small letters and without https://."
        )
    if text.startswith("*."):
        raise RefusedError(f"{shown(text)} is a wildcard", "Write the one name that people type.")
    if not text.isascii():
        raise RefusedError(f"{shown(text)} has letters outside ASCII", _ascii_fix(text))
    if not _is_host_name(text) or "." not in text:
        raise RefusedError(f"{shown(text)} is no full host name", "Write for example analytics.acme.example.")
    if text.endswith(f".{INSIDE}") or text == INSIDE:
        raise RefusedError(
            f"{shown(text)} lies in {INSIDE}, which the hosts use inside", "Write the name that people type."
        )
    return text


def _ascii_fix(text: str) -> str:
    try:
        return f"Write its ASCII form, {text.encode('idna').decode()}."
    except UnicodeError:
        return "Write for example analytics.acme.example."


def host_address(text: str) -> str:
    """Read an IP address or a host name, as one would type it after `ssh`."""
    if "@" in text:
        user, _, address = text.partition("@")
        raise RefusedError(
            f"{shown(text)} holds a user", f"Write address: {address or '192.0.2.52'} and user: {user or 'debian'}."
        )
    if _is_address(text):
        return ipv4(text) if ":" not in text else text
    digits_only = re.fullmatch(r"[0-9.]+", text)
    if not _is_host_name(text.lower()) or digits_only:
        raise RefusedError(
            f"{shown(text)} is neither an IP address nor a host name",
            "Write what you would type after `ssh`, for example 192.0.2.52.",
        )
    return text.lower()


def server(text: str) -> str:
    """Read the name or address of a time server."""
    try:
        return host_address(text)
    except RefusedError as error:
        raise RefusedError(error.message, "Write for example time.acme.example or 192.0.2.123.") from None


def certificate_name(text: str) -> str:
    """Read the name of somebody else's server: the one in its certificate."""
    name = text.rstrip(".").lower()
    if _is_address(name) or "." not in name or not _is_host_name(name):
        raise RefusedError(
            f"{shown(text)} is no name that a certificate carries", "Write for example server.acme.example."
        )
    return name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_host_name(text: str) -> bool:
    return len(text) <= 253 and all(LABEL.fullmatch(part) for part in text.split("."))


def ip_address(text: str) -> str:
    """Accept the IP address of one machine."""
    if not _is_address(text):
        raise RefusedError(f"{shown(text)} is not an IP address", "Write the address that its name has, 192.0.2.50.")
    return text


def https(text: str) -> str:
    """Accept the origin of a service over TLS: no path, no user, no query."""
    parts = urlsplit(text)
    try:
        plain = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        plain = False
    if (
        parts.scheme != "https"
        or not plain
        or not _is_host_name(parts.hostname or "")
        or text != f"https://{parts.netloc}"
    ):
        raise RefusedError(f"{shown(text)} is not https and the name of a host", "Write https://s3.acme.example.")
    if "@" in parts.netloc:
        raise RefusedError(f"{shown(text)} carries a user", "Write access_key_id and secret_key_file for that.")
    return text


def account(text: str) -> str:
    """Read the name of a person's account."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", text):
        raise RefusedError(
            f"{shown(text)} cannot be an account", "Small letters, digits and hyphens, a letter first: jane."
        )
    if text in TAKEN:
        raise RefusedError(
            f"{shown(text)} is an account or group of the system", "Name a person: the log must say who did what."
        )
    return text


def login(text: str) -> str:
    """Read the account that the installer connects with."""
    if text == "root":
        raise RefusedError(
            "root may not log in on a hardened host, and a log that says root names nobody",
            "Create an account with sudo: `adduser --disabled-password hedge`, add its key, and allow it"
            " `hedge ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/hedge. Then write user: hedge.",
        )
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", text):
        raise RefusedError(
            f"{shown(text)} cannot be an account", "Write the name you would type before the @ of `ssh`."
        )
    return text


def email(text: str) -> str:
    """Read an address for mail, as far as its form can tell."""
    name, _, host = text.rpartition("@")
    if not re.fullmatch(r"[A-Za-z0-9._%+-]{1,64}", name) or "." not in host or not _is_host_name(host.lower()):
        raise RefusedError(f"{shown(text)} is no e-mail address", "Write for example jane@acme.example.")
    return text


def image(text: str) -> str:
    """Read a container image. A tag can be moved under us: it is what `images lock` resolves, never what runs."""
    if REFERENCE.fullmatch(text):
        return text
    if "@" not in text and ":" not in text.rpartition("/")[2]:
        reason = "has neither a tag nor a digest"
    elif re.search(r"/[^/@]*:[^/@]*@", text):
        reason = "has a tag beside its digest"
    else:
        reason = "is no image reference with a full registry name, and a tag or 64 hexadecimal digits"
    raise RefusedError(
        f"{shown(text)} {reason}",
        "Write REGISTRY/NAME@sha256:DIGEST, or REGISTRY/NAME:TAG, which `images lock` resolves to a digest once.",
    )


def control(text: str) -> str:
    """Read the id of a control; whether it exists is for the catalog to say."""
    if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", text):
        raise RefusedError(
            f"{shown(text)} is no id of a control", "Write concern.promise, for example ssh.idle-sessions-end."
        )
    return text


def paragraph(text: str) -> str:
    """Read a paragraph of the Security Rule, one that the matrix has a row for."""
    known = standards.paragraphs()
    if text not in known:
        guess = meant(text.replace(" ", ""), known)
        raise RefusedError(
            f"{shown(text)} is no standard or specification of the Security Rule",
            f"Did you mean {guess}?" if guess else "Write for example 164.308(a)(2); checks/standards.yml lists them.",
        )
    return text


def sentence(text: str) -> str:
    """Read words for other people: something must be said."""
    if not re.search(r"\w", text):
        raise RefusedError(f"{shown(text)} says nothing", "Write a few words that an auditor will understand.")
    return text.strip()


def property_name(text: str) -> str:
    """Read the name of an event's property, as upstream's template finds it: names between commas, parts between dots.

    Upstream fills in braces in whatever it is given, and its GeoIP adds properties once ours has run.
    """
    if text != text.strip() or not text or not text.isprintable() or len(text) > LONGEST_PROPERTY:
        raise RefusedError(
            f"{shown(text)} cannot be a property's name", f"Write it as it is sent, {LONGEST_PROPERTY} letters at most."
        )
    if found := sorted(set(text) & set(",{}\\")):
        raise RefusedError(
            f"{shown(text)} holds {' '.join(found)}, with which PostHog's list of properties cannot name it",
            "Do not send it (before_send in PostHog's SDKs), or send it under another name.",
        )
    if not all(part.strip() for part in text.split(".")):
        raise RefusedError(
            f"{shown(text)} has a dot that leads nowhere",
            "A dot leads into an object: write form.birthday for birthday inside form.",
        )
    if text.partition(".")[0] in ("$set", "$set_once"):
        raise RefusedError(
            f"{shown(text)} is what an event sets of its person, where declared properties are taken out as well",
            "Write the property's own name: email for $set.email.",
        )
    if text.startswith("$geoip_"):
        raise RefusedError(
            f"{shown(text)} is added by PostHog itself, after the declared ones are taken out",
            "Switch the transformation GeoIP off on PostHog's pages, and remove it here.",
        )
    return text


def port(number: int) -> int:
    """Read a TCP port."""
    if not 1 <= number <= 65535:
        raise RefusedError(f"{number} is no port", "Ports go from 1 to 65535.")
    return number


def at_least_one(number: int) -> int:
    """Read a number of things, of which there is at least one."""
    if number < 1:
        raise RefusedError(f"{number} is too few", "Write a whole number above 0.")
    return number
