"""Several releases side by side: each its own table, its own lock, and one way between them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hedgerow import releases
from hedgerow.declaration import parse
from hedgerow.deployment import Deployment
from hedgerow.errors import CallError, DeclarationError
from hedgerow.flow import Work, demand_forward, rendered
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import ImageLock, Locked
from hedgerow.images import demand_locked, images_for, stack_for, table_of, unlocked
from hedgerow.imaging import wanted
from hedgerow.targets.onprem import OnpremTarget
from tests.unit.test_render import CREDENTIALS, KEY

LATER = "2027-02"
SMALL = """\
networks: {app: 10.90.0.0/24}
images:
  posthog: {repository: docker.io/posthog/posthog, stand_in: localhost/hedgerow-stand-in/posthog}
secrets: {owner_password: password}
environments: {}
services:
  - name: web
    about: The pages.
    image: posthog
    command: [./bin/of-another-release]
    ip_offset: 10
    port: 8000
    health: {path: /_health}
    memory: 1g
routes: []
default: web
"""
DECLARED = f"""\
name: acme
domain: analytics.acme.example
target: {{kind: onprem, hosts: [{{name: one, address: 192.0.2.10, user: debian}}]}}
access: {{administrators: [{{name: jane, ssh_keys: ["{KEY} jane@acme.example"]}}]}}
"""
SITE = Site((Host("one", "192.0.2.10", "192.0.2.10", "debian"),), "203.0.113.9")
DIGEST = f"docker.io/posthog/posthog@sha256:{'a' * 64}"


@pytest.fixture(autouse=True)
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry the newest release, and a later one with one service."""
    folder = tmp_path / "releases"
    folder.mkdir()
    (folder / releases.FIRST).symlink_to(releases.FOLDER / releases.FIRST)
    (folder / LATER).mkdir()
    (folder / LATER / "services.yml").write_text(SMALL)
    (folder / LATER / "release.yml").write_text("upstream: abc\nread: 2027-02-01\n")
    (folder / "notes").mkdir()
    monkeypatch.setattr(releases, "FOLDER", folder)
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))


def work(release: str = "") -> Work:
    declaration = parse(DECLARED + (f"release: {release}\n" if release else ""))
    deployment = Deployment("acme")
    return Work(deployment, declaration, OnpremTarget(SITE.hosts, deployment.known_hosts), Path("deploy.yml"))


def test_releases_are_ordered_by_month_and_number(tmp_path: Path) -> None:
    for name in ("2026-11.10", "2026-11.2", "2026-9x"):
        (tmp_path / "of" / name).mkdir(parents=True)
        (tmp_path / "of" / name / "services.yml").touch()
    assert releases.names(tmp_path / "of") == ("2026-11.2", "2026-11.10")
    assert releases.names() == (releases.FIRST, LATER)


def test_the_newest_is_what_is_not_declared_otherwise() -> None:
    assert [row.name for row in table_of(work().declaration).services] == ["web"]
    assert len(table_of(work(releases.FIRST).declaration).services) > 1


def test_an_unknown_release_is_refused_with_the_list() -> None:
    with pytest.raises(DeclarationError) as refused:
        work("2026-12")
    (problem,) = refused.value.problems
    assert (problem.key, problem.message) == ("release", 'there is no release "2026-12"')
    assert f"There are: {releases.FIRST}, {LATER}." in problem.fix


def test_a_deployment_is_rendered_from_the_table_of_its_release() -> None:
    lock = ImageLock({"posthog": Locked(DIGEST, "docker.io/posthog/posthog:latest", "t")}, LATER)
    later = work(LATER)
    stack = stack_for(later.declaration, SITE, lock, print)
    files = rendered(later, SITE, CREDENTIALS, stack, key_file=Path("KEY"))
    services = yaml.safe_load(files["host_vars/one/posthog.yml"])["posthog_services"]
    assert [(row["name"], row["image"], row["command"]) for row in services] == [
        ("web", DIGEST, ["./bin/of-another-release"])
    ]


def test_a_lock_of_another_release_is_refused_and_no_answer() -> None:
    """The tag is the same in both tables: what it was resolved to then is not what this release was held against."""
    row = Locked(DIGEST, "docker.io/posthog/posthog:latest", "t")
    lock, later = ImageLock({"posthog": row}, releases.FIRST), work(LATER)
    with pytest.raises(CallError) as refused:
        demand_locked(later.declaration, lock)
    assert f"made for release {releases.FIRST}, and this is {LATER}" in str(refused.value)
    assert "`images lock acme`" in str(refused.value)
    lock.write(later.deployment.root)
    assert wanted(later).known == {}
    ImageLock({"posthog": row}, LATER).write(later.deployment.root)
    assert ImageLock.read(later.deployment.root).release == LATER
    assert wanted(later).known == {"posthog": row}
    assert images_for(later.declaration, SITE, table_of(later.declaration), ImageLock({"posthog": row}, LATER), print)


def test_a_lock_that_names_no_release_is_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "images.lock.yml").write_text(f"images: {{posthog: {{reference: '{DIGEST}', source: a, resolved: t}}}}")
    assert ImageLock.read(tmp_path).release == releases.FIRST
    assert not any("made for" in line for line in unlocked(work(releases.FIRST).declaration, ImageLock.read(tmp_path)))


@pytest.mark.parametrize(
    ("begun", "declared", "refused"),
    [
        ("", releases.FIRST, False),
        (releases.FIRST, releases.FIRST, False),
        (releases.FIRST, LATER, False),
        (LATER, LATER, False),
        (LATER, "", False),
        (LATER, releases.FIRST, True),
        ("2027-03", LATER, True),  # of a Hedgerow that carried more
    ],
)
def test_there_is_no_way_back(begun: str, declared: str, refused: bool) -> None:
    asked = work(declared)
    if begun:
        asked.deployment.begin(begun)
    if not refused:
        demand_forward(asked)
        return
    with pytest.raises(CallError, match="migrations do not go back") as told:
        demand_forward(asked)
    assert f"declare release: {begun} or a newer one" in str(told.value)
