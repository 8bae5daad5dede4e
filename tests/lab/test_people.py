"""Who can reach what, and a person who comes and goes: what she could do before, and that nothing is left of it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hedgerow import proof, ssh
from hedgerow.deployment import now
from hedgerow.hosts import Host
from hedgerow.smoke import steps
from hedgerow.smoke.client import Client
from hedgerow.smoke.code import code
from tests.conftest import Lab

pytestmark = pytest.mark.lab

BOB, EMAIL, PASSWORD = "bob", "bob@acme.example", "correct horse battery staple"
PENALTY = 32.0
"""Seconds for which sshd lets nobody in from an address that failed; ours is the installer's (PerSourcePenalties)."""


def test_everybody_who_can_reach_something_is_listed(lab: Lab) -> None:
    answer = lab.installer("users", "review", lab.name, "--reviewer", "Jane Doe", "--json")
    assert answer.code == 0, answer.err[-2000:]
    file = Path(answer.json["review"])
    seen = json.loads(file.with_suffix(".json").read_text())
    assert seen["reviewer"] == "Jane Doe"
    accounts = {one["name"]: one for one in seen["hosts"]}
    assert accounts["jane"]["declared"] == "administrator"
    assert accounts["jane"]["opens"]
    assert len(accounts["jane"]["keys"]) == 1
    assert accounts["jane"]["sudo"] == ["(ALL : ALL) NOPASSWD: ALL"]
    assert accounts[lab.host.user]["declared"] == "installer"
    assert accounts[lab.host.user]["last_login"], "we came in by it"
    assert {one["name"] for one in seen["hosts"] if not one["declared"]} == set()
    [owner] = [one for one in seen["members"] if one["level"] == "owner"]
    assert (owner["second_factor"], owner["active"]) == ("totp", True)
    assert {role["declared"] for role in seen["database"]} == {"service", "root of the host"}
    assert [role["name"] for role in seen["database"] if role["superuser"]] == ["postgres"]
    assert "jane" in file.read_text()


@pytest.fixture(scope="module")
def by_key(lab: Lab) -> Iterator[None]:
    """Let people in with keys that live in files, as nobody here can touch a token; afterwards as it was."""
    declared = lab.declaration.read_text()
    without = declared.replace("  second_factor: fido2\n", "")
    assert without != declared
    for text in (without, declared):
        lab.declaration.write_text(text)
        answer = lab.installer("install", str(lab.declaration), "--yes")
        assert answer.code == 0, answer.out[-2000:] + answer.err[-2000:]
        if text is without:
            yield


@pytest.mark.long
@pytest.mark.usefixtures("by_key")
def test_a_person_comes_and_goes(lab: Lab, tmp_path: Path) -> None:
    before = lab.declaration.read_bytes()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", EMAIL, "-f", str(key)], check=True)
    added = lab.installer(
        *("users", "add", lab.name, BOB, "--key", f"{key}.pub", "--expires", "2036-01-01"),
        *("--sudo", "/usr/bin/id", "--yes", "--json"),
    )
    assert added.code == 0, added.out[-2000:] + added.err[-2000:]
    assert lab.declaration.read_bytes() != before
    host = as_bob(lab.host, key)
    assert try_ssh(lab, host, "sudo -n /usr/bin/id").returncode == 0
    assert try_ssh(lab, host, "sudo -n /usr/bin/id -u").returncode == 1, "only word for word"
    assert try_ssh(lab, host, "sudo -n true").returncode == 1
    held = subprocess.Popen(ssh.command(host, lab.deployment.known_hosts, ["sleep", "600"]))
    client, api_key = member(lab)
    assert client.ask("GET", "/api/projects/@current/").status == 200
    assert bearer(client, api_key) == 200

    removed = lab.installer("users", "remove", lab.name, BOB, EMAIL, "--yes", "--json")
    assert removed.code == 0, removed.out[-3000:] + removed.err[-2000:]
    ways = {(way["where"], way["way"]): way["refused"] for way in removed.json["ways"]}
    assert len(ways) == 13
    assert all(ways.values()), removed.out
    assert held.wait(timeout=60) != 0, "her running session was ended"
    assert lab.installer("users", "remove", lab.name, BOB, EMAIL, "--yes").code == 0, "a second time changes nothing"
    refused = try_ssh(lab, host, "true")
    time.sleep(PENALTY)
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr
    assert client.ask("GET", "/api/projects/@current/").status in (401, 403)
    assert bearer(client, api_key) == 401
    again = Client(client.domain, client.address, client.port, client.ca_file, client.certificate)
    assert steps.change(again, "POST", "/api/login/", {"email": EMAIL, "password": PASSWORD}).status == 400
    assert lab.declaration.read_bytes() == before, "the declaration is as it was, to the byte"
    kept = [json.loads(line) for line in (lab.deployment.root / "journal.jsonl").read_text().splitlines()]
    assert sum(row["verb"] == "users remove: tried" and row["outcome"] == "refused" for row in kept) >= len(ways)


