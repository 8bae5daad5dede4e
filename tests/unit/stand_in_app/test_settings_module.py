"""hedgerow_posthog_settings over real HTTP, against the stand-in's own handlers: sessions, tokens, codes and all."""

from __future__ import annotations

import importlib.util
import json
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import pytest
from ansible.module_utils.testing import patch_module_args
from stand_in import accounts
from stand_in.administration import Administration
from stand_in.api import Api
from stand_in.asgi import Request, as_json
from stand_in.hog_functions import HogFunctions
from stand_in.transformations import TEMPLATES

from hedgerow.smoke.code import code
from tests.unit.stand_in_app.functions import Functions
from tests.unit.stand_in_app.test_api import HOST, JANE, SETTINGS, Counts, Tables

REPOSITORY = Path(__file__).parents[3]
ORGANIZATION = {"enforce_2fa": True, "allow_publicly_shared_resources": False, "is_ai_data_processing_approved": False}
PROJECTS = {"anonymize_ips": True, "session_recording_masking_config": {"maskAllInputs": True}}
PODMAN = f"""#!{sys.executable}
import json, re, sys
from pathlib import Path
row, mail = (Path(__file__).with_name(name) for name in ("row", "mail"))
if sys.argv[1:4] == ["exec", "hedgerow-web", "python3"]:
    with Path(__file__).with_name("fetched").open("a") as fetched:
        print(*sys.argv[4:], file=fetched)
    sys.exit("Error fetching Node.js templates")
assert sys.argv[1:] == ["exec", "--interactive", "hedgerow-web", "python3", "-"], sys.argv
wanted, write = json.loads(re.search("json.loads\\\\('(.*)'\\\\)", sys.stdin.read())[1])
found = json.loads(row.read_text())
print(json.dumps([[found], mail.read_text().split() if mail.exists() else []]))
if write:
    mail.unlink(missing_ok=True)
    row.write_text(json.dumps(found | wanted))
"""
Run = Callable[..., dict[str, Any]]


