"""Rules about how strictly a deployment wants to be held: what its profile demands, and which keys people may have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hedgerow.declaration.lookups import at
from hedgerow.declaration.words import Wrong
from hedgerow.profiles import profiles

FIDO2 = ("sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")
"""Kinds of keys that live in a FIDO2 token (OpenSSH, PROTOCOL.u2f)."""


def profile_is_met(value: dict[str, Any]) -> Iterator[Wrong]:
    """What a profile is about must be declared: else its controls would show nothing, and nobody would notice."""
    name = value.get("profile")
    chosen = profiles().get(name) if isinstance(name, str) else None
    for key, why in (chosen.demands if chosen else {}).items():
        if at(value, *key.split(".")) in (None, "none"):
            fix = f"Declare {key}, or write profile: hipaa."
            yield Wrong(("profile",), f"{name} needs {key}, which is not declared: {why}", fix)


def second_factor_keys(value: dict[str, Any]) -> Iterator[Wrong]:
    """With fido2 every key of a person lives in a token; one that does not would be a way in without a second proof."""
    people = at(value, "access", "administrators")
    if at(value, "access", "second_factor") != "fido2" or not isinstance(people, list):
        return
    for number, person in enumerate(people):
        keys = person.get("ssh_keys") if isinstance(person, dict) else None
        for index, key in enumerate(keys if isinstance(keys, list) else ()):
            if isinstance(key, str) and key.split()[:1] and key.split()[0] not in FIDO2:
                yield Wrong(
                    ("access", "administrators", number, "ssh_keys", index),
                    f"{key.split()[0]} lives in a file, and access.second_factor is fido2",
                    "Make one in a token, with its PIN: `ssh-keygen -t ed25519-sk -O verify-required`.",
                )
