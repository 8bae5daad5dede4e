#!/usr/bin/python3 -I
"""Says how far those who store events are behind the event log; the question is the one argument, the answer JSON.

Asked are numbers alone: where a topic begins and ends, and how far a group has read. No event is read. What lay in the
log when the time began that an event may wait (ListOffsets, by time), and was not read yet, is late.
"""

from __future__ import annotations

import json
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
from hedgerow_kafka import BEGINNING, END, Admin, KafkaError  # noqa: E402 - found by the path above

Row = dict[str, Any]


def behind(admin: Admin, reader: Row, since: int) -> list[Row]:
    """Return for each topic of a reader how many events wait for it, and how many of them since before a time in ms."""
    read, topics = admin.committed(reader["group"], reader["topics"]), reader["topics"]
    first, end, then = (admin.offsets(topics, when) for when in (BEGINNING, END, since))
    rows = []
    for topic in topics:
        if topic not in end:
            continue  # nobody has made it: there is nothing to read
        # Who never said how far it came begins at the beginning; where nothing is younger, all is old.
        at = read.get(topic, -1) if read.get(topic, -1) >= 0 else first[topic]
        old = then[topic] if then[topic] >= 0 else end[topic]
        counts = {"waiting": max(0, end[topic] - at), "late": max(0, old - max(at, first[topic]))}
        rows.append({"service": reader["service"], "topic": topic, **counts})
    return rows


def main() -> None:
    asked = json.loads(sys.argv[1])
    try:
        admin = Admin(
            asked["address"],
            asked["port"],
            name=asked["name"],
            ca="/etc/hedgerow/ca.crt",
            certificate="/etc/hedgerow/eventlog/admin.crt",
            key="/etc/hedgerow/eventlog/admin.key",
        )
        try:
            since = int((time.time() - asked["seconds"]) * 1000)
            rows = [row for reader in asked["readers"] for row in behind(admin, reader, since)]
        finally:
            admin.close()
        print(json.dumps({"readers": rows}))
    except (OSError, struct.error, KafkaError) as error:
        print(json.dumps({"refused": type(error).__name__}))


if __name__ == "__main__":
    main()
