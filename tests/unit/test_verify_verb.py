"""`verify` from the declaration to the evidence, with the hosts' answers made up: drift, waivers, kept runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from hedgerow import flow, proof
from hedgerow.catalog import load_catalog
from hedgerow.cli import main
from hedgerow.declaration import parse
from hedgerow.deployment import Deployment, write_file
from hedgerow.evidence import json_
from hedgerow.findings import Finding
from hedgerow.hosts import Site
from hedgerow.verify import settle
from tests.unit.test_render import DECLARED, SITES

ID, WAIVED = "ssh.no-root", "ssh.idle-sessions-end"


@dataclass(frozen=True)
class Prepared:
    """A target whose hosts are there."""

    def site(self) -> Site:
        return SITES["prepared"]


class Hosts:
    """What the hosts would answer; `status` is that of one control, another always fails."""

    def __init__(self) -> None:
        self.status = "pass"
        self.minutes = count()

    def verify(self, work: flow.Work, site: Site, report: object, controls: tuple[str, ...] = ()) -> proof.Verified:
        why = "" if self.status == "pass" else "root may log in"
        rows = [
            Finding(ID, ("164.312(d)",), "hedge-1", self.status, "sshd -T", "no", "no", why),
            Finding(WAIVED, ("164.312(d)",), "hedge-1", "fail", "sshd -T", "0", "900", "never ends"),
        ]
        settled = tuple(settle(row, work.declaration.waivers, (), date(2026, 3, 1)) for row in rows)
        return proof.Verified(settled, f"2026-03-01T10:{next(self.minutes):02}:00Z", 1.0)


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    waiver = f"waivers: [{{control: {WAIVED}, reason: night shift, who: Jane, until: 2026-03-31}}]\n"
    declaration = parse(DECLARED["prepared"] + waiver)
    write_file(Deployment("acme").declaration, DECLARED["prepared"] + waiver)
    made = Hosts()
    work = flow.Work(Deployment("acme"), declaration, Prepared(), tmp_path)  # type: ignore[arg-type]
    monkeypatch.setattr(flow, "open_work", lambda *_, **__: work)
    monkeypatch.setattr(proof, "verify_hosts", made.verify)
    monkeypatch.setattr(proof, "verify_whole", made.verify)
    return made


def test_a_verify_tells_what_changed_and_keeps_the_run(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "acme"]) == 0
    first = capsys.readouterr().out
    assert "Since" not in first
    assert f"Waivers: 1 declared, 1 in use; the next to end is {WAIVED}, on 2026-03-31" in first
    hosts.status = "fail"
    assert main(["verify", "acme"]) == 1
    assert "Since 2026-03-01T10:00:00Z: 1 newly failing" in capsys.readouterr().out
    assert main(["verify", "acme", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["drift"]["failing"] == []
    assert told["waivers"] == [{"control": WAIVED, "until": "2026-03-31"}]
    assert {row["control"]: row["since"] for row in told["findings"]}[ID] == "2026-03-01T10:01:00Z"
    assert told["summary"]["pass"] == 0, "a waived failure is no pass"
    kept = json_.read((Deployment("acme").evidence / "latest" / "findings.json").read_text(), load_catalog())
    assert [past.summary["fail"] for past in kept.past] == [0, 1]
    assert main(["history", "acme"]) == 0
    assert ".FF" in capsys.readouterr().out


def test_a_look_at_one_control_is_no_run(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", "acme", "--control", ID])
    assert "Evidence" not in capsys.readouterr().out
    assert not Deployment("acme").evidence.exists()


def test_watching_goes_on_until_somebody_ends_it(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("hedgerow.verbs.pause", pause)
    assert main(["verify", "acme", "--watch", "60", "--json"]) == 130
    assert pauses == [60, 60, 60]
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 3
