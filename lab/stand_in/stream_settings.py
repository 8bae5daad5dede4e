"""livestream's file of settings: upstream's keys (docker/livestream/configs-hobby.yml), and what is refused of them."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from stand_in.settings import SettingsError, log_faults

FILE = "/configs/configs.yml"


@dataclass(frozen=True)
class Topics:
    """Where events come from."""

    brokers: str
    topic: str
    group: str


def read_topics(text: str) -> Topics:
    """Return what the file says. Raises SettingsError for one that lacks something or holds a secret."""
    try:
        found = yaml.safe_load(text) or {}
        events = found["consumers"]["event"]
        topics = Topics(events["brokers"], events["topic"], events["group_id"])
        protocol, place = events["security_protocol"], found["mmdb"]["path"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(f"{FILE}: {type(error).__name__} {error}") from None
    wrong = log_faults({"KAFKA_HOSTS": topics.brokers}) if protocol == "PLAINTEXT" else [f"{protocol} shows no client"]
    wrong += [] if place else ["mmdb.path must be set"]
    wrong += ["a secret in a file that everybody may read"] if "secret" in (found.get("jwt") or {}) else []
    if wrong:
        raise SettingsError(f"{FILE}: {'; '.join(wrong)}")
    return topics
