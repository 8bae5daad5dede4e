"""The files that a declaration names: there, readable, and what they should be."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from hedgerow.declaration import certificates
from hedgerow.declaration.lookups import at
from hedgerow.declaration.words import Path as Place
from hedgerow.declaration.words import RefusedError, Wrong, shown

Parsed = TypeVar("Parsed")
ONE_LINE = re.compile(rb"[!-~]([ -~]*[!-~])?\r?\n?")
WEBHOOK = re.compile(rb"https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(/[!-~]*)?\r?\n?")
ReadFile = Callable[[Path], bytes]


def check(value: dict[str, Any], folder: Path, read_file: ReadFile, now: datetime.datetime | None) -> list[Wrong]:
    """Report every named file that cannot serve. Without `now`, no certificate has expired."""
    return [
        *_identities(value, folder, read_file),
        *_certificate(value, folder, read_file, now),
        *_registry(value, folder, read_file),
        *_object_storage(value, folder, read_file),
        *_backup(value, folder, read_file),
        *_authority(("backup", "ca_file"), value, folder, read_file, now),
        *_mail(value, folder, read_file),
        *_webhook(value, folder, read_file),
        *_callers(value, folder, read_file, now),
        *_collector(value, folder, read_file, now),
        *_authority(("tls", "directory_ca"), value, folder, read_file, now),
    ]


def _open(place: Place, name: Any, folder: Path, read_file: ReadFile) -> tuple[bytes | None, list[Wrong]]:
    """Return the bytes of a file, or why there are none."""
    if not isinstance(name, str) or not name:
        return None, []
    try:
        return read_file(folder / Path(name).expanduser()), []
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "it cannot be read"
        if isinstance(error, FileNotFoundError):
            reason = "there is no such file"
        if isinstance(error, IsADirectoryError):
            reason = "this is a folder"
        fix = f"Names are relative to the folder of this declaration ({folder}); correct it, or make the file readable."
        return None, [Wrong(place, f"{shown(name)}: {reason}", fix)]


def _identities(value: dict[str, Any], folder: Path, read_file: ReadFile) -> Iterator[Wrong]:
    target = value.get("target")
    hosts = target.get("hosts") if isinstance(target, dict) else None
    for index, host in enumerate(hosts if isinstance(hosts, list) else []):
        name = host.get("identity_file") if isinstance(host, dict) else None
        place: Place = ("target", "hosts", index, "identity_file")
        content, wrong = _open(place, name, folder, read_file)
        yield from wrong
        if content is not None and b"PRIVATE KEY-----" not in content:
            public = content.startswith((b"ssh-", b"ecdsa-", b"sk-"))
            what = "holds the public half of a key" if public else "holds no private key"
            fix = "Name the file without .pub." if public else "Name the file that you would give to `ssh -i`."
            yield Wrong(place, f"{shown(name)} {what}", fix)


def _registry(value: dict[str, Any], folder: Path, read_file: ReadFile) -> Iterator[Wrong]:
    posthog = value.get("posthog")
    registry = posthog.get("registry") if isinstance(posthog, dict) else None
    for key, parse in (("ca_file", certificates.chain), ("signature_key", certificates.public_key)):
        name = registry.get(key) if isinstance(registry, dict) else None
        _, wrong = _parsed_at(("posthog", "registry", key), parse, name, folder, read_file)
        yield from wrong


def _object_storage(value: dict[str, Any], folder: Path, read_file: ReadFile) -> Iterator[Wrong]:
    storage = value.get("object_storage")
    name = storage.get("secret_key_file") if isinstance(storage, dict) else None
    place: Place = ("object_storage", "secret_key_file")
    content, wrong = _open(place, name, folder, read_file)
    yield from wrong
    if content is not None and len(content.split()) != 1:
        yield Wrong(place, f"{shown(name)} does not hold one word", "Put the secret key alone into it, mode 0600.")


def _backup(value: dict[str, Any], folder: Path, read_file: ReadFile) -> Iterator[Wrong]:
    declared = value.get("backup")
    name = declared.get("key_file") if isinstance(declared, dict) else None
    place: Place = ("backup", "key_file")
    content, wrong = _open(place, name, folder, read_file)
    yield from wrong
    kind = str(declared.get("to", "")).partition("://")[0] if isinstance(declared, dict) else ""
    if content is None:
        return
    if kind == "ssh" and b"PRIVATE KEY-----" not in content:
        yield Wrong(place, f"{shown(name)} is no private key", "Make one: ssh-keygen -t ed25519 -N '' -f backup-key.")
    if kind == "s3" and len(content.split()) != 1:
        yield Wrong(place, f"{shown(name)} does not hold one word", "Put the secret key alone into it, mode 0600.")
    if kind == "gs" and b'"private_key"' not in content:
        fix = "Put the JSON into it that Google hands out with a key of a service account."
        yield Wrong(place, f"{shown(name)} is no key of a service account", fix)


def _callers(
    value: dict[str, Any], folder: Path, read_file: ReadFile, now: datetime.datetime | None
) -> Iterator[Wrong]:
    yield from _authority(("access", "interface_certificates", "ca"), value, folder, read_file, now)


def _collector(
    value: dict[str, Any], folder: Path, read_file: ReadFile, now: datetime.datetime | None
) -> Iterator[Wrong]:
    yield from _authority(("log_collector", "ca_file"), value, folder, read_file, now)


def _authority(
    place: tuple[str, ...], value: dict[str, Any], folder: Path, read_file: ReadFile, now: datetime.datetime | None
) -> Iterator[Wrong]:
    """Report a file that is named and holds no authority's certificates, or such as have ended."""
    found, wrong = _parsed_at(place, certificates.chain, at(value, *place), folder, read_file)
    yield from wrong
    for one in certificates.authority_problems(found or [], now):
        yield Wrong(place, one.message, one.fix)


