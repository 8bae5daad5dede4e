"""Topics: which there are, and making them."""

from __future__ import annotations

from event_log.answers import BAD_NAME, ME, NO_TOPIC, TAKEN, UNKNOWN_TOPIC, WRONG_SETTING, Room
from event_log.rights import CLUSTER_NAME
from event_log.store import fault
from event_log.wire import Reader, array, int8, int16, int32, string


class Topics(Room):
    """Metadata and CreateTopics."""

    def metadata(self, read: Reader, version: int, user: str) -> bytes:
        """Say which topics there are, and where: here."""
        wanted = read.array(read.word)
        names = sorted(self.store.topics) if wanted is None else wanted
        shown = [name for name in names if wanted is not None or self.may(user, "describe", "topic", name)]
        listener = self.config.listeners[0]
        broker = int32(ME) + string(listener.host) + int32(listener.advertised) + string(None)
        throttle, cluster = (int32(0) if version >= 3 else b""), (string("stand-in") if version >= 2 else b"")
        topics = array(self._topic(name, version, user) for name in shown)
        return throttle + array([broker]) + cluster + int32(ME) + topics

    def _topic(self, name: str, version: int, user: str) -> bytes:
        allowed = self.may(user, "describe", "topic", name)
        count = len(self.store.topics.get(name, [])) if allowed else 0
        error = 0 if count else UNKNOWN_TOPIC if allowed else NO_TOPIC
        one, away = array([int32(ME)]), (array([]) if version >= 5 else b"")
        rows = (int16(0) + int32(index) + int32(ME) + one + one + away for index in range(count))
        return int16(error) + string(name) + int8(0) + array(rows)

    def create(self, read: Reader, version: int, user: str) -> bytes:
        """Make topics."""

        def topic() -> tuple[str, int, dict[str, str]]:
            name, partitions = read.word(), read.int32()
            read.int16()
            read.rows(lambda: (read.int32(), read.rows(read.int32)))
            return name, partitions, dict(read.rows(lambda: (read.word(), read.word())))

        rows = read.rows(topic)
        read.int32()
        dry = bool(read.int8()) if version >= 1 else False
        answers = []
        for name, partitions, settings in rows:
            error = 0
            if not (self.may(user, "create", "topic", name) or self.may(user, "create", "cluster", CLUSTER_NAME)):
                error = NO_TOPIC
            elif any(fault(*each) for each in settings.items()):
                error = WRONG_SETTING
            elif name in self.store.topics:
                error = TAKEN
            elif not dry:
                try:
                    self.store.create(name, 1 if partitions == -1 else partitions)
                    self.store.set(name, settings)
                except ValueError:
                    error = BAD_NAME
            answers.append(string(name) + int16(error) + (string(None) if version >= 1 else b""))
        return (int32(0) if version >= 2 else b"") + array(answers)
