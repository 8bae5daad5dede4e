"""An emulated AWS for the session; each test begins with an empty account."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import moto.moto_proxy
import pytest

from tests.conftest import folders_of_its_own

REPOSITORY = Path(__file__).parents[2]
UBUNTU = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260101"
IMAGES = (("136693071363", "debian-13-amd64-20260101-1", "xvda"), ("099720109477", UBUNTU, "sda1"))
VALIDATION = {
    "MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION": "true",
    "MOTO_ENABLE_KEYPAIR_VALIDATION": "true",
    "MOTO_ENABLE_AMI_VALIDATION": "true",
    "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
}


def images() -> list[dict[str, object]]:
    """Return what moto knows of no publisher: Debian's image, and Ubuntu's."""
    return [
        {
            "ami_id": f"ami-0000000000000000{number}",
            "name": name,
            "owner_id": owner,
            "public": True,
            "virtualization_type": "hvm",
            "architecture": "x86_64",
            "state": "available",
            "platform": None,
            "image_type": "machine",
            "hypervisor": "xen",
            "root_device_name": f"/dev/{root}",
            "root_device_type": "ebs",
            "description": name,
            "sriov": "simple",
            "creation_date": "2026-01-01T00:00:00.000Z",
        }
        for number, (owner, name, root) in enumerate(IMAGES)
    ]


@contextmanager
def emulating(folder: Path, *words: str) -> Iterator[str]:
    """Emulate AWS, with the words that `tests.cloud.emulator` takes; return the address of the proxy before it."""
    (folder / "images.json").write_text(json.dumps(images()))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **VALIDATION, "MOTO_AMIS_PATH": str(folder / "images.json")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cloud.emulator", str(port), *words],
            cwd=REPOSITORY,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert process.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def led(emulator: str) -> dict[str, str]:
    """Return what leads a process to an emulated account, as an operator's proxy and CA settings would."""
    return {
        "HTTPS_PROXY": emulator,
        "AWS_CA_BUNDLE": str(Path(moto.moto_proxy.__file__).with_name("ca.crt")),
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of the proxy behind which AWS is emulated."""
    with emulating(tmp_path_factory.mktemp("aws")) as address:
        yield address


@pytest.fixture
def aws(emulator: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Lead this process to an empty account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in (led(emulator) | folders_of_its_own(tmp_path)).items():
        monkeypatch.setenv(name, value)
    reset(emulator)
    return emulator


def reset(emulator: str) -> None:
    """Empty the account."""
    handler = urllib.request.ProxyHandler({"http": emulator})
    asked = urllib.request.Request("http://motoapi.amazonaws.com/moto-api/reset", method="POST")
    urllib.request.build_opener(handler).open(asked, timeout=30).read()
