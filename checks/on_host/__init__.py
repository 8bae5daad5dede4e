"""Questions that take a small program to ask. Each runs on the host as root, changes nothing, and prints JSON.

They hold to Python's standard library and to what Debian 13 and Ubuntu 24.04 ship. What they print holds no secret:
where a value must be judged, it is judged there, and only the judgement travels. A command of theirs has no limit of
its own: the channel ends a question that takes too long, and gives a slow host more time. What
waits for an answer over a network takes HEDGEROW_PATIENCE times as long as on another host.
"""

from __future__ import annotations

import shlex
from pathlib import Path


def program(name: str, *arguments: str) -> str:
    """Return the command that runs one of the programs of this folder on a host."""
    text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return shlex.join(["python3", "-IS", "-c", text, *arguments])
