"""The main job on a real host: plan, install, install again, reboot, verify, smoke, and what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hedgerow.catalog import load_catalog
from hedgerow.deployment import REPOSITORY
from hedgerow.findings import STATUSES
from hedgerow.images import table_of
from hedgerow.secrets import Vault, leaves
from tests.conftest import Lab

pytestmark = pytest.mark.lab


def test_plan_on_a_virgin_host_touches_nothing(lab_folder: Lab) -> None:
    """`--check --diff` passes before anything was ever converged, and leaves host and folder as they were."""
    lab = lab_folder
    first = lab.installer("plan", str(lab.declaration), "--json")
    assert first.code == 0, first.err
    assert first.json["hosts"] is None, "there is no host yet to ask"
    lab.work.target.apply(lambda _: None)
    state = "dpkg -l; find /etc -type f -printf '%p %T@\\n' | sort"
    # A host that has only just been booted still writes some files of its own.
    lab.run(lab.host, "systemctl is-system-running --wait")
    before = lab.run(lab.host, state).stdout.splitlines()
    answer = lab.installer("plan", str(lab.declaration), "--json")
    assert answer.code == 0, answer.out + answer.err
    recap = answer.json["hosts"]["hedge-1"]
    assert recap["failed"] == 0
    assert recap["changed"] > 20
    assert any("+" in change["diff"] for change in answer.json["changes"]), "a plan shows what would be written"
    after = lab.run(lab.host, state).stdout.splitlines()
    assert sorted(set(after) ^ set(before)) == []
    assert not lab.deployment.root.exists(), "a plan writes no deployment folder"


def test_kill_at_any_point_then_the_same_command_converges(lab_folder: Lab) -> None:
    """kill -9 while hosts, packages and services are being made; each next run goes on from there."""
    lab = lab_folder
    for seconds in (1.5, 12.0, 25.0):
        run = subprocess.Popen(
            [sys.executable, str(REPOSITORY / "installer.py"), "install", str(lab.declaration), "--quiet", "--yes"],
            env=lab.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(seconds)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    answer = lab.installer("install", str(lab.declaration), "--json", "--yes")
    assert answer.code == 0, answer.out + answer.err
    assert answer.json["hosts"]["hedge-1"]["failed"] == 0


def test_install_says_what_others_rely_on(lab: Lab) -> None:
    """The recap of an install, the findings of a verify and the status keep their published shape.

    A second run of the same declaration changes nothing on the hosts, and gives the same bytes here: no rendered file
    is even rewritten.
    """
    before = {path: path.stat().st_mtime_ns for path in rendered_files(lab)}
    recap = lab.installer("install", lab.name, "--json", "--yes")
    assert recap.code == 0, recap.out + recap.err
    assert set(recap.json["seconds"]) >= {"provision", "converge", "verify", "smoke"}
    assert recap.json["hosts"] == {"hedge-1": recap.json["hosts"]["hedge-1"]}
    assert recap.json["hosts"]["hedge-1"]["changed"] == 0, "a second run changes nothing"
    assert {path: path.stat().st_mtime_ns for path in rendered_files(lab)} == before

    found = lab.installer("verify", lab.name, "--json")
    assert found.code == 0, found.out + found.err
    said = json.loads(found.out)
    assert set(said["summary"]) == set(STATUSES)
    assert said["summary"]["fail"] == said["summary"]["error"] == 0
    assert said["summary"]["pass"] >= 60
    wanted = {"control", "hipaa", "host", "status", "asked", "observed", "expected", "seconds"}
    assert all(wanted <= set(finding) for finding in said["findings"])
    assert all(finding["reason"] for finding in said["findings"] if finding["status"] == "not-exercised")

    status = lab.installer("status", lab.name, "--json").json
    assert status["hosts"][0]["reachable"] is True
    assert Path(status["public"]["ca_file"]).exists()


def rendered_files(lab: Lab) -> list[Path]:
    """Everything in the deployment folder but the records of runs."""
    records = ("evidence", "logs", "journal.jsonl")
    root = lab.deployment.root
    return [path for path in root.rglob("*") if path.is_file() and path.relative_to(root).parts[0] not in records]


def test_the_deployment_runs_without_the_installer(lab: Lab) -> None:
    """`ansible-playbook site.yml` in the folder is all it takes."""
    answer = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "site.yml", "--check"],
        cwd=lab.deployment.root,
        env={**lab.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]
    assert "changed=0" in answer.stdout


def test_who_answers_with_another_key_is_not_converged(lab: Lab, tmp_path: Path) -> None:
    """Somebody in between would be root on nothing, and learn no secret."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    kind, another, *_ = (tmp_path / "key.pub").read_text().split()
    known = lab.deployment.known_hosts
    before = known.read_text()
    known.write_text("".join(f"{line.split()[0]} {kind} {another}\n" for line in before.splitlines()))
    try:
        run = lab.converge(["banner.shown"])
    finally:
        known.write_text(before)
    assert [failure.unreachable for failure in run.failures] == [True], run


