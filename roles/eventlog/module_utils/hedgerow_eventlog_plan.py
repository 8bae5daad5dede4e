"""What hedgerow_eventlog decides, as functions of what was declared and what the event log said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.hedgerow_kafka import Acl

CLUSTER = "kafka-cluster"
"""What Kafka calls the one resource of the kind `cluster`."""


@dataclass(frozen=True)
class Found:
    """What there is. `settings` are those of declared topics only."""

    topics: Sequence[str] = ()
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    acls: Sequence[Acl] = ()


@dataclass(frozen=True)
class Plan:
    """What is to be done, and the topics that nobody declared: they are told, for there may be events in them."""

    create: Mapping[str, Mapping[str, str]]
    set: Mapping[str, Mapping[str, str]]
    grant: Sequence[Acl]
    revoke: Sequence[Acl]
    strangers: Sequence[str]

    @property
    def changed(self) -> bool:
        return bool(self.create or self.set or self.grant or self.revoke)


def settings(topic: Mapping[str, Any]) -> dict[str, str]:
    """Return a declared topic's settings, in Kafka's words. Redpanda takes each as a topic property of this name."""
    return {
        "retention.ms": str(int(topic["hours"]) * 3_600_000),
        "retention.bytes": str(int(topic["bytes"])),
        "segment.bytes": str(int(topic["segment_bytes"])),
    }


def acls(clients: Iterable[Mapping[str, Any]]) -> list[Acl]:
    """Return the access list that lets clients do what they are declared to do.

    Who may read or write may describe as well (Kafka's and Redpanda's implied operations). Writing needs no more than
    `write`; but a producer that is idempotent first asks for an id, which Redpanda gives to whom it lets
    `idempotent_write` to the cluster (its src/v/kafka/server/handlers/init_producer_id.cc).
    """
    found: list[Acl] = []
    for client in clients:
        principal = f"User:{client['name']}"
        found += [Acl(principal, "write", "topic", topic) for topic in client["writes"]]
        found += [Acl(principal, "read", "topic", topic) for topic in client["reads"]]
        if client["group"]:
            found.append(Acl(principal, "read", "group", client["group"], "prefixed"))
        if client["idempotent"]:
            found.append(Acl(principal, "idempotent_write", "cluster", CLUSTER))
    return found


def make_plan(topics: Iterable[Mapping[str, Any]], clients: Iterable[Mapping[str, Any]], found: Found) -> Plan:
    """Compare what there is with what is declared."""
    wanted = {topic["name"]: settings(topic) for topic in topics}
    allowed = set(acls(clients))
    there = set(found.topics)
    differing = {
        name: {key: value for key, value in each.items() if found.settings.get(name, {}).get(key) != value}
        for name, each in wanted.items()
        if name in there
    }
    return Plan(
        create={name: each for name, each in wanted.items() if name not in there},
        set={name: each for name, each in differing.items() if each},
        grant=sorted(allowed - set(found.acls)),
        revoke=sorted(set(found.acls) - allowed),
        strangers=sorted(there - wanted.keys()),
    )


def lines(plan: Plan, found: Found) -> tuple[str, str]:
    """Return the diff: what is there and will not be, and what will be there instead."""
    before = [str(acl) for acl in plan.revoke]
    after = [str(acl) for acl in plan.grant]
    for name, each in plan.create.items():
        after += [f"{name} {key}={value}" for key, value in each.items()]
    for name, each in plan.set.items():
        before += [f"{name} {key}={found.settings.get(name, {}).get(key, '')}" for key in each]
        after += [f"{name} {key}={value}" for key, value in each.items()]
    return "".join(f"{line}\n" for line in before), "".join(f"{line}\n" for line in after)
