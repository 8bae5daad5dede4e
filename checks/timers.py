"""Whether a timer comes again: systemd's own answer, for whatever is done on a schedule."""

from __future__ import annotations

QUESTION = "systemctl show -p ActiveState -p SubState -p NextElapseUSecRealtime {}.timer"


def comes_again(said: str) -> bool:
    """Judge the answer to QUESTION. While what it starts is at work, a timer does not know its next time yet."""
    state = dict(line.split("=", 1) for line in said.splitlines())
    next_time = state.get("NextElapseUSecRealtime", "")
    return state.get("ActiveState") == "active" and (bool(next_time) or state.get("SubState") == "running")
