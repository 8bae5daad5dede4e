"""The checks of where images and their files come from, each seen to pass and to fail, with its words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks import test_clickhouse as clickhouse
from checks import test_containers as containers
from checks.on_host import program
from hedgerow.sheet import UNREADABLE
from tests.unit.test_verify import sheet_of
from tests.unit.told import DECLARED, outcome

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
PLACE = "/var/lib/clickhouse/user_scripts"
GOOD = {"digest": DIGEST, "why": "", "writable": False, "wrong": [], "files": 7}
KEY = "c" * 64
PUB = "/etc/containers/hedgerow-signatures.pub"
SIGNED = [{"type": "sigstoreSigned", "keyPath": PUB}]
ANYTHING, REJECT = [{"type": "insecureAcceptAnything"}], [{"type": "reject"}]
MIRROR, ELSEWHERE = "mirror.example/posthog", "mirror.example/kafka"


@pytest.mark.parametrize(
    ("answer", "digest", "status", "words"),
    [
        ({PLACE: GOOD}, DIGEST, "pass", ""),
        ({PLACE: GOOD}, "", "pass", ""),  # a stand-in: the declaration names no digest
        ({PLACE: GOOD}, OTHER, "fail", "the lock says sha256:bbbb"),
        ({PLACE: {**GOOD, "digest": "", "why": "not mounted from"}}, DIGEST, "fail", "not mounted from"),
        ({PLACE: {**GOOD, "writable": True}}, DIGEST, "fail", "can be written to"),
        ({PLACE: {**GOOD, "wrong": ["v1/funnel"]}}, DIGEST, "fail", "v1/funnel not as in the image"),
        (None, DIGEST, "error", "does not run"),
    ],
)
def test_files_out_of_the_image(answer: object, digest: str, status: str, words: str) -> None:
    rows = (("clickhouse", "/code/posthog/user_scripts", PLACE, digest, ""),)
    sheet = replace(sheet_of(), declared=replace(DECLARED, from_images=rows))
    check = clickhouse.test_what_it_runs_comes_out_of_the_locked_image
    found, reason = outcome(check, {"podman": json.dumps(answer)}, sheet)
    assert (found, words in reason) == (status, True), reason


def test_a_host_without_such_files_cannot_show_it() -> None:
    check = clickhouse.test_what_it_runs_comes_out_of_the_locked_image
    assert outcome(check, {}, replace(sheet_of(), declared=DECLARED))[0] == "not-exercised"


def policy(docker: dict[str, object], archive: object = REJECT, default: object = REJECT) -> dict[str, object]:
    return {"default": default, "transports": {"oci-archive": {"": archive}, "docker": docker}}


@pytest.mark.parametrize(
    ("told", "key", "wanted", "status", "words"),
    [
        (policy({MIRROR: SIGNED}), KEY, KEY, "pass", ""),
        (policy({MIRROR: SIGNED, ELSEWHERE: ANYTHING}), KEY, KEY, "fail", ELSEWHERE),
        (policy({MIRROR: SIGNED}), "d" * 64, KEY, "fail", "no signature by the declared key"),
        (policy({MIRROR: SIGNED}, archive=ANYTHING), KEY, KEY, "fail", "oci-archive"),
        (policy({MIRROR: SIGNED}, default=ANYTHING), KEY, KEY, "fail", "default"),
        (policy({ELSEWHERE: SIGNED}), KEY, KEY, "fail", f"no signature was asked for: {MIRROR}"),
        (policy({}), KEY, "", "not-exercised", "no key is declared"),
        (policy({}), KEY, UNREADABLE, "error", "cannot be read"),
    ],
)
def test_signatures(told: object, key: str, wanted: str, status: str, words: str) -> None:
    declared = replace(DECLARED, signature_key=wanted)
    answer = json.dumps({"policy": told, "keys": {PUB: key}, "running": [MIRROR]})
    check = containers.test_nothing_unsigned_is_taken
    found, reason = outcome(check, {"podman": answer}, declared, replace(sheet_of(), declared=declared))
    assert (found, words in reason) == (status, True), reason


PODMAN = f"""#!{sys.executable}
import json, os, sys
home, digest = os.environ["FAKE"], "sha256:" + "a" * 64
match sys.argv[1:]:
    case ["ps", *_]:
        print("hedgerow-clickhouse")
    case ["container", "inspect", "hedgerow-clickhouse"]:
        source = "/x/" + "a" * 64 + "/"
        mounts = [{{"Destination": home + "/seen/" + name, "Source": source + name}} for name in ("s", "f.xml")]
        print(json.dumps([{{"State": {{"Pid": int(os.environ["FAKE_PID"])}}, "Mounts": mounts}}]))
    case ["images", *_]:
        one, other = {{"Id": "1", "RepoDigests": None}}, {{"Id": "2", "RepoDigests": ["r.example/app@" + digest]}}
        print(json.dumps([one, other]))
    case ["image", "mount", "2"]:
        print(home + "/image")
    case ["image", "unmount", "2"]:
        open(home + "/unmounted", "w").close()
    case other:
        sys.exit(f"not known here: {{other}}")
