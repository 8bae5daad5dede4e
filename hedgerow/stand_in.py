"""The stand-in images of the lab: built on the spot from Debian's packages, packed as OCI archives.

No container engine is needed to build them. The root file system comes from mmdebstrap's
`extract` variant: packages unpacked, none configured, so that there is a shell and a Python but no
package manager's state, no users but ours and nothing that could run at start. All images
are that one layer, a thin one with `lab/stand_in/` on top, and a configuration each.

An archive's manifest digest is computed here, and engines keep it: what `Image=…@sha256:…` pins is
what this module hashed. Formats: OCI image specification 1.1, `image-layout.md`, `manifest.md`, `config.md`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hedgerow.errors import UnreachableError
from hedgerow.targets import Say
from hedgerow.targets.lab.commands import attempt
from hedgerow.targets.lab.image import BUILD_SECONDS, IN_ONE_PIECE, WITH_US, clear
from hedgerow.targets.lab.places import Places, locked

SUITE = "trixie"
PACKAGES = (
    "base-files",
    "dash",
    "python3",
    "python3-psycopg",
    "python3-psycopg-c",  # the pure one asks ldconfig for libpq, and there is no ldconfig here
    "python3-psycopg-pool",
    "python3-redis",
    "python3-uvicorn",
)
UNUSED = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/share/perl5/*",
    "/usr/share/zoneinfo/*",
    "/usr/lib/python3*/test/*",
    "/usr/lib/python3*/pydoc_data/*",
    "/usr/lib/*/gconv/*",
)
KEPT = ("/usr/share/doc/*/copyright",)  # their licences ask for it
# Compiled once here: the container's root is read-only, so Python could not keep what it compiles,
# and every start and every health command would pay for it again (importing `web`: 1.1 s against 0.3 s).
COMPILE = (
    'chroot "$1" /usr/bin/python3 -m compileall -q --invalidation-mode unchecked-hash'
    " /usr/lib/python3 /usr/lib/python3.13"
)
EPOCH = 1735689600  # 2025-01-01: the one time stamp of every file, so that equal input gives equal bytes
USER = 10001
APP = "usr/lib/hedgerow-stand-in"
SOURCES = Path(__file__).resolve().parent.parent / "lab" / "stand_in"
NAMES = {"posthog": "web", "capture": "capture", "feature-flags": "feature-flags"}
"""Image name and the command it runs when told nothing else."""
PREFIX = "localhost/hedgerow-stand-in"
REF_NAME = "org.opencontainers.image.ref.name"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class StandInImage:
    """An image in an archive on the controller. `reference` names it by digest, as hosts run it."""

    reference: str
    archive: Path


def images(say: Say, cache: Path | None = None) -> tuple[StandInImage, ...]:
    """Return the stand-in images, building what the cache lacks. Raises UnreachableError.

    `cache` defaults to $HEDGEROW_CACHE or /var/cache/hedgerow. Its keys are what the images are made
    of, so a changed application or package list is built anew and an unchanged one never is.
    """
    folder = (cache or Places.of(os.environ).cache) / "stand-in"
    recipe = _recipe()
    with _alone_in(folder) as workshop:
        base = folder / f"base-{_key(recipe)}.tar.gz"
        if not base.exists():
            say("stand-in images: building their root file system")
            _build_base(workshop, base)
        app = _app_layer()
        # This very file decides what the configurations say: it is part of the recipe.
        parts = [hashlib.sha256(content).hexdigest() for content in (app, Path(__file__).read_bytes())]
        archive = folder / f"images-{_key([*recipe, *parts])}.oci.tar"
        if not archive.exists():
            say("stand-in images: packing them")
            _pack(workshop, archive, base, app)
    return tuple(StandInImage(reference, archive) for reference in references(archive))


def references(archive: Path) -> tuple[str, ...]:
    """Return the images of an archive by digest, as its own index names them."""
    with tarfile.open(archive) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        return tuple(row["annotations"][REF_NAME] for row in json.load(index)["manifests"])


def _recipe() -> list[str]:
    """Everything but the application that decides what an image contains."""
    return [SUITE, platform.machine(), *PACKAGES, *UNUSED, *KEPT, COMPILE, str(EPOCH), str(USER)]


def _key(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@contextmanager
def _alone_in(folder: Path) -> Iterator[Path]:
    """Hold the cache for this process; yield an empty workshop inside it.

    What a killed build left behind is swept by the next one, which knows from the lock that nobody
    works in it any more.
    """
    workshop = folder / "workshop"
    with locked(folder / "lock"):
        clear(workshop)
        workshop.mkdir()
        yield workshop
        clear(workshop)


def _build_base(workshop: Path, base: Path) -> None:
    """Make the root file system and store it compressed, as the layer it will be."""
    raw = workshop / "base.tar"
    status, _, complaint = attempt(
        [*WITH_US, *IN_ONE_PIECE, *_build_command(raw)],
        seconds=BUILD_SECONDS,
        extra={"SOURCE_DATE_EPOCH": str(EPOCH), "TMPDIR": str(workshop)},
    )
    if status != 0:
        told = "\n".join(line for line in complaint.splitlines() if line.startswith(("E:", "Err:")))
        raise UnreachableError(
            f"the stand-in images could not be built: {told or complaint[-800:]}",
            "See whether this controller has mmdebstrap and reaches a Debian mirror: `apt-get update`.",
        )
    packed = workshop / "base.tar.gz"
    with raw.open("rb") as source, packed.open("wb") as target, _gzip(target) as squeezed:
        shutil.copyfileobj(source, squeezed, 1 << 20)
    packed.rename(base)


def _build_command(raw: Path) -> list[str]:
    return [
        *("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNUSED),
        *(f"--dpkgopt=path-include={pattern}" for pattern in KEPT),
        *(f"--customize-hook={COMPILE}", SUITE, str(raw)),
    ]


def _gzip(target: io.BufferedIOBase | io.RawIOBase) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6, mtime=EPOCH)


def _app_layer() -> bytes:
    """The thin layer: our sources and the one user they run as."""
    files = {f"{APP}/stand_in/{path.name}": path.read_bytes() for path in sorted(SOURCES.glob("*.py"))}
    files["etc/passwd"] = (
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        f"stand-in:x:{USER}:{USER}:stand-in:/nonexistent:/usr/sbin/nologin\n"
    ).encode()
    files["etc/group"] = f"root:x:0:\nstand-in:x:{USER}:\n".encode()
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            _add(tar, name, content)
    return raw.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = len(content), EPOCH, 0o644
    tar.addfile(entry, io.BytesIO(content))


def _pack(workshop: Path, archive: Path, base: Path, app: bytes) -> None:
    """Write one OCI archive with every image: they share their layers, which are in it once."""
    squeezed = io.BytesIO()
    with _gzip(squeezed) as stream:
        stream.write(app)
    blobs: dict[str, bytes] = {}

    def blob(kind: str, content: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": len(content)}

    layers = [blob("layer.v1.tar+gzip", base.read_bytes()), blob("layer.v1.tar+gzip", squeezed.getvalue())]
    with gzip.open(base) as stream:
        uncompressed = [hashlib.file_digest(stream, "sha256").hexdigest(), hashlib.sha256(app).hexdigest()]  # type: ignore[arg-type]
    manifests = []
    for name, command in NAMES.items():
        config = blob("config.v1+json", _json(_config(name, command, uncompressed)))
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": layers,
        }
        entry = blob("manifest.v1+json", _json(manifest))
        entry["annotations"] = {REF_NAME: f"{PREFIX}/{name}@{entry['digest']}"}
        manifests.append(entry)
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    packed = workshop / "images.oci.tar"
    with tarfile.open(packed, "w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json(index))
        for digest, content in blobs.items():
            _add(tar, f"blobs/{digest.replace(':', '/')}", content)
    packed.rename(archive)


def _config(name: str, command: str, layers: list[str]) -> dict[str, object]:
    return {
        "created": "2025-01-01T00:00:00Z",
        "architecture": MACHINES[platform.machine()],
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin", f"PYTHONPATH=/{APP}", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "TZ=UTC"],
            "Entrypoint": ["python3", "-m", "stand_in"],
            "Cmd": [command],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": f"Hedgerow stand-in for PostHog ({name})",
                "org.opencontainers.image.description": "Lab only. This is not PostHog and holds none of its code.",
                "org.opencontainers.image.licenses": "Apache-2.0",
                "hedgerow.stand-in": "true",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
        "history": [{"created_by": "mmdebstrap"}, {"created_by": "hedgerow"}],
    }


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
