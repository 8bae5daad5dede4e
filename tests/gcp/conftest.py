"""A fake Google Cloud for the session; each test begins with an empty project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import folders_of_its_own
from tests.gcp import making
from tests.gcp.fake.running import Fake, running


@pytest.fixture(scope="session")
def fake_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fake]:
    """Return the process that plays Google Cloud."""
    with running(tmp_path_factory.mktemp("gcp")) as found:
        yield found


@pytest.fixture
def gcp(fake_cloud: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """Lead this process to an empty project, as an operator's proxy and CA settings would."""
    for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCLOUD_", "CLOUDSDK_"))]:
        monkeypatch.delenv(name)
    for name, value in (fake_cloud.environment | folders_of_its_own(tmp_path)).items():
        monkeypatch.setenv(name, value)
    fake_cloud.reset()
    return fake_cloud


@pytest.fixture
def machine(gcp: Fake) -> Fake:
    """A network, a subnet and a machine on it."""
    making.network()
    making.subnet()
    making.machine()
    return gcp
