"""Consumer groups: who is in, and who reads what (Kafka's group protocol, before KIP-848).

A group is gathered anew whenever somebody comes, goes or falls silent. Its members wait in `join` until all have come
or the time is up; the leader, the first of them, then hands out the partitions in `sync`.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field

ILLEGAL_GENERATION, INCONSISTENT, UNKNOWN_MEMBER, REBALANCING = 22, 23, 25, 27
GATHERING, SHARING, STABLE = "gathering", "sharing", "stable"
FIRST_WAIT = 0.3  # others may be starting too: one gathering then does for all


@dataclass
class Member:
    """One consumer. Times are in seconds."""

    protocols: dict[str, bytes]
    session: float
    seen: float
    here: bool = False
    share: bytes = b""


@dataclass(frozen=True)
class Joined:
    """The answer to a join; `members` only for the leader."""

    error: int
    member: str
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    members: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Group:
    """One group; every method takes its lock."""

    members: dict[str, Member] = field(default_factory=dict)
    state: str = STABLE
    generation: int = 0
    leader: str = ""
    protocol: str = ""
    until: float = 0
    earliest: float = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def join(self, name: str, protocols: dict[str, bytes], session: float, patience: float) -> Joined:
        """Come in and wait for the others."""
        with self.changed:
            if name and name not in self.members:
                return Joined(UNKNOWN_MEMBER, name)
            others = [member.protocols.keys() for key, member in self.members.items() if key != name]
            if not protocols or not set(protocols).intersection(*others):
                return Joined(INCONSISTENT, name)
            if self.state != GATHERING:
                self._gather(patience, first=not self.members)
            name = name or f"member-{uuid.uuid4()}"
            self.members[name] = Member(protocols, session, time.monotonic(), here=True)
            self.changed.notify_all()
            while self.state == GATHERING:
                self._settle()
                if self.state == GATHERING:
                    self.changed.wait(0.1)
            if name not in self.members:
                return Joined(UNKNOWN_MEMBER, name)
            chosen = [(key, member.protocols[self.protocol]) for key, member in self.members.items()]
            members = tuple(chosen) if name == self.leader else ()
            return Joined(0, name, self.generation, self.protocol, self.leader, members)

    def sync(self, name: str, generation: int, shares: dict[str, bytes]) -> tuple[int, bytes]:
        """Hand out the shares, as the leader, or wait for one's own."""
        with self.changed:
            if error := self._fault(name, generation):
                return error, b""
            if shares and name == self.leader and self.state == SHARING:
                for key, member in self.members.items():
                    member.share = shares.get(key, b"")
                self.state = STABLE
                self.changed.notify_all()
            while self.state == SHARING and self.generation == generation:
                self.members[name].seen = time.monotonic()
                self.changed.wait(0.1)
                self._bury()
                if error := self._fault(name, generation):
                    return error, b""
            return (REBALANCING, b"") if self.state == GATHERING else (0, self.members[name].share)

    def heartbeat(self, name: str, generation: int) -> int:
        """Say that one is there; be told whether to come to a new gathering."""
        with self.changed:
            self._bury()
            error = self._fault(name, generation)
            return error or (REBALANCING if self.state == GATHERING else 0)

    def leave(self, name: str) -> int:
        """Go."""
        with self.changed:
            if self.members.pop(name, None) is None:
                return UNKNOWN_MEMBER
            self._regather()
            return 0

    def commit_fault(self, name: str, generation: int) -> int:
        """Say why somebody may not commit; a consumer outside of every gathering has no name and generation -1."""
        with self.changed:
            return 0 if generation < 0 and not self.members else self._fault(name, generation)

    def _fault(self, name: str, generation: int) -> int:
        if name not in self.members:
            return UNKNOWN_MEMBER
        self.members[name].seen = time.monotonic()
        return 0 if generation == self.generation or self.state == GATHERING else ILLEGAL_GENERATION

    def _gather(self, patience: float, first: bool = False) -> None:
        now = time.monotonic()
        self.state, self.until, self.earliest = GATHERING, now + patience, now + (FIRST_WAIT if first else 0)
        for member in self.members.values():
            member.here = False

    def _regather(self) -> None:
        if self.members and self.state != GATHERING:
            self._gather(max(member.session for member in self.members.values()))
        self.changed.notify_all()

    def _bury(self) -> None:
        """Let go of those who have been silent for longer than they said they would be."""
        now = time.monotonic()
        waits = self.state == GATHERING  # who has come to a gathering is there, and cannot say so before it ends
        silent = [
            name
            for name, member in self.members.items()
            if now - member.seen > member.session and not (waits and member.here)
        ]
        for name in silent:
            del self.members[name]
        if silent:
            self._regather()

    def _settle(self) -> None:
        """End the gathering if everybody is here, or the time is up."""
        now = time.monotonic()
        self._bury()
        if now >= self.until:
            self.members = {name: member for name, member in self.members.items() if member.here}
        if now < self.earliest or not self.members or not all(member.here for member in self.members.values()):
            return
        common = set.intersection(*(set(member.protocols) for member in self.members.values()))
        self.leader = next(iter(self.members))
        self.protocol = next(name for name in self.members[self.leader].protocols if name in common)
        self.generation += 1
        self.state = SHARING
        for member in self.members.values():
            member.seen = now
        self.changed.notify_all()
