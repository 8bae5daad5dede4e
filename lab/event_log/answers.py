"""What the requests' rooms share: how a connection is ended, the numbers of refusals, and who may do what."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from event_log.config import Config
from event_log.rights import Rights
from event_log.store import Store

OUT_OF_RANGE, CORRUPT, UNKNOWN_TOPIC, NO_TOPIC, NO_GROUP = 1, 2, 3, 29, 30
BAD_NAME, BAD_ACKS, NO_CLUSTER, TAKEN, WRONG_SETTING, WRONG_REQUEST = 17, 21, 31, 36, 40, 42
ME = 1  # the only broker there is


class HangUpError(Exception):
    """The client does what nobody may: the connection ends. `last` is what it is told before."""

    def __init__(self, words: str, last: bytes = b"") -> None:
        super().__init__(words)
        self.last = last


@dataclass
class Room:
    """A part of the broker: what it was told, and what it keeps."""

    config: Config
    store: Store
    rights: Rights
    stopping: threading.Event = field(default_factory=threading.Event)

    def may(self, user: str, operation: str, kind: str, name: str) -> bool:
        """Say whether a user may do something with a topic, a group or the cluster."""
        return self.rights.may(user, operation, kind, name)