def load(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


web = load("ansible.module_utils.hedgerow_posthog_web", "roles/posthog/module_utils/hedgerow_posthog_web.py")
dropping = load(
    "ansible.module_utils.hedgerow_posthog_dropping", "roles/posthog/module_utils/hedgerow_posthog_dropping.py"
)
module = load("hedgerow_posthog_settings", "plugins/modules/hedgerow_posthog_settings.py")


@dataclass
class PostHog:
    """A running service: its tables, and what was asked of it."""

    api: Api
    url: str = ""
    asked: list[str] = field(default_factory=list)
    functions: Functions = field(default_factory=Functions)
    delivers: bool = True
    templates: list[dict[str, Any]] = field(default_factory=lambda: list(TEMPLATES))

    @property
    def row(self) -> dict[str, Any]:
        return next(iter(self.api.store.people.values()))  # type: ignore[attr-defined]

    @property
    def keys(self) -> dict[str, dict[str, Any]]:
        return self.api.store.kept  # type: ignore[attr-defined]

    @property
    def changed(self) -> list[str]:
        """What was asked that changes settings."""
        return [line for line in self.asked if line.startswith(("PATCH", "DELETE", "POST /api/projects"))]

    def answer(self, request: Request) -> Any:
        administration = Administration(self.api)
        plugins = self.url if self.delivers else ""
        functions = HogFunctions(self.api, self.functions, plugins)  # type: ignore[arg-type]  # in memory as well
        routes: dict[str, Callable[..., Any]] = {
            "GET /_preflight": lambda _: as_json(200, {"initiated": self.api.store.initiated()}),
            "POST /api/login/": self.api.sign_in,
            "POST /api/login/token/": administration.give_code,
            "GET /api/users/@me/two_factor_start_setup/": administration.start_second_factor,
            "POST /api/users/@me/two_factor_validate/": administration.accept_second_factor,
            "(?:GET|PATCH) /api/organizations/([^/]+)/": administration.organization,
            "GET /api/projects/": administration.projects,
            "GET /api/projects/([^/]+)/": self.api.project,
            "PATCH /api/projects/([^/]+)/": administration.change_project,
            "GET /api/personal_api_keys/": self.api.keys,
            "DELETE /api/personal_api_keys/([^/]+)/": self.api.drop_key,
            "GET /api/projects/([^/]+)/hog_functions/": functions.rows,
            "POST /api/projects/([^/]+)/hog_functions/": functions.create,
            "PATCH /api/projects/([^/]+)/hog_functions/rearrange/": functions.rearrange,
            "GET /api/projects/([^/]+)/hog_functions/(f[0-9]+)/": functions.one,
            "PATCH /api/projects/([^/]+)/hog_functions/(f[0-9]+)/": functions.change,
            "GET /api/hog_function_templates": lambda _: as_json(200, self.templates),  # plugins answers that
        }
        line = f"{request.method} {request.path}"
        self.asked.append(line)
        for pattern, handle in routes.items():
            if match := re.fullmatch(pattern, line):
                return handle(request, *match.groups())
        raise AssertionError(f"nobody asks {line}")


@pytest.fixture
def posthog(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostHog]:
    monkeypatch.setattr(accounts, "COST", 2)
    running = PostHog(Api(SETTINGS, Tables(), Counts()))  # type: ignore[arg-type]  # the same interface, in memory
    running.api.sign_up(Request("POST", "/api/signup", body=json.dumps(JANE).encode()))

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            named = {name.lower(): value for name, value in self.headers.items()}
            path, _, query = self.path.partition("?")
            reply = running.answer(Request(self.command, path, dict(parse_qsl(query)), named, body))
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("content-length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    server.shutdown()
    server.server_close()


@pytest.fixture
def columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The row that the container's program would find, behind a Podman of our own."""
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(PODMAN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    row = program.with_name("row")
    row.write_text(json.dumps({"plugins_access_level": 9, "session_cookie_age": None}))
    return row


@pytest.fixture
def run(posthog: PostHog, columns: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(check: bool = False, **other: Any) -> dict[str, Any]:
        arguments = {
            "url": posthog.url, "domain": HOST, "email": JANE["email"], "password": JANE["password"],
            "folder": str(tmp_path / "kept"), "container": "hedgerow-web", "organization": ORGANIZATION,
            "projects": PROJECTS, "columns": {"plugins_access_level": 0, "session_cookie_age": 28800}, **other,
        }  # fmt: skip
        posthog.asked.clear()
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        printed = capsys.readouterr().out
        assert JANE["password"] not in printed
        return json.loads(printed.strip().splitlines()[-1])

    return call


def test_everything_is_brought_to_what_is_wanted_once(posthog: PostHog, columns: Path, run: Run) -> None:
    first = run()
    assert first["changed"] is True
    assert "organization: enforce_2fa" in first["changes"]
    assert posthog.row.items() >= (ORGANIZATION | PROJECTS).items()
    assert json.loads(columns.read_text()) == {"plugins_access_level": 0, "session_cookie_age": 28800}
    second = run()
    assert (second["changed"], second["changes"], posthog.changed) == (False, [], [])
    assert "POST /api/login/" not in posthog.asked, "the kept session is taken up"


def test_only_what_differs_is_changed_and_told(posthog: PostHog, run: Run) -> None:
    run()
    posthog.row.update(anonymize_ips=False)
    again = run()
    told = {side: json.loads(text) for side, text in again["diff"].items()}
    assert told == {"before": {"project 7": {"anonymize_ips": False}}, "after": {"project 7": {"anonymize_ips": True}}}
    assert posthog.changed == ["PATCH /api/projects/7/"]


def test_saving_renews_what_upstream_caches_of_a_column(posthog: PostHog, columns: Path, run: Run) -> None:
    run()
    columns.write_text(json.dumps({"plugins_access_level": 0, "session_cookie_age": 1209600}))
    assert run()["changes"] == ["organization: session_cookie_age"]
    assert posthog.changed == ["PATCH /api/organizations/@current/"]


def test_what_the_instance_says_of_mail_is_deleted_and_must_be_forgotten(columns: Path, run: Run) -> None:
    assert run()["stale"] is False
    columns.with_name("mail").write_text("constance:posthog:EMAIL_HOST")
    assert run(check=True)["changes"] == run()["changes"] == ["instance: constance:posthog:EMAIL_HOST"]
    assert not run()["changed"]


@pytest.mark.parametrize("converged", [False, True])
def test_check_mode_tells_and_touches_nothing(
    posthog: PostHog, columns: Path, run: Run, tmp_path: Path, converged: bool
) -> None:
    if converged:
        run()
        posthog.row.update(is_ai_data_processing_approved=True)
    rows, files = (dict(posthog.row), columns.read_text()), sorted((tmp_path / "kept").glob("*"))
    told = run(check=True)
    assert told["changed"] is True
    assert "organization: is_ai_data_processing_approved" in told["changes"]
    assert (dict(posthog.row), columns.read_text()) == rows
    assert (posthog.changed, sorted((tmp_path / "kept").glob("*"))) == ([], files)


def test_the_seed_and_the_session_are_roots_alone(run: Run, tmp_path: Path) -> None:
    run()
    folder = tmp_path / "kept"
    assert sorted(path.name for path in folder.iterdir()) == ["second-factor", "session"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_lost_session_is_opened_anew_with_a_code(posthog: PostHog, run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / "kept" / "session").unlink()
    assert run()["changed"] is False
    assert "POST /api/login/token/" in posthog.asked


def test_a_factor_that_was_taken_away_is_given_back(posthog: PostHog, run: Run) -> None:
    run()
    posthog.row.update(totp_seed=None)
    assert run(check=True)["changes"] == ["owner: second_factor"], "demanded, so that nothing more can be read"
    again = run()
    assert (again["changed"], again["changes"]) == (True, ["owner: second_factor"])
    assert posthog.row["totp_seed"]
    assert run()["changed"] is False


def test_a_factor_of_somebody_elses_is_said_so(posthog: PostHog, run: Run) -> None:
    posthog.row.update(totp_seed="00" * 20, last_t=-1)
    assert "second factor that was not set up here" in run()["msg"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"password": "another one"}, "could not sign in: POST /api/login/ answered 400: Invalid email or password."),
        ({"organization": {"was_renamed": True}}, "does not know the setting was_renamed"),
        ({"projects": {"anonymize_ips": "maybe"}}, "PATCH /api/projects/7/ answered 400: Must be a valid boolean."),
        ({"url": "http://127.0.0.1:9"}, "does not say that it has an organisation"),
    ],
)
def test_what_is_refused_is_said(run: Run, wrong: dict[str, Any], words: str) -> None:
    assert words in run(**wrong)["msg"]


def test_a_member_without_rights_is_told_so(posthog: PostHog, run: Run) -> None:
    posthog.row.update(level=1)
    assert "Your organization access level is insufficient." in run()["msg"]


def test_before_there_is_a_service_a_plan_says_everything(run: Run) -> None:
    assert run(check=True, url="http://127.0.0.1:9")["changed"] is True


def test_the_owners_keys_that_do_too_much_are_deleted(posthog: PostHog, run: Run) -> None:
    now = datetime.now(UTC)
    for name, scopes, days in (("wide", ["*"], 1), ("old", ["query:read"], 91), ("good", ["query:read"], 89)):
        posthog.keys[name] = {
            "id": name, "label": name, "mask_value": "phx_...", "user_id": 1, "scopes": scopes, "scoped_teams": [],
            "secure_value": name, "created_at": now - timedelta(days=days), "last_used_at": None,
        }  # fmt: skip
    assert [change for change in run()["changes"] if change.startswith("key")] == [
        "key 'wide': scopes",
        "key 'old': scopes",
    ]
    assert list(posthog.keys) == ["good"]


@pytest.mark.parametrize(("at", "digits"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")])
def test_codes_are_those_of_the_standard(at: int, digits: str) -> None:
    seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B
    assert web.code(seed, at) == code(seed, at) == digits
