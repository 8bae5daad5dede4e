"""Whether the host looks at itself, by systemd and by what its last look has left; whether anybody is told."""

from __future__ import annotations

import json

import pytest

from hedgerow.checking import NotExercised

SILENT = 30 * 60
WAITING = 15 * 60
TIMER = "systemctl show -p ActiveState,UnitFileState hedgerow-health.timer"
LAST = "systemctl show -p Result --value hedgerow-health.service"
LEFT = "cat /var/lib/hedgerow/health/state.json && echo && date +%s"


def left(host, finding):
    """Return what the last look has left, and the host's time; nothing where there was none."""
    answer = finding.ask(host, LEFT, codes=(0, 1))
    if answer.rc:
        return {}, 0
    state, now = answer.stdout.strip().rsplit("\n", 1)
    return json.loads(state), int(now)


@pytest.mark.control("alerts.watching")
def test_the_host_looks_at_itself(host, finding):
    finding.expect(f"a timer that runs and comes back after a restart, a last look within {SILENT // 60} minutes")
    timer = dict(line.split("=", 1) for line in finding.ask(host, TIMER).stdout.splitlines())
    last = finding.ask(host, LAST).stdout.strip()
    state, now = left(host, finding)
    age = now - state.get("at", 0)
    looked = f"{age // 60:.0f} minutes ago" if state else "never"
    finding.observe(
        f"timer {timer.get('ActiveState')}, {timer.get('UnitFileState')}; last look {looked}, ended with {last};"
        f" {len(state.get('open', ()))} things not well"
    )
    assert timer.get("ActiveState") == "active", "no timer runs: nobody looks"
    assert timer.get("UnitFileState") == "enabled", "after a restart nobody looks"
    assert state, "the host has never looked at itself"
    assert age <= SILENT, f"the last look was {looked}"
    assert last == "success", f"the last look ended with {last}"


@pytest.mark.control("alerts.delivered")
def test_who_is_to_be_told_is_told(host, finding, declared):
    """A channel that nobody declared is a way out that nobody declared; a new one is tried by a message of its own."""
    finding.expect(f"channels: {', '.join(declared.alerts) or 'none'}; the last message of each taken, none waiting")
    state, now = left(host, finding)
    channels = state.get("channels", {})
    said = [f"{name}: {row['error'] or 'well'}, {row['waiting']} waiting" for name, row in sorted(channels.items())]
    finding.observe("; ".join(said) or "no channel")
    undeclared = sorted(set(channels) - set(declared.alerts))
    assert not undeclared, f"alerts leave by {', '.join(undeclared)}, which is not declared"
    if not declared.alerts:
        raise NotExercised("no alerts are declared (alerts in deploy.yml): nobody is told")
    for name in declared.alerts:
        assert name in channels, f"{name} is declared, and the host does not know of it"
        row = channels[name]
        assert not row["error"], f"{name}: {row['error']}; {row['waiting']} alerts wait"
        late = [one for one in row["outbox"] if now - one["at"] > WAITING]
        assert not late, f"{name}: {len(late)} alerts wait for more than {WAITING // 60} minutes"
        assert row["at"] or row["waiting"], f"{name} has never been tried"
