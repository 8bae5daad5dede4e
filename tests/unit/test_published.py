"""What stores keep of passwords, held against those that everybody knows, by the program itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from checks import test_posthog as checks
from checks.started import ENVIRONMENT, OLDER, PUBLISHED, stored
from tests.unit.test_posthog_settings_checks import SHEET
from tests.unit.told import outcome

PROGRAM = Path(__file__).parents[2] / "checks" / "on_host" / "published.py"


def scram(password: str) -> str:
    """Return a verifier as PostgreSQL keeps it (RFC 5802)."""
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return f"SCRAM-SHA-256$4096:{base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}:AAAA"


def sha(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()


MD5 = "md5" + hashlib.md5(b"posthogold", usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("roles", "users", "compared", "known"),
    [
        ([["posthog_web", scram("x" * 40)]], [f"user posthog_web on #{sha('y' * 40)} ~*"], 2, []),
        ([["posthog_web", scram("posthog")]], [], 1, ["PostgreSQL: posthog_web"]),
        ([["posthog_web", scram("posthog_web")]], [], 1, ["PostgreSQL: posthog_web"]),
        ([["old", MD5]], [], 1, ["PostgreSQL: old"]),
        ([], [f"user app on #{sha('any')} ~*"], 1, ["Valkey: app"]),
        ([], ["user default on nopass ~*"], 0, ["Valkey: default"]),
        ([], ["user default off nopass ~*"], 0, []),
    ],
)
def test_what_is_kept_is_compared(tmp_path: Path, roles, users, compared, known) -> None:
    for name, said in (("runuser", json.dumps(roles)), ("inspect", "\n".join(users))):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
        (tmp_path / name).chmod(0o755)
    line = [sys.executable, "-IS", str(PROGRAM), json.dumps([*PUBLISHED, *OLDER]), str(tmp_path / "inspect")]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    answer = subprocess.run(line, env=environment, capture_output=True, text=True, check=True, timeout=20)
    assert json.loads(answer.stdout) == {"compared": compared, "known": known}


WHOLE = replace(SHEET, host=replace(SHEET.host, roles=("app", "data")))
CONTAINER = {"settings": {}, "urls": {}, "lengths": {"SECRET_KEY": 64}, "defaults": []}


@pytest.mark.parametrize(
    ("container", "kept", "status", "reason"),
    [
        (CONTAINER, {"compared": 3, "known": []}, "pass", ""),
        ({**CONTAINER, "lengths": {"EMAIL_HOST_PASSWORD": 8}}, {"compared": 3, "known": []}, "pass", ""),
        (CONTAINER, {"compared": 3, "known": ["Valkey: app"]}, "fail", "Valkey: app"),
        ({**CONTAINER, "defaults": ["SECRET_KEY"]}, {"compared": 3, "known": []}, "fail", "SECRET_KEY"),
        ({**CONTAINER, "lengths": {"SECRET_KEY": 31}}, {"compared": 3, "known": []}, "fail", "fewer than 32"),
        ({**CONTAINER, "lengths": {}}, {"compared": 0, "known": []}, "error", "no store an account"),
    ],
)
def test_the_check_passes_and_fails(container, kept, status, reason) -> None:
    def ask(host, finding):
        finding.ask(host, ENVIRONMENT)
        checks.test_no_key_that_everybody_knows(finding, host, WHOLE, {"hedgerow-web": container})

    found, why = outcome(ask, {stored(WHOLE): json.dumps(kept), ENVIRONMENT: "{}"})
    assert (found, reason in why) == (status, True), why


@pytest.mark.parametrize(
    ("variable", "status"),
    [("SECRET_KEY", "pass"), ("GEMINI_API_KEY", "fail"), ("AZURE_INFERENCE_CREDENTIAL", "fail"),
     ("SLACK_APP_CLIENT_SECRET", "fail"), ("AGENT_INTERNAL_SIGNING_KEY", "pass")],
)  # fmt: skip
def test_a_key_to_somebody_elses_is_known_by_its_name(variable: str, status: str) -> None:
    def ask(_host, finding):
        finding.asked("told")
        checks.test_no_service_holds_a_key_to_somebody_elses(
            finding, {"hedgerow-web": {**CONTAINER, "lengths": {variable: 40}}}
        )

    assert outcome(ask, {})[0] == status


def test_a_container_keeps_its_own_name_beside_those_in_urls(tmp_path: Path) -> None:
    told = {"SITE_URL": "https://a.example", "REDIS_URL": "redis://u:p@valkey.example/0", "SECRET_KEY": "x" * 40}
    with subprocess.Popen(["/bin/sleep", "20"], env=told) as running:
        (tmp_path / "podman").write_text(f"#!/bin/sh\necho '{running.pid} hedgerow-web'\n")
        (tmp_path / "podman").chmod(0o755)
        line = [sys.executable, "-IS", str(PROGRAM.with_name("environment.py")), '["p"]', '["SITE_URL"]']
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        answer = subprocess.run(line, env=environment, capture_output=True, text=True, check=True, timeout=20)
        running.kill()
    found = json.loads(answer.stdout)
    assert list(found) == ["hedgerow-web"]
    assert found["hedgerow-web"]["settings"] == {"SITE_URL": "https://a.example"}
    assert found["hedgerow-web"]["urls"]["REDIS_URL"]["host"] == "valkey.example"
    assert (found["hedgerow-web"]["lengths"], found["hedgerow-web"]["defaults"]) == ({"SECRET_KEY": 40}, ["REDIS_URL"])
