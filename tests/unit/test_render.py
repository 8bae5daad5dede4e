"""The deployment folder: the same declaration gives the same bytes, and nobody's text becomes a template."""

from __future__ import annotations

import difflib
import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hedgerow import render
from hedgerow.credentials import Credentials
from hedgerow.declaration import Declaration, parse
from hedgerow.hosts import Host, Site
from hedgerow.images import table_of
from hedgerow.services import load_table
from hedgerow.stack import LockedImage, Stack
from hedgerow.stores import door
from hedgerow.variables import variables

SNAPSHOTS = Path(__file__).resolve().parent.parent / "data" / "deployments"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP5Vx9FaZ2LQJz3rW0VnZQJ0yFQ3dF8m3o5m1uQ2jz8N"
ONE = Host("hedge-1", "192.0.2.11", "192.0.2.11", "debian", host_key=KEY, machine="container")
EDGE = Host("edge-1", "198.51.100.5", "192.0.2.21", "debian", port=2222, roles=("edge", "app"), host_key=KEY)
DATA = Host("data-1", "data.acme.example", "192.0.2.22", "admin", 22, ("data",), Path("/keys/acme"), KEY)
SITES = {
    "lab": Site((ONE,), "192.0.2.1", "192.0.2.250", stand_ins=True),
    "two-hosts": Site((EDGE, DATA), "203.0.113.9"),
    "prepared": Site((replace(ONE, machine="metal"),), "203.0.113.9"),
}
DECLARED = {
    "lab": "name: demo\ndomain: analytics.acme.example\ntarget: {kind: lab}\naccess: {ingest_from: [any]}\n",
    "two-hosts": f"""\
name: acme
domain: analytics.acme.example
target:
  kind: onprem
  hosts:
    - {{name: edge-1, address: 198.51.100.5, private_address: 192.0.2.21, user: debian, roles: [edge, app]}}
    - {{name: data-1, address: data.acme.example, private_address: 192.0.2.22, user: admin, roles: [data]}}
access:
  administrators: [{{name: jane, ssh_keys: ["{KEY} jane@acme.example"]}}]
  interface_from: [controller, 198.51.100.0/24]
  ingest_from: [any]
  outbound_to: [{{to: 203.0.113.80, port: 443, why: "a destination"}}]
features: [session-replay, feature-flags, destinations]
privacy: {{drop_properties: [email, form.birthday]}}
posthog:
  organization: "Acme {{{{ lookup('pipe', 'id') }}}}"
  images:
    posthog: registry.acme.example/posthog@sha256:{"a" * 64}
    capture: registry.acme.example/capture@sha256:{"b" * 64}
    node: registry.acme.example/node@sha256:{"c" * 64}
    clickhouse: registry.acme.example/clickhouse@sha256:{"d" * 64}
    kafka: registry.acme.example/redpanda@sha256:{"e" * 64}
    seaweedfs: registry.acme.example/seaweedfs@sha256:{"8" * 64}
    feature_flags: registry.acme.example/feature-flags@sha256:{"f" * 64}
mail: {{host: smtp.acme.example, address: 203.0.113.25, user: posthog, password_file: pw, from: ph@acme.example}}
alerts: {{mail: [security@acme.example], webhook_file: hook}}
time_servers: [time.acme.example]
updates: {{reboot: true, reboot_time: "04:15"}}
""",
    "prepared": f"""\
name: acme
domain: analytics.acme.example
target: {{kind: onprem, hosts: [{{name: hedge-1, address: 192.0.2.11, user: debian}}]}}
access: {{administrators: [{{name: jane, ssh_keys: ["{KEY} jane@acme.example"]}}]}}
posthog: {{deploy: false}}
""",
}


def rendered(case: str) -> dict[str, str]:
    declaration = parse(DECLARED[case])
    site = SITES[case]
    return render.files(
        declaration.name, site, variables(declaration, site, CREDENTIALS, stack(declaration, site)), key_file="KEY_FILE"
    )


