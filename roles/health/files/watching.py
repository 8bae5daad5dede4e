#!/usr/bin/python3 -I
"""Looks at this host, judges it by the installer's own rules, and keeps what is to be told (hedgerow-health.timer).

What is not well is told once it was seen in two looks, so that a restart is no alarm; again each day; and once when it
is over. Nobody is told here: hedgerow-alerts.service sends what lies in the state, and this needs no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

CONFIG = Path("/etc/hedgerow/health/question.json")
CHANNELS = Path("/etc/hedgerow/health/channels.json")
FOLDER = Path("/var/lib/hedgerow/health")
LOOKS_TO_BEGIN = 2
DAY, HOUR, MINUTE = 86_400, 3_600, 60
SAMPLE_SECONDS, SAMPLE_KEPT = 15 * MINUTE, 7 * DAY
FINE_KEPT = 3 * HOUR
MOST_WAITING = 200
State = dict[str, Any]


def message(kind: str, what: str, text: str, since: float, at: float) -> State:
    return {"kind": kind, "what": what, "text": text, "since": since, "at": at}


def advance(open_: Mapping[str, State], found: Mapping[str, str], now: float) -> tuple[dict[str, State], list[State]]:
    """Return what is open after a look (what -> how it stands), and the messages that it makes.

    `found` is what is not well now, with the words that may leave the host.
    """
    then: dict[str, State] = {}
    said = []
    for what, text in found.items():
        before = open_.get(what) or {"since": now, "looks": 0, "told": 0}
        row = {**before, "looks": before["looks"] + 1, "text": text}
        if row["looks"] >= LOOKS_TO_BEGIN and now - row["told"] >= DAY:
            said.append(message("reminder" if row["told"] else "begins", what, text, row["since"], now))
            row["told"] = now
        then[what] = row
    for what, row in open_.items():
        if what not in found and row["told"]:
            said.append(message("ends", what, "it is well again", row["since"], now))
    return then, said


def sampled(samples: Sequence[State], seen: Mapping[str, Any], now: float) -> list[State]:
    """Return the samples with this look's, where one is due: close together for three hours, then each six hours."""
    kept: list[State] = []
    for row in samples:
        old = now - row["at"] > FINE_KEPT
        if now - row["at"] <= SAMPLE_KEPT and not (old and kept and row["at"] - kept[-1]["at"] < 6 * HOUR):
            kept.append(row)
    if not samples or now - samples[-1]["at"] >= SAMPLE_SECONDS:
        restarts = {row[0]: row[4] for row in seen["units"]}
        kept.append({"at": now, "free": seen["free"], "restarts": restarts})
    return kept


def queued(channels: Mapping[str, State], wanted: Mapping[str, str], said: Sequence[State], now: float) -> State:
    """Return the channels' state with these messages added. A channel that is new, or was changed, is first tried.

    `wanted` is what is set up: a channel -> the digest of how. What is not wanted any more goes, with all that waits.
    """
    then = {}
    for name, mark in wanted.items():
        row = channels.get(name) or {}
        waiting = list(row.get("outbox", ()))
        if row.get("mark") != mark:
            row = {"error": "", "at": 0}
            waiting = [one for one in waiting if one["kind"] != "test"]
            waiting.append(message("test", "alerts", "alerts of this host arrive here", now, now))
        waiting = [*waiting, *said][-MOST_WAITING:]
        then[name] = {**row, "mark": mark, "outbox": waiting, "waiting": len(waiting)}
    return then


def set_up() -> dict[str, str]:
    """Return each channel that is set up, with a digest of how."""
    rows = json.loads(CHANNELS.read_text())
    return {name: hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest() for name, row in rows.items()}


class Kept:
    """The state's file, for one program at a time."""

    def __init__(self, folder: Path) -> None:
        self.file, self.lock = folder / "state.json", folder / "lock"

    def __enter__(self) -> Kept:
        self.stream = self.lock.open("w")
        fcntl.flock(self.stream, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def read(self) -> State:
        try:
            return json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}  # the first look, or a file that a full disk cut short: what is not well is found again

    def write(self, state: State) -> None:
        beside = self.file.with_suffix(".new")
        with beside.open("w") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump(state, stream, sort_keys=True)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(self.file)


def main() -> None:
    import looking  # noqa: PLC0415 - beside this file, found by the path set above

    from hedgerow import measured  # noqa: PLC0415

    asked = json.loads(CONFIG.read_text())
    seen = looking.look(asked)
    troubles = measured.judge(measured.read(seen), reserve=asked["reserve"], a_day=asked["a_day"])
    now = time.time()
    with Kept(FOLDER) as kept:
        state = kept.read()
        open_, said = advance(state.get("open", {}), {one.what: one.plain or one.reason for one in troubles}, now)
        channels = queued(state.get("channels", {}), set_up(), said, now)
        samples = sampled(state.get("samples", []), seen, now)
        kept.write({"format": 1, "at": now, "open": open_, "channels": channels, "samples": samples})
    for one in said:
        level = "<5>" if one["kind"] == "ends" else "<4>"
        sys.stderr.write(f"{level}{one['what']} {one['kind']}: {one['text']}\n")


if __name__ == "__main__":
    main()