def test_a_reboot_changes_nothing(lab: Lab) -> None:
    """What holds after an install holds after a reboot: services, firewall, addresses."""
    lab.work.target.reboot("hedge-1")
    deadline = time.monotonic() + 900  # what never comes up, not what comes up slowly
    # is-active is content with one of several; a unit counts as started once its service is well.
    names = " ".join(row.name for row in table_of(lab.work.declaration).services)
    started = f"for name in {names}; do systemctl is-active hedgerow-$name || exit 1; done"
    while lab.run(lab.host, started).returncode:
        assert time.monotonic() < deadline, lab.run(lab.host, "systemctl --failed").stdout
        time.sleep(1)
    bad = [finding for finding in lab.verify() if finding.status in ("fail", "error")]
    assert not bad, bad


def test_what_is_not_exercised_here_is_elsewhere(lab: Lab) -> None:
    """The VM lab takes what needs a kernel of its own; signatures need a mirror, which test_images.py has.

    Alerts go nowhere where none are declared; test_health.py has somebody who takes them. Data of today need no drill
    yet; tests/backup/test_drill.py makes some. test_acme.py asks an authority, test_people.py opens an envelope.
    """
    own_kernel = {control.id for control in load_catalog().controls if control.own_kernel}
    left_out = {finding.control for finding in lab.verify() if finding.status == "not-exercised"}
    assert left_out - own_kernel == {
        "accounts.emergency-sealed",
        "alerts.delivered",
        "backup.drilled",
        "containers.signatures-verified",
        "edge.renewal",
    }


def test_smoke_tells_each_step(lab: Lab) -> None:
    """Every step was tried and is ok: there is a stranger's address in the lab."""
    answer = lab.installer("smoke", lab.name, "--json")
    assert answer.code == 0, answer.out + answer.err
    assert {step["status"] for step in answer.json["steps"]} <= {"ok", "not-tried"}
    assert [step for step in answer.json["steps"] if step["status"] == "ok"]


def test_ssh_runs_a_command_as_root_and_returns_its_code(lab: Lab) -> None:
    """`ssh NAME HOST -- COMMAND`: its output, its quoting and its exit code."""
    answer = lab.installer("ssh", lab.name, "hedge-1", "--", "id", "-u")
    assert (answer.code, answer.out.strip()) == (0, "0")
    assert lab.installer("ssh", lab.name, "hedge-1", "--", "sh", "-c", "exit 7").code == 7
    assert lab.installer("ssh", lab.name, "hedge-1", "--", "echo", "two  blanks").out == "two  blanks\n"
    assert lab.installer("ssh", lab.name, "nowhere", "--", "true").code == 2


def test_a_second_run_is_told_who_holds_the_lock(lab: Lab) -> None:
    """Two at once on one deployment: the second says who is at work, with exit code 2."""
    with lab.deployment.lock("install"):
        answer = lab.installer("install", lab.name, "--yes")
    assert answer.code == 2
    assert f"process {os.getpid()}" in answer.err


def test_no_secret_is_found_in_clear(lab: Lab) -> None:
    """Every generated secret is searched for: the deployment folder, logs, evidence, processes and the journal."""
    lab.installer("smoke", lab.name, "--json")
    vault = Vault.of(lab.deployment)
    secrets = [value for value in leaves(vault.read(lab.deployment.secrets)) if not value.startswith("-----")]
    keys = [value.splitlines()[2] for value in leaves(vault.read(lab.deployment.secrets)) if value.startswith("-----")]
    assert len(secrets) >= 6
    assert len(keys) >= 3
    places = {str(path): path.read_bytes() for path in lab.deployment.root.rglob("*") if path.is_file()}
    for what, command in {
        "processes": "ps -eo args; cat /proc/[0-9]*/cmdline",
        "journal": "journalctl --no-pager -o verbose -a",
        "logs": "find /var/log -type f -not -path '/var/log/journal/*' -exec cat {} +",
    }.items():
        answer = lab.run(lab.host, command)
        assert len(answer.stdout) > 500, f"{what}: there was nothing to search"
        places[what] = answer.stdout.encode()
    for secret in (*secrets, *keys):
        found = [place for place, content in places.items() if secret.encode() in content]
        assert not found, f"a secret stands in clear in {found}"


def test_evidence_is_written_for_people_and_machines(lab: Lab) -> None:
    """Each format is there, says that stand-ins ran, and can be printed again."""
    folder = lab.deployment.evidence / "latest"
    for name in ("findings.json", "report.html", "junit.xml"):
        assert "tand-in" in (folder / name).read_text(), f"{name} must say that stand-ins ran"
    found = json.loads((folder / "findings.json").read_text())["network"]
    ways = {(way["client"], way["server"], way["port"]) for way in found["ways"]}
    declared = {("web", "postgres on hedge-1", 5432), ("capture", "kafka", 9092), ("clickhouse", "kafka", 9092)}
    assert declared <= ways, "what the services use all the time was not seen"
    assert ("outside", "kafka", 9092) not in ways
    again = lab.installer("report", lab.name, "--format", "html")
    assert again.out == (folder / "report.html").read_text()
