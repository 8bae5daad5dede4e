"""The access list: who may do what, kept on disk. Nobody may anything that no entry says, as with the real broker.

As Redpanda does it (its src/v/security/authorizer.cc): superusers may everything; an entry that denies is stronger than
one that allows; who may read, write, delete or alter something may describe it, and who may change settings may see
them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from event_log.files import replace

TOPIC, GROUP, CLUSTER, TRANSACTION = 2, 3, 4, 5
LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3
ALL = 2
NUMBERS = {"read": 3, "write": 4, "create": 5, "delete": 6, "alter": 7, "describe": 8}
NUMBERS |= {"describe_configs": 10, "alter_configs": 11, "idempotent_write": 12}
IMPLIED = {8: {3, 4, 6, 7}, 10: {11}}
KINDS = {"topic": TOPIC, "group": GROUP, "cluster": CLUSTER}
CLUSTER_NAME = "kafka-cluster"


class Entry(NamedTuple):
    """One entry, in the numbers of Kafka's protocol."""

    kind: int
    name: str
    pattern: int
    principal: str
    host: str
    operation: int
    permission: int

    @property
    def fault(self) -> str:
        """Say why it is none; "" when it is one."""
        if not self.name or (self.kind == CLUSTER and self.name != CLUSTER_NAME):
            return "there is no such resource"
        known = (TOPIC, GROUP, CLUSTER, TRANSACTION), (LITERAL, PREFIXED), (DENY, ALLOW), range(2, 13)
        told = (self.kind, self.pattern, self.permission, self.operation)
        if any(number not in numbers for number, numbers in zip(told, known, strict=True)):
            return "a number is none of Kafka's"
        return "" if self.principal.startswith("User:") and self.principal != "User:" else "the principal is no user"

    def about(self, kind: int, name: str) -> bool:
        """Say whether it is about a resource."""
        mine = name.startswith(self.name) if self.pattern == PREFIXED else self.name in (name, "*")
        return self.kind == kind and mine


@dataclass
class Rights:
    """The access list in a folder. Every method takes the lock."""

    folder: Path
    superusers: frozenset[str] = frozenset()
    authorization: bool = True
    entries: set[Entry] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self.entries = {Entry(*row) for row in json.loads(self._path.read_text())}

    @property
    def _path(self) -> Path:
        return self.folder / "rights.json"

    def may(self, user: str, operation: str, kind: str, name: str) -> bool:
        """Say whether a user may do something with a topic, a group or the cluster."""
        if not self.authorization or user in self.superusers:
            return True
        number = NUMBERS[operation]
        with self.lock:
            mine = [
                each
                for each in self.entries
                if each.about(KINDS[kind], name) and each.principal in (f"User:{user}", "User:*") and each.host == "*"
            ]
        denied = any(each.permission == DENY and each.operation in (number, ALL) for each in mine)
        wanted = {number, ALL, *IMPLIED.get(number, ())}
        return not denied and any(each.permission == ALLOW and each.operation in wanted for each in mine)

    def add(self, entries: Iterable[Entry]) -> None:
        """Keep entries, on disk."""
        with self.lock:
            self._keep(self.entries | set(entries))

    def remove(self, chosen: Callable[[Entry], bool]) -> list[Entry]:
        """Take out the entries that are chosen, also on disk, and return them."""
        with self.lock:
            gone = sorted(filter(chosen, self.entries))
            self._keep(self.entries - set(gone))
        return gone

    def listed(self, chosen: Callable[[Entry], bool]) -> list[Entry]:
        """Return the entries that are chosen."""
        with self.lock:
            return sorted(filter(chosen, self.entries))

    def _keep(self, entries: set[Entry]) -> None:
        replace(self._path, json.dumps(sorted(entries)))
        self.entries = entries
