"""The command line: exit codes, words for people, JSON for machines, and nothing touched by a wrong call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hedgerow import flow, prerequisites, verbs
from hedgerow.cli import main, parser
from hedgerow.errors import CallError

LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HEDGEROW_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (["install", "nowhere"], None, 'no deployment is called "nowhere"'),
        (["verify", "nowhere"], None, 'no deployment is called "nowhere"'),
        (["status", "nowhere"], None, 'no deployment is called "nowhere"'),
        (["destroy", "nowhere", "--yes"], None, 'no deployment is called "nowhere"'),
        (["install", "./missing.yml"], None, "there is no such file"),
        (["install", "deploy.yml"], "", "the file is empty"),
        (["plan", "deploy.yml"], LAB + "extra: 1\n", "extra"),
        (["preflight", "deploy.yml"], LAB.replace("lab", "moon"), "target"),
        (["ssh", "deploy.yml", "hedge-1", "--", "true"], LAB, "acme"),
        (["verify", "deploy.yml"], LAB, "acme"),
        (["report", "deploy.yml"], LAB, "no evidence yet"),
        (["smoke", "deploy.yml"], LAB, "acme"),
        (["smoke", "deploy.yml"], LAB + "posthog: {deploy: false}\n", "PostHog is not deployed here"),
    ],
)
def test_a_wrong_call_is_exit_2_and_touches_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], words: list[str], text: str | None, said: str
) -> None:
    if text is not None:
        (place / "deploy.yml").write_text(text)
    before = sorted(place.rglob("*"))
    assert main([*words, "--quiet"] if "--" not in words else words) == 2
    assert said in capsys.readouterr().err
    left = [path for path in sorted(place.rglob("*")) if path not in before and path.suffix != ".lock"]
    assert [path for path in left if path.name != "deployments"] == []


@pytest.mark.parametrize("words", [[], ["fly"], ["install"], ["report", "x", "--format", "docx"], ["ssh", "x"]])
def test_what_the_parser_refuses_is_exit_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_an_error_is_json_where_a_machine_asked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "deploy.yml").write_text(LAB + "extra: 1\n")
    assert main(["plan", "deploy.yml", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["exit"] == 2
    assert said["problems"][0]["line"] == 4
    assert said["problems"][0]["key"] == "extra"


ENDED = LAB + "waivers:\n  - {control: ssh.idle-sessions-end, reason: r, who: Jane, until: 2020-01-31}\n"


def test_a_waiver_that_ended_is_refused_before_anything_is_touched(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "deploy.yml").write_text(ENDED)
    assert main(["install", "deploy.yml", "--yes", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "deploy.yml:5  waivers[0].until: this waiver ended on 2020-01-31" in said
    assert flow.open_work("deploy.yml", judge_files=False).declaration.waivers[0].who == "Jane"


def test_unreachable_hosts_are_exit_3(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The domain "invalid" never resolves (RFC 6761), so that nothing is asked of any network.
    (place / "deploy.yml").write_text(
        "name: acme\ndomain: analytics.acme.example\nposthog: {deploy: false}\n"
        "target: {kind: onprem, hosts:"
        " [{name: a-1, address: nowhere.invalid, private_address: 192.0.2.9, user: debian}]}\n"
        f'access: {{administrators: [{{name: jane, ssh_keys: ["{KEY}"]}}]}}\n'
    )
    assert main(["install", "deploy.yml", "--quiet"]) == 3
    assert "a-1" in capsys.readouterr().err
    assert not (place / "deployments" / "acme").exists()


def test_everything_after_two_dashes_belongs_to_the_host(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def remember(given, report) -> int:
        seen.update(vars(given))
        return 0

    monkeypatch.setattr(verbs, "ssh", remember)
    assert main(["ssh", "acme", "hedge-1", "--", "ls", "--json", "--", "-x"]) == 0
    assert seen["remote"] == ["ls", "--json", "--", "-x"]
    assert seen["json"] is False


def test_the_help_of_every_verb_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = next(action for action in parser()._actions if hasattr(action, "choices") and action.choices)
    assert len(verbs.choices) >= 13
    for sub in verbs.choices.values():
        assert "130  interrupted" in sub.format_help()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "installer.py" in capsys.readouterr().out or shell == "fish"


def test_missing_packages_are_named_once_each() -> None:
    assert prerequisites.missing(prerequisites.LAB, lambda _: None) == (
        "systemd-container",
        "mmdebstrap",
        "nftables",
        "iproute2",
        "openssh-client",
        "debian-archive-keyring",
    )
    assert prerequisites.missing(prerequisites.LAB, lambda name: f"/usr/bin/{name}") == ()


def test_without_root_missing_packages_are_only_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(CallError, match="system packages are missing: nothing-like-it") as refused:
        prerequisites.provide({"no-such-command": "nothing-like-it"}, yes=True, say=lambda _: None)
    assert "apt-get install" in refused.value.fix
