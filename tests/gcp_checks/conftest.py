"""A project of the fake's in this process, hardened by hand, and a way to ask it everything."""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from hedgerow.catalog import CHECKS, catalog_of
from hedgerow.cloud_sheet import OPEN, CloudSheet, GcpSheet
from hedgerow.gcp_reading import Reader
from hedgerow.verify_child import ask_cloud
from tests.gcp.fake import answering, discovery
from tests.gcp.fake.identity import Identity
from tests.gcp.fake.running import environment
from tests.gcp.fake.serving import Server
from tests.gcp.fake.world import PROJECT, World
from tests.gcp_checks import project

CATALOG = catalog_of("gcp")
CONTROLS = [control.id for control in CATALOG.controls if control.role == "gcp"]
WEB = ("0.0.0.0/0", "::/0")
PROXIES = ("130.211.0.0/22", "35.191.0.0/16")
SHEET = GcpSheet(
    kind="gcp",
    deployment=project.NAME,
    region=project.REGION,
    domain="analytics.acme.example",
    ingress=((22, ("35.235.240.0/20",)), (80, ()), (443, PROXIES)),
    balancer=True,
    clients=WEB,
    project=PROJECT,
    image_projects=("debian-cloud",),
    egress=OPEN,
)
KEPT = ("rows", "policies", "blobs", "services", "agents")
Findings = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Cloud:
    """The project, and its rows for what no call of the fake's can break."""

    world: World

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """Let it be changed, and put back."""
        before = {name: copy.deepcopy(getattr(self.world, name)) for name in KEPT}
        try:
            yield
        finally:
            with self.world.lock:
                for name, value in before.items():
                    setattr(self.world, name, value)

    def row(self, name: str) -> dict[str, Any]:
        """Return a row, by service and full name."""
        found: dict[str, Any] = self.world.rows[name]
        return found


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The fake in a thread, and this process's environment leading there."""
    folder = tmp_path_factory.mktemp("gcp-checks")
    discovery.warm()
    world = World()
    answering.begin(world)
    server = Server(world, Identity(folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("GOOGLE_", "GCLOUD_", "CLOUDSDK_"))]:
            patch.delenv(name)
        for name, value in environment(server.server_port, folder).items():
            patch.setenv(name, value)
        yield Cloud(world)
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def hardened(served: Cloud) -> Cloud:
    """The project with everything in it."""
    project.build()
    # The fake knows nobody who could come to see whether the domain leads to the balancer.
    served.row(f"compute:{project.everywhere('sslCertificates')}")["managed"]["status"] = "ACTIVE"
    return served


@pytest.fixture
def cloud(hardened: Cloud) -> Iterator[Cloud]:
    """The hardened project, put back after the test."""
    with hardened.as_it_was():
        yield hardened


def asked(sheet: CloudSheet = SHEET, reader: Reader | None = None) -> Findings:
    """Return the finding of every control, by its id."""
    said: list[dict[str, Any]] = []
    order = {"controls": CONTROLS, "checks": str(CHECKS)}
    last = ask_cloud(sheet, reader or Reader.of(sheet), order, said.append)
    assert last == {"end": True, "broken": []}
    return {finding["control"]: finding for finding in said}
