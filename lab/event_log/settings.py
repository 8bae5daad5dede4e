"""What a topic is set to, and setting it."""

from __future__ import annotations

from event_log.answers import NO_TOPIC, UNKNOWN_TOPIC, WRONG_REQUEST, WRONG_SETTING, Room
from event_log.store import fault
from event_log.wire import Reader, array, int8, int16, int32, string

TOPIC, OF_THE_TOPIC, SET = 2, 1, 0


class Settings(Room):
    """DescribeConfigs and IncrementalAlterConfigs, of topics alone."""

    def describe(self, read: Reader, version: int, user: str) -> bytes:
        """Say what topics are set to; what was never set is left out."""
        rows = read.rows(lambda: (read.int8(), read.word(), read.array(read.word)))
        read.int8()
        answers = []
        for kind, name, wanted in rows:
            error = self._error(user, "describe_configs", kind, name)
            told = self.store.settings.get(name, {}) if not error else {}
            entries = (
                string(key) + string(value) + int8(0) + int8(OF_THE_TOPIC) + int8(0) + array([])
                for key, value in sorted(told.items())
                if wanted is None or key in wanted
            )
            answers.append(int16(error) + string(None) + int8(kind) + string(name) + array(entries))
        return int32(0) + array(answers)

    def alter(self, read: Reader, version: int, user: str) -> bytes:
        """Set some of a topic's settings and leave its others alone."""
        rows = read.rows(lambda: (read.int8(), read.word(), read.rows(lambda: (read.word(), read.int8(), read.word()))))
        dry = bool(read.int8())
        answers = []
        for kind, name, settings in rows:
            error, words = self._error(user, "alter_configs", kind, name), ""
            if not error and any(how != SET for _, how, _ in settings):
                error, words = WRONG_REQUEST, "only setting is offered"
            elif not error and (words := next(filter(None, (fault(key, value) for key, _, value in settings)), "")):
                error = WRONG_SETTING
            if not error and not dry:
                self.store.set(name, {key: value for key, _, value in settings})
            answers.append(int16(error) + string(words or None) + int8(kind) + string(name))
        return int32(0) + array(answers)

    def _error(self, user: str, operation: str, kind: int, name: str) -> int:
        if kind != TOPIC:
            return WRONG_REQUEST
        if not self.may(user, operation, "topic", name):
            return NO_TOPIC
        return 0 if name in self.store.topics else UNKNOWN_TOPIC