CREDENTIALS = Credentials(
    "-----BEGIN CERTIFICATE-----\nca\n-----END CERTIFICATE-----\n",
    {
        name: f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n"
        for name in (
            *("edge", "hedgerow_edge", "hedgerow_eventlog", "postgres", "valkey"),
            *(row.name for row in load_table().services if row.serves),
            *(door(row.name) for row in load_table().services if row.door),
            *(f"posthog_{row.name.replace('-', '_')}" for row in load_table().services),
        )
    },
)


def stack(declaration: Declaration, site: Site) -> Stack:
    table = table_of(declaration)
    images = {
        key: LockedImage(f"{row.stand_in}@sha256:{'c' * 64}", "/cache/stand-in.tar")
        if site.stand_ins
        else LockedImage(declaration.posthog.images.model_dump()[key] or f"{row.repository}@sha256:{'0' * 64}")
        for key, row in table.images.items()
    }
    return Stack(table, declaration.domain, site.hosts, images, site.stand_ins)


@pytest.mark.parametrize("case", sorted(DECLARED))
def test_a_whole_deployment_is_rendered_as_before(case: str) -> None:
    """UPDATE_SNAPSHOTS=1 writes them anew; read the diff before you commit it."""
    files = rendered(case)
    folder = SNAPSHOTS / case
    if os.environ.get("UPDATE_SNAPSHOTS"):
        render.write_only(folder, files)
    kept = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert sorted(kept) == sorted(files)
    for name, text in files.items():
        diff = "\n".join(difflib.unified_diff(kept[name].splitlines(), text.splitlines(), name, name, lineterm=""))
        assert not diff, diff


@pytest.mark.parametrize("case", sorted(DECLARED))
def test_rendering_twice_gives_the_same_bytes(case: str) -> None:
    assert rendered(case) == rendered(case)


@pytest.mark.parametrize("case", sorted(DECLARED))
def test_every_variable_belongs_to_its_role(case: str) -> None:
    for name, text in rendered(case).items():
        path = Path(name)
        if path.parts[0] in ("group_vars", "host_vars"):
            names = [line.split(":")[0] for line in text.splitlines() if line and line[0] not in " #-"]
            assert all(each.startswith(f"{path.stem}_") for each in names), names


def test_what_an_operator_wrote_never_becomes_a_template() -> None:
    text = rendered("two-hosts")["host_vars/edge-1/posthog.yml"]
    line = next(line for line in text.splitlines() if "lookup" in line)
    assert "!unsafe" in line


def test_secrets_are_places_in_the_vault() -> None:
    text = rendered("lab")["group_vars/data/postgres.yml"]
    roles = yaml.safe_load(text)["postgres_roles"]
    assert roles
    assert all(role["password"] == "{{ vault.postgres.%s }}" % role["name"] for role in roles)  # noqa: UP031


def test_a_second_write_touches_nothing_and_leftovers_go(tmp_path: Path) -> None:
    files = rendered("lab")
    render.write(tmp_path, files)
    stray = tmp_path / "host_vars" / "gone-1" / "base.yml"
    stray.parent.mkdir(parents=True)
    stray.write_text("base_hostname: gone-1\n")
    vault = tmp_path / render.KEPT
    vault.write_text("secret")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path != stray}
    render.write(tmp_path, files)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_without_posthog_nothing_of_it_is_asked_for() -> None:
    files = rendered("prepared")
    assert yaml.safe_load(files["host_vars/hedge-1/posthog.yml"])["posthog_services"] == []
    assert yaml.safe_load(files["group_vars/edge/edge.yml"])["edge_default"] == ""


def test_a_port_of_its_own_is_pinned_as_ssh_looks_it_up() -> None:
    assert render.known_hosts_line(EDGE) == f"[198.51.100.5]:2222 {KEY}\n"
    assert render.known_hosts_line(ONE) == f"192.0.2.11 {KEY}\n"
