"""An emulated account, hardened by hand, and a way to ask it everything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from hedgerow.aws_reading import Reader
from hedgerow.catalog import CHECKS, catalog_of
from hedgerow.cloud_sheet import AwsSheet, CloudSheet
from hedgerow.verify_child import ask_cloud
from tests.cloud_checks import account as world
from tests.cloud_checks import gaps

CATALOG = catalog_of("aws")
CONTROLS = [control.id for control in CATALOG.controls if control.role == "aws"]
SHEET = AwsSheet(
    kind="aws",
    deployment=world.NAME,
    region=world.REGION,
    domain="analytics.acme.example",
    ingress=((80, ("0.0.0.0/0",)), (443, ("0.0.0.0/0",))),
    image_owners=(world.DEBIAN,),
    lock_days=35,
    balancer=True,
    reads=True,
)
Findings = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def emulated() -> Iterator[None]:
    """AWS in this process, with the gaps closed that would hide something."""
    from moto import mock_aws  # noqa: PLC0415 - it reads the environment when it is loaded

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        gaps.close()
        with mock_aws():
            yield


@pytest.fixture(scope="session")
def account(emulated: None) -> world.Account:
    """The hardened account. Who breaks it does so in a process of her own."""
    return world.build()


def asked(sheet: CloudSheet = SHEET, reader: Reader | None = None) -> Findings:
    """Return the finding of every control, by its id."""
    said: list[dict[str, Any]] = []
    order = {"controls": CONTROLS, "checks": str(CHECKS)}
    last = ask_cloud(sheet, reader or Reader(boto3.session.Session(region_name=sheet.region)), order, said.append)
    assert last == {"end": True, "broken": []}
    return {finding["control"]: finding for finding in said}


def apart(work: Callable[[], Any]) -> Any:
    """Do it in a child that has the account as it is now, and return its answer: nothing stays broken here."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            try:
                said = {"answer": work()}
            except BaseException as error:
                said = {"broke": f"{type(error).__name__}: {error}"}
            with os.fdopen(write, "w") as out:
                json.dump(said, out, default=str)
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as heard:
        text = heard.read()
    os.waitpid(child, 0)
    answer = json.loads(text)
    assert "broke" not in answer, answer["broke"]
    return answer["answer"]
