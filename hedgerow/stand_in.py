"""The stand-in images of the lab: built on the spot from Debian's packages, packed as OCI archives.

No container engine is needed to build them. The root file system comes from mmdebstrap's
`extract` variant: packages unpacked, none configured, so that there is a shell and a Python but no
package manager's state, no users but ours and nothing that could run at start. Every image is that one layer
with a thin one of ours on top, and a configuration each; the analytics store's has its engine in between.

An archive's manifest digest is computed here, and engines keep it: what `Image=…@sha256:…` pins is
what this module hashed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tarfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hedgerow import stand_in_layers as oci
from hedgerow.errors import UnreachableError
from hedgerow.stand_in_engine import build_engine, engine_recipe
from hedgerow.targets import Say
from hedgerow.targets.lab.commands import attempt
from hedgerow.targets.lab.image import BUILD_SECONDS, IN_ONE_PIECE, WITH_US, clear
from hedgerow.targets.lab.places import Places, locked

SUITE = "trixie"
PACKAGES = (
    "base-files",
    "dash",
    "python3",
    "python3-confluent-kafka",
    "python3-grpcio",
    "python3-psycopg",
    "python3-psycopg-c",  # the pure one asks ldconfig for libpq, and there is no ldconfig here
    "python3-psycopg-pool",
    "python3-redis",
    "python3-uvicorn",
    "python3-yaml",
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
USER = 10001
APP = "usr/lib/hedgerow-stand-in"
SOURCES = Path(__file__).resolve().parent.parent / "lab"
PREFIX = "localhost/hedgerow-stand-in"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
KEEP = 4  # archives of a kind: others may be running an older one's tests, and one is up to 230 MB


@dataclass(frozen=True)
class Kind:
    """A kind of stand-in: its package under lab/, and which images of it run which command when told nothing else.

    `carries` are folders under lab/ that others mount out of the image, and where it has them.
    """

    package: str
    what: str
    commands: dict[str, str]
    engine: bool = False
    carries: tuple[tuple[str, str], ...] = ()


KINDS = (
    Kind(
        "stand_in",
        "PostHog. This is not PostHog and holds none of its code",
        {
            "posthog": "web",
            "capture": "capture",
            "node": "ingestion",
            "feature-flags": "feature-flags",
            "hypercache-server": "hypercache-server",
            "livestream": "livestream",
            "personhog-replica": "personhog-replica",
            "personhog-router": "personhog-router",
            "property-defs-rs": "property-defs-rs",
            "cyclotron-janitor": "cyclotron-janitor",
            "cymbal": "cymbal",
            "temporal": "temporal",
            "browserless": "browserless",
        },
        carries=(("user_scripts", "code/posthog/user_scripts"), ("idl", "code/posthog/idl")),
    ),
    Kind("event_log", "a Kafka-compatible broker. It is a small one of Hedgerow's", {"kafka": "serve"}),
    Kind("object_store", "SeaweedFS. It is a small S3 server of Hedgerow's", {"seaweedfs": "serve"}),
    Kind("analytics_store", "a ClickHouse server. Its engine is ClickHouse's", {"clickhouse": "serve"}, engine=True),
)
ALL = tuple(f"{PREFIX}/{name}" for kind in KINDS for name in kind.commands)


@dataclass(frozen=True)
class StandInImage:
    """An image in an archive on the controller. `reference` names it by digest, as hosts run it."""

    reference: str
    archive: Path


def images(say: Say, cache: Path | None = None, wanted: Collection[str] = ALL) -> tuple[StandInImage, ...]:
    """Return the wanted stand-in images, building what the cache lacks. Raises UnreachableError.

    `cache` defaults to $HEDGEROW_CACHE or /var/cache/hedgerow. Its keys are what the images are made
    of, so a changed application or package list is built anew and an unchanged one never is.
    """
    folder = (cache or Places.of(os.environ).cache) / "stand-in"
    found: list[StandInImage] = []
    with _alone_in(folder) as workshop:
        base = folder / f"base-{_key(_recipe())}.tar.gz"
        for kind in KINDS:
            if not any(f"{PREFIX}/{name}" in wanted for name in kind.commands):
                continue
            archive = _archive(kind, folder, workshop, base, say)
            found += [StandInImage(reference, archive) for reference in oci.references(archive)]
    return tuple(image for image in found if image.reference.partition("@")[0] in wanted)


def _archive(kind: Kind, folder: Path, workshop: Path, base: Path, say: Say) -> Path:
    """Return the archive of one kind, made unless it is there."""
    if oci.read_layer(base) is None:
        say("stand-in images: building their root file system")
        _build_base(workshop, base)
    recipe = [*_recipe(), *(engine_recipe(_sources(kind)) if kind.engine else ())]
    engine = folder / f"engine-{_key(recipe[len(_recipe()) :])}.tar.gz"
    if kind.engine and oci.read_layer(engine) is None:
        say("stand-in images: fetching the analytics store's engine")
        build_engine(workshop, engine, _sources(kind), APP)
    app = workshop / f"{kind.package}.tar.gz"
    _build_app(kind, app)
    layers = [oci.read_layer(path) for path in (base, *((engine,) if kind.engine else ()), app)]
    # These very files decide what the configurations say: they are part of the recipe.
    ours = [Path(__file__).read_text(), Path(oci.__file__).read_text()]
    archive = folder / f"{kind.package}-{_key([*ours, *(layer.content for layer in layers if layer)])}.oci.tar"
    if not archive.exists():
        say(f"stand-in images: packing {', '.join(kind.commands)}")
        oci.pack(
            archive,
            [
                oci.Recipe(
                    f"{PREFIX}/{name}",
                    _config(kind, name, command),
                    MACHINES[platform.machine()],
                    tuple(layer for layer in layers if layer),
                )
                for name, command in kind.commands.items()
            ],
        )
        made = sorted(folder.glob(f"{kind.package}-*.oci.tar"), key=lambda path: path.stat().st_mtime)
        for old in made[:-KEEP]:
            old.unlink()
    return archive


def _sources(kind: Kind) -> Path:
    return SOURCES / kind.package


def _recipe() -> list[str]:
    """Everything but our own sources that decides what every image contains."""
    return [SUITE, platform.machine(), *PACKAGES, *UNUSED, *KEPT, COMPILE, str(oci.EPOCH), str(USER)]


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
        for half in folder.glob("*.half"):
            half.unlink()
        yield workshop
        clear(workshop)


def _build_base(workshop: Path, base: Path) -> None:
    """Make the root file system and store it compressed, as the layer it will be."""
    raw = workshop / "base.tar"
    status, _, complaint = attempt(
        [*WITH_US, *IN_ONE_PIECE, *_build_command(raw)],
        seconds=BUILD_SECONDS,
        extra={"SOURCE_DATE_EPOCH": str(oci.EPOCH), "TMPDIR": str(workshop)},
    )
    if status != 0:
        told = "\n".join(line for line in complaint.splitlines() if line.startswith(("E:", "Err:")))
        raise UnreachableError(
            f"the stand-in images could not be built: {told or complaint[-800:]}",
            "See whether this controller has mmdebstrap and reaches a Debian mirror: `apt-get update`.",
        )
    with raw.open("rb") as source, oci.layer_file(base, level=6) as target:
        oci.copy(source, target)


def _build_command(raw: Path) -> list[str]:
    return [
        *("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNUSED),
        *(f"--dpkgopt=path-include={pattern}" for pattern in KEPT),
        *(f"--customize-hook={COMPILE}", SUITE, str(raw)),
    ]


def _build_app(kind: Kind, place: Path) -> None:
    """The thin layer: our sources and the one user they run as."""
    files = {f"{APP}/{kind.package}/{path.name}": path.read_bytes() for path in sorted(_sources(kind).glob("*.py"))}
    files["etc/passwd"] = (
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        f"stand-in:x:{USER}:{USER}:stand-in:/nonexistent:/usr/sbin/nologin\n"
    ).encode()
    files["etc/group"] = f"root:x:0:\nstand-in:x:{USER}:\n".encode()
    with (
        oci.layer_file(place, level=6) as target,
        tarfile.open(fileobj=target, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in files.items():
            oci.add(tar, name, content)
        for folder, place_inside in kind.carries:
            for path in sorted(path for path in (SOURCES / folder).rglob("*") if path.is_file()):
                inside = f"{place_inside}/{path.relative_to(SOURCES / folder)}"
                oci.add(tar, inside, path.read_bytes(), program=os.access(path, os.X_OK))


def _config(kind: Kind, name: str, command: str) -> dict[str, object]:
    return {
        "User": f"{USER}:{USER}",
        "Env": ["PATH=/usr/bin", f"PYTHONPATH=/{APP}", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "TZ=UTC"],
        "Entrypoint": ["python3", "-m", kind.package],
        "Cmd": [command],
        "WorkingDir": "/",
        "StopSignal": "SIGTERM",
        "Labels": {
            "org.opencontainers.image.title": f"Hedgerow stand-in ({name})",
            "org.opencontainers.image.description": f"Lab only. It takes the place of {kind.what}.",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "hedgerow.stand-in": "true",
        },
    }