"""
VERSIONED = """<functions><function><name>f_v1</name><command>v1/f</command></function>
<function><name>f_v2</name>
<command>v2/f</command></function></functions>"""
PLAIN = "<functions><function><name>f</name><command>v2/f</command></function></functions>"


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a container sees, its process being this one, beside what the image has."""
    for top in ("image", "seen"):
        (tmp_path / top / "s/v2").mkdir(parents=True)
        (tmp_path / top / "s/v2/f").write_text("#!/bin/sh\n")
        (tmp_path / top / "s/v2/f").chmod(0o755)
    (tmp_path / "image/f.xml").write_text(VERSIONED)
    (tmp_path / "seen/f.xml").write_text(PLAIN)
    (tmp_path / "podman").write_text(PODMAN)
    (tmp_path / "podman").chmod(0o755)
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("FAKE_PID", str(os.getpid()))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "seen"


def compared(seen: Path) -> dict[str, list[str]]:
    rows = [
        ("clickhouse", "/s", str(seen / "s"), "", ""),
        ("clickhouse", "/f.xml", str(seen / "f.xml"), "", "unversioned"),
    ]
    asked = program("from_images", json.dumps(rows))
    done = subprocess.run(["/bin/sh", "-c", asked], capture_output=True, text=True, check=True, timeout=30)
    found: dict[str, Any] = json.loads(done.stdout)
    assert {each["digest"] for each in found.values()} == {DIGEST}
    assert (seen.parent / "unmounted").exists(), "the image is not left mounted"
    return {Path(target).name: each["wrong"] for target, each in found.items()}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda seen: None, {"s": [], "f.xml": []}),
        (lambda seen: (seen / "s/v2/f").write_text("other"), {"s": ["v2/f"], "f.xml": []}),
        (lambda seen: (seen / "s/v2/f").chmod(0o644), {"s": ["v2/f"], "f.xml": []}),
        (lambda seen: (seen / "s/v2/g").touch(), {"s": ["v2/g"], "f.xml": []}),
        (lambda seen: (seen / "s/v2/f").unlink(), {"s": ["v2/f"], "f.xml": []}),
        (lambda seen: (seen / "f.xml").write_text(PLAIN.replace("v2/f", "sh")), {"s": [], "f.xml": ["f"]}),
        (lambda seen: (seen / "f.xml").write_text(PLAIN.replace("v2/f", "v1/f")), {"s": [], "f.xml": ["f"]}),
        (lambda seen: (seen / "f.xml").write_text("<functions/>"), {"s": [], "f.xml": ["f"]}),
        (lambda seen: (seen / "f.xml").write_text("<"), {"s": [], "f.xml": ["ParseError"]}),
    ],
)
def test_what_is_seen_is_compared_with_the_image(seen: Path, change: Any, wrong: dict[str, list[str]]) -> None:
    change(seen)
    assert compared(seen) == wrong
