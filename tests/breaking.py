"""Breaking controls on a live host: the cases of tests/sabotage, and how a group of them is broken and mended."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

import tests.sabotage
from hedgerow.catalog import load_catalog
from hedgerow.findings import Finding
from tests.conftest import Lab

CATALOG = load_catalog()
FEW, SOME = 1, 4
RESTART_SECONDS = 1200.0
# A service is asked how it is every few seconds, and counts as unwell until the next good answer.
ALL_WELL = (
    "! command -v podman >/dev/null ||"
    " timeout 900 sh -c 'while podman ps --filter health=unhealthy -q | grep -q .; do sleep 1; done'"
)


@dataclass(frozen=True)
class Case:
    """One way to break one control.

    `companions` may fail with it, `mend` undoes what converge leaves alone, and `settle` waits after converge for what
    takes its time. With `restart` the break takes effect, and is mended, when the host starts again.
    """

    control: str
    command: str
    companions: frozenset[str] = frozenset()
    mend: str = ""
    together: bool = False
    settle: str = ""
    restart: bool = False

    @property
    def role(self) -> str:
        """The role that makes the control true."""
        return CATALOG.control(self.control).role

    @property
    def own_kernel(self) -> bool:
        """Only a host with a kernel of its own can show it."""
        return CATALOG.control(self.control).own_kernel


def cases() -> Iterator[Case]:
    """Return every case of the modules in tests/sabotage."""
    for found in pkgutil.iter_modules(tests.sabotage.__path__):
        if found.name.startswith(("test_", "conftest")):
            continue
        module = importlib.import_module(f"tests.sabotage.{found.name}")
        for control, command in module.SABOTAGE.items():
            yield Case(
                control,
                command,
                frozenset(getattr(module, "COMPANIONS", {}).get(control, ())),
                getattr(module, "MEND", {}).get(control, ""),
                getattr(module, "TOGETHER", False),
                getattr(module, "SETTLE", {}).get(control, ""),
                control in getattr(module, "RESTART", ()),
            )


def groups(every: Iterable[Case], whole: bool) -> dict[str, tuple[Case, ...]]:
    """Return what is broken before one converge, by a name for the test.

    Within a group those that take companions along come last, or they would hide the others.
    """
    by_role = sorted(every, key=lambda case: (case.role, len(case.companions)))
    found: dict[str, tuple[Case, ...]] = {}
    for role, rows in groupby(by_role, key=lambda case: case.role):
        every_row = list(rows)
        if later := tuple(case for case in every_row if case.restart):
            found[f"{role}-at-restart"] = later
        mine = [case for case in every_row if not case.restart]
        if joined := tuple(case for case in mine if case.together):
            found[role] = joined if whole else spread(joined, SOME)
        alone = [case for case in mine if not case.together]
        found |= {case.control: (case,) for case in (alone if whole else alone[:FEW])}
    return found


def spread(some: tuple[Case, ...], most: int) -> tuple[Case, ...]:
    """Return at most so many of them, from all over, the last one too: it may take the most companions along."""
    if len(some) <= most:
        return some
    return tuple(some[round(number * (len(some) - 1) / (most - 1))] for number in range(most))


def broken(findings: Sequence[Finding]) -> dict[str, str]:
    """Return what does not hold: control to status and reason."""
    return {f.control: f"{f.status}: {f.reason}" for f in findings if f.status in {"fail", "error", "waived"}}


def break_and_mend(lab: Lab, group: Sequence[Case], beforehand: set[str], put_right: list[Case]) -> None:
    """Break a group's controls, see exactly them fail, converge by their tags, and see everything hold again.

    One alone is looked for among all controls. Of several each is seen to fail, and the one that comes next still to
    hold; in the end all are looked for among all. Whatever is in `put_right` when this raises is still broken.
    """
    if group[0].restart:
        break_and_mend_by_restart(lab, group, put_right)
        return
    several = len(group) > 1
    allowed = set(beforehand)
    seen: dict[str, str] = {}
    for case, following in zip_longest(group, group[1:]):
        scope = [each.control for each in (case, following) if each and several]
        put_right.append(case)
        done = lab.run(lab.host, case.command)
        assert done.returncode == 0, f"{case.control}: the sabotage itself failed: {done.stderr}"
        assert case.control not in seen, f"{case.control} was broken by an earlier one already: {seen[case.control]}"
        seen = broken(lab.verify(controls=scope))
        assert seen.get(case.control, "holds").startswith("fail"), f"{case.control} {seen.get(case.control, 'holds')}"
        allowed |= {case.control, *case.companions}
        assert seen.keys() <= allowed, f"{case.control} broke more than itself: {seen}"
    if several:
        seen = broken(lab.verify())
        assert seen.keys() <= allowed, f"more is broken than was meant to be: {seen}"
    assert mend(lab, group) == []
    lab.converge(tags=sorted(seen)).raise_for_failure()
    assert settle(lab, group) == []
    left = broken(lab.verify(controls=() if several else sorted(seen)))
    assert left.keys() <= beforehand, f"converge by the controls' tags does not restore {left}"
    put_right.clear()


def break_and_mend_by_restart(lab: Lab, group: Sequence[Case], put_right: list[Case]) -> None:
    """Break all of a group, start the host again, see exactly them fail among their concerns; and back the same way."""
    concerns = {CATALOG.control(case.control).concern for case in group}
    asked = [control.id for control in CATALOG.controls if control.concern in concerns]
    put_right.extend(group)
    for case in group:
        done = lab.run(lab.host, case.command)
        assert done.returncode == 0, f"{case.control}: the sabotage itself failed: {done.stderr}"
    restart(lab)
    seen = broken(lab.verify(controls=asked))
    assert seen.keys() == {case.control for case in group}, f"not exactly what was broken: {seen}"
    assert all(said.startswith("fail") for said in seen.values()), seen
    lab.converge(tags=sorted(seen)).raise_for_failure()
    restart(lab)
    assert broken(lab.verify(controls=asked)) == {}, "converge by the controls' tags does not restore it"
    put_right.clear()


def start_again(lab: Lab, seconds: float = RESTART_SECONDS) -> None:
    """Start the host again, and wait until it answers."""
    before = lab.boot_id()
    lab.run(lab.host, "systemd-run --on-active=1 systemctl reboot")
    deadline = time.monotonic() + seconds
    while lab.boot_id() in ("", before):
        assert time.monotonic() < deadline, f"the host has not started again within {seconds:.0f} s"
        time.sleep(1)


def restart(lab: Lab) -> None:
    """Start the host again, and wait until it is up."""
    start_again(lab)
    lab.run(lab.host, "systemctl is-system-running --wait")


def mend(lab: Lab, some: Iterable[Case]) -> list[str]:
    """Undo what converge leaves alone; return the commands that failed."""
    return _failing(lab, (case.mend for case in some))


def settle(lab: Lab, some: Iterable[Case]) -> list[str]:
    """Wait for what takes its time after converge; return the commands that failed."""
    return _failing(lab, (*(case.settle for case in some), ALL_WELL))


def _failing(lab: Lab, commands: Iterable[str]) -> list[str]:
    return [command for command in dict.fromkeys(filter(None, commands)) if lab.run(lab.host, command).returncode != 0]
