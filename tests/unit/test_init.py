"""The guided `init`: what it writes is always a sound declaration that says what was answered."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hedgerow import init
from hedgerow.console import Reporter
from hedgerow.declaration import load, parse
from hedgerow.declaration.places import read
from hedgerow.declaration.writing import scalar, text
from hedgerow.errors import CallError

KEY = init.ANY_KEY
ONPREM = {
    "target": ("onprem",),
    "domain": ("analytics.acme.example",),
    "host": ("debian@192.0.2.52",),
    "administrator": (f"jane={KEY}",),
}


def nothing_to_read(path: Path) -> str:
    raise FileNotFoundError(path)


def test_one_answer_is_enough_for_a_lab() -> None:
    declaration = parse(text(init.complete({"domain": ("analytics.acme.example",)})))
    assert (declaration.name, declaration.target.kind) == ("analytics", "lab")


@pytest.mark.parametrize(
    ("answer", "address", "port"),
    [
        ("debian@192.0.2.52", "192.0.2.52", 22),
        ("debian@192.0.2.52:2222", "192.0.2.52", 2222),
        ("debian@one.acme.example", "one.acme.example", 22),
    ],
)
def test_a_host_is_written_as_one_would_type_it(answer: str, address: str, port: int) -> None:
    (host,) = parse(text(init.complete({**ONPREM, "host": (answer,)}))).target.hosts
    assert (host.address, host.user, host.port) == (address, "debian", port)


def test_a_second_host_takes_the_data() -> None:
    answers = {**ONPREM, "host": ("debian@192.0.2.52", "debian@192.0.2.53"), "ingest-from": ("any",)}
    declaration = parse(text(init.complete(answers)))
    assert [host.roles for host in declaration.target.hosts] == [("edge", "app"), ("data",)]
    assert declaration.access.ingest_from == ("any",)
    assert not declaration.posthog.deploy


def test_images_deploy_posthog() -> None:
    image = "registry.acme.example/posthog/posthog@sha256:" + "a" * 64
    declaration = parse(
        text(init.complete({**ONPREM, **dict.fromkeys(("posthog-image", *init.OTHER_IMAGES.values()), (image,))}))
    )
    assert declaration.posthog.deploy
    assert declaration.posthog.images.capture == declaration.posthog.images.feature_flags == image


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({}, "--domain"),
        ({"target": ("onprem",)}, "--domain, --host, --administrator"),
        ({**ONPREM, "target": ("lab",)}, "--host has no meaning"),
        ({**ONPREM, "capture-image": ("x",)}, "--capture-image has no meaning"),
        ({**ONPREM, "domain": ("https://x.example",)}, 'domain: "https://x.example" is more'),
        ({**ONPREM, "host": ("root@192.0.2.52",)}, "target.hosts[0].user: root may not"),
        ({**ONPREM, "host": ("192.0.2.52",)}, "target.hosts[0].user: is missing"),
        ({**ONPREM, "host": ("debian@192.0.2.52:ssh",)}, "target.hosts[0].port"),
        ({**ONPREM, "host": ("jane@192.0.2.52",)}, "installer connects with"),
        ({**ONPREM, "administrator": ("jane",)}, "administrators[0].ssh_keys[0]"),
        ({**ONPREM, "ssh-from": ("0.0.0.0/0",)}, "whole internet"),
        ({**ONPREM, "target": ("azure",)}, '"azure" is not one of lab, onprem'),
    ],
)
def test_wrong_options_are_refused_in_the_declarations_own_words(
    answers: dict[str, tuple[str, ...]], says: str
) -> None:
    with pytest.raises(CallError) as caught:
        init.complete(answers)
    assert says in caught.value.message


def test_a_wrong_answer_is_asked_again() -> None:
    domains = ["", "no name", "analytics.acme.example"]
    hosts = ["root@192.0.2.1", "debian@192.0.2.1"]
    people = ["jane=missing.pub", f"jane={KEY}"]
    lines = iter(["", *domains, "onprem", *hosts, *people, "", "any", "10.0.0.1/8", "controller, 10.0.0.0/8", ""])
    heard: list[str] = []
    answers = init.guide({}, lambda _: next(lines), heard.append, nothing_to_read)
    assert next(lines, None) is None
    assert len(heard) == 5
    assert parse(text(answers)).access.ssh_from == ("controller", "10.0.0.0/8")


def test_what_options_answered_is_not_asked() -> None:
    asked: list[str] = []

    def ask(words: str) -> str:
        asked.append(words)
        return ""

    init.guide({"name": ("acme",), "domain": ("a.acme.example",)}, ask, asked.append, nothing_to_read)
    assert [words.split(" [")[0] for words in asked] == [
        question.words
        for question in init.QUESTIONS
        if question.name in ("target", "interface-from", "ingest-from", "ssh-from")
    ]


def test_a_pub_file_is_read_into_the_declaration(tmp_path: Path) -> None:
    (tmp_path / "jane.pub").write_text(f"{KEY} jane@acme.example\n")
    answer = init.with_keys("administrator", (f"jane={tmp_path}/jane.pub",), Path.read_text)
    assert answer == (f"jane={KEY} jane@acme.example",)


def command(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    init.add_arguments(parser)
    return parser.parse_args(words)


def test_the_command_writes_a_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    output = tmp_path / "deploy.yml"
    given_ = command("--json", "--domain", "analytics.acme.example", "--output", str(output))
    assert init.run(given_, Reporter(quiet=True)) == 0
    assert load(output).domain == "analytics.acme.example"
    assert json.loads(capsys.readouterr().out) == {"file": str(output)}
    with pytest.raises(CallError, match="is there already"):
        init.run(given_, Reporter(quiet=True))


def test_leaving_the_questions_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", leave)
    with pytest.raises(CallError, match="nothing was written"):
        init.run(command("--output", str(tmp_path / "deploy.yml")), Reporter(quiet=True))
    assert list(tmp_path.iterdir()) == []


@example("-")
@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30))
def test_any_text_is_read_back_as_it_was(value: str) -> None:
    document, _ = read(f"key: {scalar(value)} # a comment\nlist:\n  - {scalar(value)}\nflow: [{scalar(value)}]\n")
    assert document.value == {"key": value, "list": [value], "flow": [value]}
