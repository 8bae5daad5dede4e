"""Verify as it runs: a child of its own, over an HTTPS proxy that ends in the emulated account."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import moto.moto_proxy
import pytest

from hedgerow.aws_reading import policy
from hedgerow.cli import main
from hedgerow.evidence.formats import FORMATS
from hedgerow.verify import verify
from tests.cloud_checks.conftest import CATALOG, CONTROLS, SHEET
from tests.unit.test_evidence import EVIDENCE

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lead this process to the emulated account, as an operator's proxy and CA settings would."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_CA_BUNDLE": str(Path(moto.moto_proxy.__file__).with_name("ca.crt")),
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cloud_checks.emulator", str(port)],
            cwd=REPOSITORY,
            env={**os.environ, **values},
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 120
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                    time.sleep(0.2)
            for name, value in {**values, "HTTPS_PROXY": f"http://127.0.0.1:{port}"}.items():
                monkeypatch.setenv(name, value)
            yield
        finally:
            process.terminate()
            process.wait(20)


def test_an_account_is_verified_like_a_host_and_every_format_names_it(proxy):
    found = verify([SHEET], catalog=CATALOG)
    assert [finding.control for finding in found] == CONTROLS
    assert {finding.control: finding.reason for finding in found if finding.status != "pass"} == {}
    assert {finding.host for finding in found} == {"aws"}
    evidence = replace(
        EVIDENCE, target="aws", hosts=(*EVIDENCE.hosts, SHEET.place), findings=found, catalog=CATALOG, drift=None
    )
    for name in ("json", "html", "junit", "sarif", "oscal"):
        text = FORMATS[name].render(evidence)
        assert isinstance(text, str)
        assert "aws.trail-logging" in text, name
        assert found[0].at[:16] in text, name


def test_without_an_answer_every_control_is_an_error(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_MAX_ATTEMPTS": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    found = verify([SHEET], catalog=CATALOG, controls=["aws.guardduty-on", "aws.trail-logging"])
    assert [finding.status for finding in found] == ["error", "error"]
    assert all("127.0.0.1:9" in finding.reason for finding in found)


def test_the_policy_for_verify_is_printed(capsys):
    assert main(["verify", "acme", "--iam-policy"]) == 0
    assert json.loads(capsys.readouterr().out) == policy()
