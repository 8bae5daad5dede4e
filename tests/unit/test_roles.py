"""Roles: the interface equals the defaults, and each control's tag is where its role says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedgerow.catalog import load_catalog
from hedgerow.deployment import REPOSITORY

ROLES = sorted(path.parent.parent for path in (REPOSITORY / "roles").glob("*/tasks/main.yml"))
CATALOG = load_catalog()


class Loader(yaml.SafeLoader):
    """Reads tasks as data; what `!unsafe` and the like mark is of no interest here."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)  # type: ignore[no-untyped-call]


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), Loader)  # noqa: S506 (a safe loader that skips tags)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_interface_equals_the_defaults(role: Path) -> None:
    options = read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    path = role / "defaults" / "main.yml"
    assert (read(path) or {} if path.exists() else {}) == stated
    assert all(option.get("description") for option in options.values())
    assert all("default" in option or option.get("required") for option in options.values())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_names_begin_with_the_role(role: Path) -> None:
    options = read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    assert all(name.startswith(f"{role.name}_") for name in options)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_table_of_contents_holds_nothing_else(role: Path) -> None:
    for task in read(role / "tasks" / "main.yml"):
        modules = {"ansible.builtin.import_tasks", "ansible.builtin.include_tasks"}
        assert modules & set(task), f"{role.name}/tasks/main.yml: {task.get('name')}"


@pytest.fixture(scope="module")
def tags() -> dict[str, set[str]]:
    """Return the tags of each role's tasks, its own name left out."""
    found: dict[str, set[str]] = {}
    for role in ROLES:
        mine: set[str] = set()
        for path in (role / "tasks").glob("*.yml"):
            for task in walk(read(path) or []):
                mine |= set(task.get("tags", []))
        found[role.name] = mine - {"always"}
    return found


def walk(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for task in tasks:
        found.append(task)
        for part in ("block", "rescue", "always"):
            found += walk(task.get(part, []))
    return found


def test_each_control_is_tagged_and_each_tag_is_a_control(tags: dict[str, set[str]]) -> None:
    """A control of the containers may be made true by the role that writes their units, or that filters for them."""
    makers = {"containers": ("containers", "posthog", "firewall")}
    for control in CATALOG.controls:
        places = makers.get(control.role, (control.role,))
        assert any(control.id in tags[role] for role in places), f"no task of {places} carries {control.id}"
    assert set().union(*tags.values()) <= CATALOG.ids


def test_ansible_itself_lists_every_control(tmp_path: Path) -> None:
    """What an operator sees with --list-tags is the catalog: no tag hides behind a dynamic include."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        "all: {hosts: {h: {}}, children: {data: {hosts: {h: {}}}, app: {hosts: {h: {}}}, edge: {hosts: {h: {}}}}}"
    )
    answer = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), "site.yml", "--list-tags"],
        cwd=REPOSITORY / "playbooks",
        env={
            **os.environ,
            "ANSIBLE_ROLES_PATH": str(REPOSITORY / "roles"),
            "ANSIBLE_LIBRARY": str(REPOSITORY / "plugins" / "modules"),
            "ANSIBLE_ACTION_PLUGINS": str(REPOSITORY / "plugins" / "action"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    listed = {
        tag.strip("[], ")
        for line in answer.stdout.splitlines()
        if "TASK TAGS" in line
        for tag in line.split(":", 1)[1].split(",")
    }
    assert CATALOG.ids <= listed