def _mail(value: dict[str, Any], folder: Path, read_file: ReadFile) -> Iterator[Wrong]:
    fix = "Write the password on one line of its own, without spaces around it, and nothing else."
    place = ("mail", "password_file")
    yield from _one_line(value, place, ONE_LINE, ("this file does not hold one password", fix), folder, read_file)


def _webhook(value: dict[str, Any], folder: Path, read_file: ReadFile) -> Iterator[Wrong]:
    fix = "Write it on one line of its own, for example https://alerts.acme.example/hook, on port 443."
    said = ("this file does not hold one https URL without user and port", fix)
    yield from _one_line(value, ("alerts", "webhook_file"), WEBHOOK, said, folder, read_file)


def _one_line(
    value: dict[str, Any],
    place: tuple[str, str],
    form: re.Pattern[bytes],
    said: tuple[str, str],
    folder: Path,
    read_file: ReadFile,
) -> Iterator[Wrong]:
    """Report a file that is named and holds something else than one line of this form; `said` is what, and the fix."""
    content, wrong = _open(place, at(value, *place), folder, read_file)
    yield from wrong
    if content is not None and not form.fullmatch(content):
        yield Wrong(place, *said)


def _certificate(
    value: dict[str, Any], folder: Path, read_file: ReadFile, now: datetime.datetime | None
) -> Iterator[Wrong]:
    tls, domain = value.get("tls"), value.get("domain")
    if not isinstance(tls, dict) or tls.get("certificate") != "provided":
        return
    chain, wrong = _parsed("certificate_file", certificates.chain, tls, folder, read_file)
    yield from wrong
    key, wrong = _parsed("key_file", certificates.private_key, tls, folder, read_file)
    yield from wrong
    if chain and isinstance(domain, str):
        when = now or chain[0].not_valid_before_utc
        for found in certificates.chain_problems(chain, domain, when):
            yield Wrong(("tls", "certificate_file"), found.message, found.fix)
    if chain and key and not certificates.belongs(key, chain[0]):
        fix = "Name the key that the certificate was asked for with; the certificate comes first in its own file."
        yield Wrong(("tls", "key_file"), "this key is not the certificate's", fix)


def _parsed(
    name: str, parse: Callable[[bytes], Parsed], tls: dict[str, Any], folder: Path, read_file: ReadFile
) -> tuple[Parsed | None, list[Wrong]]:
    return _parsed_at(("tls", name), parse, tls.get(name), folder, read_file)


def _parsed_at(
    place: Place, parse: Callable[[bytes], Parsed], name: Any, folder: Path, read_file: ReadFile
) -> tuple[Parsed | None, list[Wrong]]:
    content, wrong = _open(place, name, folder, read_file)
    if content is None:
        return None, wrong
    try:
        return parse(content), []
    except RefusedError as refused:
        return None, [Wrong(place, refused.message, refused.fix)]
