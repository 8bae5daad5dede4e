"""The analytics store's engine as a layer of its own: 555 MB that change only with its version.

It is ClickHouse's engine as a library (the wheel chdb-core), pinned by hash in lab/analytics_store/requirements.txt.
Of the wheel only the library and its licence are laid down: its Python packages open an engine when imported.
"""

from __future__ import annotations

import os
import platform
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from hedgerow import stand_in_layers as oci
from hedgerow.errors import UnreachableError
from hedgerow.targets.lab.commands import attempt

PYTHON = "3.13"  # the one of the suite that the images are made of
TAGS = ("manylinux2014", "manylinux_2_17")
SECONDS = 900
NEEDED = ("chdb/_chdb.abi3.so", f"chdb/libpybind11nonlimitedapi_chdb_{PYTHON}.so", "chdb_core.libs/*", "*/licenses/*")
# What tells pip where to look and whom to trust, as the operator's environment has it.
SETTINGS = ("PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE")
LEVEL = 1  # 8 s; level 6 takes 30 s to save a tenth


def engine_recipe(sources: Path) -> list[str]:
    """Return everything that decides what the layer contains."""
    return [(sources / "requirements.txt").read_text(), platform.machine(), PYTHON, *NEEDED, str(LEVEL), str(oci.EPOCH)]


def build_engine(workshop: Path, place: Path, sources: Path, folder: str) -> None:
    """Fetch the wheel and make the layer at `place`. Raises UnreachableError."""
    wheel = _fetch(workshop, sources / "requirements.txt")
    with (
        zipfile.ZipFile(wheel) as packed,
        oci.layer_file(place, level=LEVEL) as target,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for entry in sorted(packed.infolist(), key=lambda entry: entry.filename):
            if any(PurePosixPath(entry.filename).match(pattern) for pattern in NEEDED):
                with packed.open(entry) as content:
                    oci.add_stream(tar, f"{folder}/{entry.filename}", content, entry.file_size)
    wheel.unlink()


def _fetch(workshop: Path, requirements: Path) -> Path:
    wheels = workshop / "wheels"
    status, output, complaint = attempt(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--require-hashes", "--only-binary", ":all:", "--python-version", PYTHON),
            *(word for tag in TAGS for word in ("--platform", f"{tag}_{platform.machine()}")),
            *("--dest", str(wheels), "--requirement", str(requirements)),
        ],
        seconds=SECONDS,
        extra={key: value for key, value in os.environ.items() if key.startswith(SETTINGS)},
    )
    found = sorted(wheels.glob("*.whl")) if wheels.is_dir() else []
    if status != 0 or len(found) != 1:
        raise UnreachableError(
            f"the analytics store's engine could not be fetched: {(complaint or output).strip()[-800:]}",
            "See whether this controller reaches its Python package index: `.venv/bin/pip download chdb-core`.",
        )
    return found[0]
