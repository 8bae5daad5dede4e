"""Events: in, out, and where they begin and end."""

from __future__ import annotations

import time

from event_log.answers import BAD_ACKS, CORRUPT, NO_TOPIC, OUT_OF_RANGE, UNKNOWN_TOPIC, HangUpError, Room
from event_log.store import BadBatchError
from event_log.wire import Reader, array, blob, int16, int32, int64, string

LONGEST_WAIT = 30.0


class Events(Room):
    """Produce, Fetch and ListOffsets."""

    def produce(self, read: Reader, version: int, user: str) -> bytes | None:
        """Keep batches."""
        transaction, acks = read.string(), read.int16()
        read.int32()
        rows = read.rows(lambda: (read.word(), read.rows(lambda: (read.int32(), read.bytes() or b""))))
        if transaction is not None:
            raise HangUpError("transactions are not offered")
        answers = []
        for topic, parts in rows:
            kept = [(index, *self._keep(user, topic, index, records, acks)) for index, records in parts]
            start = int64(0) if version >= 5 else b""
            answers.append(
                string(topic)
                + array(int32(i) + int16(error) + int64(offset) + int64(-1) + start for i, error, offset in kept)
            )
        return None if acks == 0 else array(answers) + int32(0)

    def _keep(self, user: str, topic: str, index: int, records: bytes, acks: int) -> tuple[int, int]:
        if not self.may(user, "write", "topic", topic):
            return NO_TOPIC, -1
        partition = self.store.partition(topic, index)
        if partition is None or acks not in (-1, 0, 1):
            return (BAD_ACKS if partition else UNKNOWN_TOPIC), -1
        try:
            return 0, partition.append(records)
        except BadBatchError:
            return CORRUPT, -1

    def fetch(self, read: Reader, version: int, user: str) -> bytes:
        """Give batches, waiting a little for new ones."""
        read.int32()
        patience, least, most = read.int32(), read.int32(), read.int32()
        read.int8()

        def part() -> tuple[int, int, int]:
            index, offset = read.int32(), read.int64()
            if version >= 5:
                read.int64()
            return index, offset, read.int32()

        rows = read.rows(lambda: (read.word(), read.rows(part)))
        until = time.monotonic() + min(patience / 1000, LONGEST_WAIT)
        while True:
            size, answers, wrong = 0, [], False
            for topic, parts in rows:
                told = []
                for index, offset, each in parts:
                    error, end, records = self._read(user, topic, index, offset, min(each, most - size))
                    size, wrong = size + len(records), wrong or error != 0
                    start = int64(0) if version >= 5 else b""
                    told.append(
                        int32(index) + int16(error) + int64(end) + int64(end) + start + array([]) + blob(records)
                    )
                answers.append(string(topic) + array(told))
            left = until - time.monotonic()
            if wrong or size >= least or left <= 0 or self.stopping.is_set():
                return int32(0) + array(answers)
            self._await(rows, min(left, 0.1 if len(rows) > 1 else 0.5))

    def _await(self, rows: list[tuple[str, list[tuple[int, int, int]]]], seconds: float) -> None:
        """Wait until the first wanted partition grows; with several, look at them all again soon."""
        found = [self.store.partition(topic, index) for topic, parts in rows for index, _, _ in parts]
        offsets = [offset for _, parts in rows for _, offset, _ in parts]
        if not found or found[0] is None:
            time.sleep(seconds)
            return
        with found[0].grown:
            if found[0].end <= offsets[0]:
                found[0].grown.wait(seconds)

    def _read(self, user: str, topic: str, index: int, offset: int, most: int) -> tuple[int, int, bytes]:
        if not self.may(user, "read", "topic", topic):
            return NO_TOPIC, -1, b""
        partition = self.store.partition(topic, index)
        if partition is None:
            return UNKNOWN_TOPIC, -1, b""
        if not 0 <= offset <= partition.end:
            return OUT_OF_RANGE, partition.end, b""
        return 0, partition.end, partition.read(offset, most) if most > 0 else b""

    def offsets(self, read: Reader, version: int, user: str) -> bytes:
        """Say where reading begins or ends."""
        read.int32()
        if version >= 2:
            read.int8()
        rows = read.rows(lambda: (read.word(), read.rows(lambda: (read.int32(), read.int64()))))
        answers = []
        for topic, parts in rows:
            told = []
            for index, when in parts:
                partition = self.store.partition(topic, index)
                error = UNKNOWN_TOPIC if partition is None else 0
                error = error if self.may(user, "describe", "topic", topic) else NO_TOPIC
                offset = -1 if error or partition is None else partition.offset_at(when)
                told.append(int32(index) + int16(error) + int64(-1) + int64(offset))
            answers.append(string(topic) + array(told))
        return (int32(0) if version >= 2 else b"") + array(answers)
