"""The check of dropped properties: its question put to the stand-in of destinations, and what each answer means."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from stand_in.asgi import Request
from stand_in.cdp_api import Api, handler
from stand_in.transformations import INPUT, TEMPLATE, TEMPLATES, ordered

from checks import test_posthog_dropping as checks
from hedgerow.checking import Answer, Finder
from hedgerow.verify_plugin import verdict
from tests.unit.stand_in_app.functions import Functions
from tests.unit.test_verify import sheet_of

NAMES = ("email", "form.name")
DECLARED = replace(sheet_of().declared, posthog=True, services=("web",), drop_properties=NAMES)
# One for each object that holds something of the declared.
LISTS = ("email", "form.name", "$set.email", "$set.form.name", "$set_once.email", "$set_once.form.name")
PODMAN = """#!/bin/sh
test "$*" = "exec --interactive hedgerow-web python3 -" || exit 9
PYTHONPATH={folder} exec {python} -
"""
# What the program asks the database for, as another Python file that it imports in its place.
PSYCOPG = """
import json, os
TOLD = json.load(open(os.environ["TOLD"]))
class Rows(list):
    fetchall = list.copy
class Connection:
    def __enter__(self): return self
    def __exit__(self, *_): return None
    def execute(self, query): return Rows(TOLD["functions" if "hogfunction" in query else "teams"])
def connect(url, connect_timeout, options):
    assert "read_only=on" in options
    return Connection()
"""
Ask = Callable[[Functions], list[dict[str, Any]]]


def functions(*lists: str, **values: Any) -> Functions:
    """Return a project with transformations, each with its list; what `values` say holds for the first."""
    made = Functions()
    for place, names in enumerate(lists, 1):
        held = {"name": f"No. {place}", "type": "transformation", "enabled": True, "template_id": TEMPLATE}
        held |= {"hog": TEMPLATES[0]["code"], "inputs": {INPUT: {"value": names}}, "execution_order": place}
        made.add_function(7, held | (values if place == 1 else {}))
    return made


@pytest.fixture
def served() -> Iterator[dict[str, Any]]:
    """The service of destinations; `functions` are those it knows."""
    running: dict[str, Any] = {"functions": Functions(), "state": 0}

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            answer = handler(Api(running["functions"], ""), lambda: True)
            reply = answer(Request(self.command, self.path, body=body))
            told = (
                reply.body.replace(b'"state": 1', b'"state": %d' % running["state"]) if running["state"] else reply.body
            )
            self.send_response(reply.status)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = handle_one  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    running["url"] = f"http://127.0.0.1:{server.server_port}"
    yield running
    server.shutdown()
    server.server_close()


class Host:
    """This machine, with a Podman of ours."""

    @property
    def backend(self) -> Host:
        return self

    def question(self, command: str, _seconds: float, _fresh: bool) -> Answer:
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=30, check=False)
        return Answer(command, done.returncode, done.stdout, done.stderr, 0.0)


@pytest.fixture
def verdict_of(
    served: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, str]]:
    """Return what says status and reason for what a project has."""
    (tmp_path / "psycopg.py").write_text(PSYCOPG)
    podman = tmp_path / "bin" / "podman"
    podman.parent.mkdir()
    podman.write_text(PODMAN.format(folder=tmp_path, python=sys.executable))
    podman.chmod(0o755)
    for name, value in {
        "PATH": f"{podman.parent}:{os.environ['PATH']}",
        "DATABASE_URL": "postgres://",
        "CDP_API_URL": served["url"],
        "TOLD": str(tmp_path / "told"),
    }.items():
        monkeypatch.setenv(name, value)

    def ask(kept: Functions, *, teams: Any = ((7, "Shop"),), declared: Any = DECLARED) -> tuple[str, str]:
        on = ordered(row for row in kept.functions(7) if row["enabled"])
        rows = [[7, *(row[name] for name in ("id", "name", "template_id", "inputs", "filters"))] for row in on]
        (tmp_path / "told").write_text(json.dumps({"teams": teams, "functions": rows}))
        served["functions"] = kept
        finder, problem = Finder(), None
        try:
            checks.test_what_must_not_be_kept_is_taken_out_first(finder, Host(), declared)
        except Exception as error:
            problem = error
        return verdict(problem, finder.as_fields)

    return ask


def test_what_is_taken_out_first_and_alone_passes(verdict_of: Callable[..., tuple[str, str]]) -> None:
    assert verdict_of(functions(*LISTS))[0] == "pass"
    assert verdict_of(functions(*LISTS, "page"))[0] == "pass", "whoever takes out more does it behind ours"


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        (functions(), "takes out email, $set.email"),
        (functions(*LISTS, enabled=False), "nothing that runs first, on every event, takes out email"),
        (functions(*LISTS, filters={"events": [{"id": "visit"}]}), "nothing that runs first"),
        (functions("page", *LISTS, template_id="template-geoip"), "nothing that runs first"),
        (functions(*LISTS[:5]), "takes out $set_once.form.name"),
        (functions(*LISTS, hog="return event"), "tried out, they keep email"),
        (functions(",".join(LISTS)), "tried out, they keep"),  # one at null keeps all the others
        (functions(*LISTS, checks.HARMLESS), "take out more than is declared"),
    ],
)
def test_what_keeps_too_much_fails(verdict_of: Callable[..., tuple[str, str]], kept: Functions, reason: str) -> None:
    status, why = verdict_of(kept)
    assert (status, reason in why) == ("fail", True), why


def test_what_was_taken_out_of_service_fails(
    served: dict[str, Any], verdict_of: Callable[..., tuple[str, str]]
) -> None:
    served["state"] = 3
    assert "was taken out of service (state 3)" in verdict_of(functions(*LISTS))[1]


def test_without_an_answer_nothing_is_claimed(
    verdict_of: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict_of(functions(*LISTS), teams=())[0] == "error"
    monkeypatch.setenv("CDP_API_URL", "http://127.0.0.1:9")
    status, why = verdict_of(functions(*LISTS))
    assert (status, "could not try it" in why) == ("error", True)
    assert verdict_of(functions())[0] == "fail", "what is not there needs no trial"


@pytest.mark.parametrize("change", [{"drop_properties": ()}, {"posthog": False}, {"services": ()}])
def test_what_is_not_declared_is_not_exercised(
    verdict_of: Callable[..., tuple[str, str]], change: dict[str, Any]
) -> None:
    assert verdict_of(functions(), declared=replace(DECLARED, **change))[0] == "not-exercised"
