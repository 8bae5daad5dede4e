"""Everything that is known about one control, gathered from where it stands: catalog, check, role and sabotage.

Nothing is written twice: what is told here is read from the check itself, the tasks that carry the control's tag, and
the test that breaks it. What is not there (an installation without tests) is said to be not there.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from hedgerow.catalog import CLOUD_FILES, Catalog, Control
from hedgerow.declaration.words import meant
from hedgerow.deployment import REPOSITORY
from hedgerow.errors import CallError

NO_TESTS = "the tests are not part of this installation"
NOT_BROKEN = "no test breaks it on its own"
BROKEN_IN = {"aws": "tests/cloud_checks/sabotage.py", "gcp": "tests/gcp_checks/sabotage.py"}
IN_A_CLOUD = "broken by a call of the API, on an emulated account"


@dataclass(frozen=True)
class Check:
    """The check that answers a control: where it stands, what its author says, and the code itself."""

    place: str
    words: str
    code: str


@dataclass(frozen=True)
class Task:
    """A task that makes a control true: where it stands, and what will be true."""

    place: str
    name: str


@dataclass(frozen=True)
class Sabotage:
    """How a test breaks a control on a live host. `command` is "" where none does, and `note` says why, or more."""

    place: str
    command: str
    companions: tuple[str, ...] = ()
    mend: str = ""
    note: str = ""


@dataclass(frozen=True)
class Explained:
    """A control with everything around it."""

    control: Control
    check: Check | None
    tasks: tuple[Task, ...]
    sabotage: Sabotage

    def as_json(self) -> dict[str, object]:
        """Return it as plain values."""
        control = {**asdict(self.control), "why": self.control.why, "waivable": not self.control.never_waived}
        return {**control, **{key: value for key, value in asdict(self).items() if key != "control"}}


def explain(control_id: str, catalog: Catalog, repository: Path = REPOSITORY) -> Explained:
    """Return what is known. Raises CallError where there is no such control."""
    if control_id not in catalog.ids:
        guess = meant(control_id, catalog.ids)
        fix = f"Did you mean {guess}?" if guess else "The controls are in checks/controls.yml."
        raise CallError(f"there is no control {control_id}", fix)
    control = catalog.control(control_id)
    return Explained(
        control,
        check_of(control, repository),
        tuple(tasks_of(control, repository)),
        sabotage_of(control, repository),
    )


def check_of(control: Control, repository: Path) -> Check | None:
    """Return the check that carries the control's mark."""
    mark = f'@pytest.mark.control("{control.id}")'
    for path in sorted((repository / "checks").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if mark not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and any(control.id in ast.unparse(one) for one in node.decorator_list):
                place = f"{path.relative_to(repository)}:{node.lineno}"
                return Check(place, ast.get_docstring(node) or "", ast.get_source_segment(text, node) or "")
    return None


def tasks_of(control: Control, repository: Path) -> Iterator[Task]:
    """Yield the tasks that carry the control's tag; another role may have a part in it."""
    for path in sorted((repository / "roles").glob("*/tasks/*.yml")):
        text = path.read_text(encoding="utf-8")
        for task in _flat(yaml.safe_load(text) if control.id in text else None):
            if control.id in (task.get("tags") or ()):
                yield Task(str(path.relative_to(repository)), str(task.get("name", "")))


def sabotage_of(control: Control, repository: Path) -> Sabotage:
    """Return how the tests break the control."""
    if control.role in CLOUD_FILES:
        return Sabotage(BROKEN_IN[control.role], "", note=IN_A_CLOUD)
    folder = repository / "tests" / "sabotage"
    if not folder.is_dir():
        return Sabotage("", "", note=NO_TESTS)
    for path in sorted(folder.glob("[!_]*.py")):
        if path.name.startswith("test_"):
            continue
        module = _load(path)
        place = str(path.relative_to(repository))
        if command := module.SABOTAGE.get(control.id):
            companions = tuple(sorted(getattr(module, "COMPANIONS", {}).get(control.id, ())))
            return Sabotage(place, command, companions, getattr(module, "MEND", {}).get(control.id, ""))
        if control.id in (module.__doc__ or ""):
            return Sabotage(place, "", note=" ".join((module.__doc__ or "").split()))
    return Sabotage("", "", note=NOT_BROKEN)


def _flat(tasks: Any) -> Iterator[dict[str, Any]]:
    """Yield tasks, those inside blocks too."""
    for task in tasks or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from _flat(task.get(part))


def _load(path: Path) -> ModuleType:
    """Load a module of the tests by its place: whatever else is called `tests` on this machine does not matter."""
    spec = importlib.util.spec_from_file_location(f"hedgerow_sabotage_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