@pytest.mark.long
@pytest.mark.usefixtures("by_key")
def test_an_account_closes_by_itself_on_its_day(lab: Lab, tmp_path: Path) -> None:
    """Nobody runs anything on that day: here the day is yesterday, and the key is still in its place."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", EMAIL, "-f", str(key)], check=True)
    words = ("users", "add", lab.name, BOB, "--key", f"{key}.pub", "--expires", "2036-01-01", "--yes")
    assert lab.installer(*words).code == 0
    try:
        host = as_bob(lab.host, key)
        assert try_ssh(lab, host, "true").returncode == 0
        assert lab.run(lab.host, f"usermod --expiredate $(date -u -d yesterday +%F) {BOB}").returncode == 0
        refused = try_ssh(lab, host, "true")
        time.sleep(PENALTY)
        assert refused.returncode == 255, "the key is right, and the day has come"
        assert lab.run(lab.host, f"test -s /etc/ssh/hedgerow-keys/{BOB}").returncode == 0
    finally:
        assert lab.installer("users", "remove", lab.name, BOB, "--yes").code == 0


@pytest.mark.long
@pytest.mark.usefixtures("by_key")
def test_who_opens_the_envelope_is_seen_until_a_new_key_is_sealed(lab: Lab, tmp_path: Path) -> None:
    """The sabotage of accounts.emergency-sealed: what mends it is a person's work, and no run's."""
    before = lab.declaration.read_text()
    keys = [tmp_path / "first", tmp_path / "second"]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "envelope", "-f", str(key)], check=True)

    def seal(key: Path) -> None:
        row = f'    - {{name: emergency, ssh_keys: ["{Path(f"{key}.pub").read_text().strip()}"], sealed: {now()}}}\n'
        lab.declaration.write_text(before.replace("  administrators:\n", f"  administrators:\n{row}"))
        answer = lab.installer("install", str(lab.declaration), "--yes")
        assert answer.code == 0, answer.out[-2000:] + answer.err[-2000:]

    def sealed() -> tuple[str, str]:
        (finding,) = lab.verify(controls=["accounts.emergency-sealed"])
        return finding.status, finding.reason

    assert before.count("  administrators:\n") == 1
    try:
        seal(keys[0])
        assert sealed() == ("pass", "")
        assert not [one for one in lab.installer("status", lab.name, "--json").json["hosts"] if "emergency" in str(one)]
        assert try_ssh(lab, replace(lab.host, user="emergency", identity_file=keys[0]), "sudo -n true").returncode == 0
        status, reason = sealed()
        assert status == "fail"
        assert "emergency at 20" in reason
        told = lab.installer("status", lab.name, "--json")
        assert told.code == 1
        assert "account emergency" in told.out
        lab.converge().raise_for_failure()
        assert sealed()[0] == "fail", "no run closes the envelope again"
        seal(keys[1])
        assert sealed() == ("pass", "")
        assert try_ssh(lab, replace(lab.host, user="emergency", identity_file=keys[0]), "true").returncode == 255
        time.sleep(PENALTY)
    finally:
        lab.declaration.write_text(before)
        assert lab.installer("install", str(lab.declaration), "--yes").code == 0


def as_bob(host: Host, key: Path) -> Host:
    """Return the host as she comes to it."""
    return replace(host, user=BOB, identity_file=key)


def try_ssh(lab: Lab, host: Host, command: str) -> subprocess.CompletedProcess[str]:
    line = ssh.command(host, lab.deployment.known_hosts, [command])
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def member(lab: Lab) -> tuple[Client, str]:
    """Return the session of somebody who has joined, with her second factor on, and a personal API key of hers."""
    invited = lab.installer("users", "add", lab.name, EMAIL, "--yes", "--json")
    assert invited.code == 0, invited.err[-2000:]
    assert invited.json == {"email": EMAIL, "level": "member", "mailed": True}, "the link goes by mail alone"
    text = "select id from posthog_organizationinvite"
    number = lab.run(lab.host, f'cd /; runuser -u postgres -- psql -XAtq -d posthog -c "{text}"').stdout.strip()
    client = steps.journey(proof.smoke_sheet(lab.work, lab.site), "bob").client
    assert client.ask("GET", "/api/signup/").status == 403, "sign-up itself stays closed"
    answer = client.ask("GET", f"/api/signup/{number}/")
    assert answer.json()["target_email"] == EMAIL, answer.words()
    who = {"first_name": "Bob", "password": PASSWORD}
    answer = steps.change(client, "POST", f"/api/signup/{number}/", who)
    assert answer.status == 201, answer.words()
    assert client.ask("GET", f"/api/signup/{number}/").status == 400, "it is good once"
    assert client.ask("GET", "/api/projects/@current/").status == 403, "not without a second factor"
    seed = client.ask("GET", "/api/users/@me/two_factor_start_setup/").json()["secret"]
    token = {"token": code(seed, time.time())}
    answer = steps.change(client, "POST", "/api/users/@me/two_factor_validate/", token)
    assert answer.status == 200, answer.words()
    team = client.ask("GET", "/api/projects/@current/").json()["id"]
    wanted = {"label": "hers", "scopes": ["project:read"], "scoped_teams": [team], "scoped_organizations": []}
    answer = steps.change(client, "POST", "/api/personal_api_keys/", wanted)
    assert answer.status == 201, answer.words()
    return client, answer.json()["value"]


def bearer(client: Client, value: str) -> int:
    alone = Client(client.domain, client.address, client.port, client.ca_file, client.certificate)
    return alone.ask("GET", "/api/projects/@current/", headers={"Authorization": f"Bearer {value}"}).status
