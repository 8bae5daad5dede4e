#!/usr/bin/python3 -I
"""Says whether the edge needs a certificate of the authority, and hands to nginx what was issued.

    acme due        say why one is to be asked for; nothing where the edge has one that holds
    acme install    put what was issued in its place, and have nginx read it

What was issued is written by an account that asks on the network, so nothing of it is believed before it was looked at.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DOMAIN = Path("/etc/hedgerow/acme/domains.txt")
CONFIG = Path("/etc/hedgerow/acme/config")
ISSUED = Path("/var/lib/hedgerow-acme/certs")
OWN = Path("/etc/hedgerow/tls/edge.crt")
"""The certificate of the deployment's own CA, with which the edge begins."""
PLACE = Path("/etc/hedgerow/tls/acme.crt")
KEY = PLACE.with_suffix(".key")
DAY = 86_400


class RefusedError(Exception):
    """What is there cannot be used."""


def openssl(*words: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=False, timeout=30)


def public_half(given: bytes, *words: str) -> bytes:
    done = openssl(*words, given=given)
    if done.returncode != 0:
        raise RefusedError(f"{words[0]} cannot read it: {done.stderr.decode(errors='replace').strip()[:200]}")
    return done.stdout


def wrong(chain: bytes, name: str, seconds: int) -> str:
    """Return why a certificate does not serve for a name this long from now, "" where it does."""
    ends = openssl("x509", "-noout", "-checkend", str(seconds), given=chain)
    if ends.returncode != 0:
        return f"it ends within {seconds // DAY} days, or is no certificate"
    if b"does match" not in openssl("x509", "-noout", "-checkhost", name, given=chain).stdout:
        return f"it is not for {name}"
    return ""


def renew_days() -> int:
    """Return with how many days left dehydrated renews."""
    (line,) = [row for row in CONFIG.read_text().splitlines() if row.startswith("RENEW_DAYS=")]
    return int(line.partition("=")[2].strip('"'))


def due(name: str) -> str:
    """Return why a certificate is to be asked for, "" where none is."""
    if not PLACE.exists() or PLACE.read_bytes() == OWN.read_bytes():
        return "the edge shows that of the deployment's own CA"
    if last_result() != "success":
        return "the last time it was asked for, that failed"
    return wrong(PLACE.read_bytes(), name, renew_days() * DAY)


def last_result() -> str:
    """Return how the service that asks ended last (systemd.exec(5)); success where it never ran."""
    line = ["systemctl", "show", "--property=Result", "--value", "hedgerow-acme.service"]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def read(path: Path) -> bytes:
    """Return what was issued. dehydrated's names are links within its folder; one that leads out of it is refused."""
    real = path.resolve()
    if path.parent.resolve() != real.parent:
        raise RefusedError(f"{path} leads to {real}")
    descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(1 << 20)


def write(path: Path, content: bytes, mode: int) -> None:
    beside = path.with_suffix(path.suffix + ".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(descriptor, mode)
        stream.write(content)
        os.fsync(descriptor)
    beside.replace(path)


def install(name: str) -> str:
    """Put certificate and key in their place where they are others than those there; return what was done."""
    folder = ISSUED / name
    if not folder.is_dir():
        raise RefusedError(f"nothing was issued for {name}: see what dehydrated said above")
    chain, key = read(folder / "fullchain.pem"), read(folder / "privkey.pem")
    if reason := wrong(chain, name, DAY):
        raise RefusedError(f"what was issued is not taken: {reason}")
    if public_half(chain, "x509", "-noout", "-pubkey") != public_half(key, "pkey", "-pubout"):
        raise RefusedError("what was issued is not taken: the key is not the certificate's")
    before = {path: path.read_bytes() for path in (PLACE, KEY) if path.exists()}
    if before == {PLACE: chain, KEY: key}:
        return "the edge has it already"
    write(KEY, key, 0o600)
    write(PLACE, chain, 0o644)
    tried = subprocess.run(["nginx", "-t", "-q"], capture_output=True, text=True, check=False, timeout=60)
    if tried.returncode != 0:
        for path, content in before.items():
            write(path, content, 0o600 if path == KEY else 0o644)
        raise RefusedError(f"nginx does not take it, and keeps the one before: {tried.stderr.strip()[:300]}")
    subprocess.run(["systemctl", "reload", "nginx.service"], check=True, timeout=60)
    return "the edge has a new certificate"


def main() -> None:
    name = DOMAIN.read_text().strip()
    try:
        said = due(name) if sys.argv[1:] == ["due"] else install(name)
    except (RefusedError, OSError) as reason:
        sys.exit(f"acme: {reason}")
    if said:
        print(said)


if __name__ == "__main__":
    main()
