"""Which of Cloud Storage's methods are modelled, and who answers each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..asked import Asked
from ..errors import not_modelled
from . import buckets, objects

HANDLERS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "buckets.insert": buckets.insert,
    "buckets.get": buckets.must,
    "buckets.list": buckets.listed,
    "buckets.patch": buckets.changed,
    "buckets.update": buckets.changed,
    "buckets.delete": buckets.delete,
    "buckets.lockRetentionPolicy": buckets.lock,
    "buckets.getIamPolicy": buckets.policy,
    "buckets.setIamPolicy": buckets.policy,
    "buckets.testIamPermissions": buckets.policy,
    "serviceAccount.get": buckets.agent,
    "objects.get": objects.must,
    "objects.list": objects.listed,
    "objects.delete": objects.delete,
}


def answer(asked: Asked) -> dict[str, Any] | bytes:
    """Answer one request; bytes where the content itself is asked for."""
    name = f"{asked.collection}.{asked.action}"
    if name == "objects.insert":
        return objects.insert(asked, asked.one("uploadType"))
    if name == "objects.get" and asked.one("alt") == "media":
        return asked.world.blobs[objects.must(asked)["id"]]
    if name not in HANDLERS:
        raise not_modelled(asked.method.name)
    return HANDLERS[name](asked)
