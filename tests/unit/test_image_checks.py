"""The checks of where images and their files come from, each seen to pass and to fail, with its words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from checks import test_clickhouse as clickhouse
from checks import test_containers as containers
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
