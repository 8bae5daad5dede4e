"""deploy.yml: text in, a whole valid declaration or every problem in it out.

`load` reads the file; `parse` is the same for a text, and looks at no file unless it is given
a way to. Nothing here touches a host or a network.
"""

from __future__ import annotations

import datetime
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from hedgerow.declaration import files, rules
from hedgerow.declaration.access import Administrator, Outbound
from hedgerow.declaration.alerts import Alerts
from hedgerow.declaration.gcp import Gcp
from hedgerow.declaration.machines import Aws, Lab, LabHost, OnPrem, OnPremHost
from hedgerow.declaration.models import Capacity, Declaration, Mail, Waiver
from hedgerow.declaration.networks import ANY, CONTROLLER, covers, resolve_sources
from hedgerow.declaration.places import Document, UnreadableError, read
from hedgerow.declaration.problems import NO_VALUE, explain
from hedgerow.declaration.statements import Agreement, Attestation, LegalHold
from hedgerow.declaration.vocabulary import RENAMED, Renamed
from hedgerow.declaration.words import Wrong, key_of
from hedgerow.errors import DeclarationError, Problem

__all__ = [
    "ANY",
    "CONTROLLER",
    "Administrator",
    "Agreement",
    "Alerts",
    "Around",
    "Attestation",
    "Aws",
    "Capacity",
    "Declaration",
    "Gcp",
    "Lab",
    "LabHost",
    "LegalHold",
    "Mail",
    "OnPrem",
    "OnPremHost",
    "Outbound",
    "Waiver",
    "covers",
    "load",
    "parse",
    "read_file",
    "resolve_sources",
]

LARGEST = 256 * 1024
"""Bytes in a file; a real declaration has a few thousand."""


@dataclass(frozen=True)
class Around:
    """What a declaration is held against; what is None is not asked.

    `base` is the folder that file names start from, `known_controls` the ids a waiver may name, `never_waived` those
    among them that none excuses, with the reason, `now` the time (with its zone) to judge certificates and dates by,
    `read_file` the way to look at named files: it returns bytes or raises OSError or ValueError.
    """

    base: Path = Path()
    known_controls: Collection[str] | None = None
    now: datetime.datetime | None = None
    read_file: Callable[[Path], bytes] | None = None
    never_waived: Mapping[str, str] = field(default_factory=dict)


def load(
    path: Path,
    known_controls: Collection[str] | None = None,
    base: Path | None = None,
    now: datetime.datetime | None = None,
    *,
    never_waived: Mapping[str, str] = MappingProxyType({}),
    judge: bool = True,
) -> Declaration:
    """Read and validate a file and the files it names. Raises DeclarationError with every problem.

    `base` is the folder that file names start from (None: the file's own). `now` defaults to the clock. Without
    `judge`, nothing is asked that time can make wrong: neither the files nor dates.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _whole_file(path, f"byte {error.start + 1} is not UTF-8", "Save the file as UTF-8.") from None
    except (OSError, ValueError) as error:
        raise _whole_file(path, *_unopened(path, error)) from None
    now = (now or datetime.datetime.now(datetime.UTC)) if judge else None
    folder = (base or path.parent).absolute()
    around = Around(folder, known_controls, now, read_file if judge else None, never_waived)
    return parse(text, str(path), around)


def parse(
    text: str, file: str = "deploy.yml", around: Around = Around(), renamed: Mapping[str, Renamed] = RENAMED
) -> Declaration:
    """Validate a text; `file` is its name in messages. Raises DeclarationError with every problem, by line."""
    try:
        document, wrong = read(text)
    except UnreadableError as error:
        raise DeclarationError((Problem(file, error.line, "(file)", error.message, error.fix),)) from None
    if not isinstance(document.value, dict):
        raise _error(file, document, [*wrong, _no_mapping(document.value)])
    declaration, found = _validate(document, around.base, renamed)
    judged = {one.path for one in found}
    ruled = rules.check(document.value, around.now, around.known_controls, around.never_waived)
    found += [one for one in ruled if one.path not in judged]
    if around.read_file is not None:
        found += files.check(document.value, around.base, around.read_file, around.now)
    if declaration is None or found or wrong:
        raise _error(file, document, wrong + found)
    return declaration


def read_file(path: Path) -> bytes:
    """Read a small ordinary file. Raises OSError, or ValueError where it is something else."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no ordinary file")
    if status.st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST // 1024} KiB")
    return path.read_bytes()


def _validate(document: Document, base: Path, renamed: Mapping[str, Renamed]) -> tuple[Declaration | None, list[Wrong]]:
    empty = [Wrong(path, "has no value", NO_VALUE) for path in document.empty]
    try:
        return Declaration.model_validate(document.value, context={"folder": base}), empty
    except ValidationError as error:
        found = explain(error.errors(include_url=False), document, renamed)
        judged = {one.path for one in found}
        return None, found + [one for one in empty if one.path not in judged]


def _no_mapping(value: Any) -> Wrong:
    if value is None:
        return Wrong((), "the file is empty", "Run `./installer.py init`, or copy inventories/lab/deploy.yml.")
    kind = "a list" if isinstance(value, list) else "one value"
    return Wrong((), f"the file holds {kind}, not keys", "Begin with `name: acme`; see inventories/lab/deploy.yml.")


def _error(file: str, document: Document, wrong: list[Wrong]) -> DeclarationError:
    problems = dict.fromkeys(
        Problem(file, one.line or document.line(one.path), key_of(one.path), one.message, one.fix) for one in wrong
    )
    return DeclarationError(tuple(sorted(problems, key=lambda problem: (problem.line, problem.key))))


def _whole_file(path: Path, message: str, fix: str) -> DeclarationError:
    return DeclarationError((Problem(str(path), 1, "(file)", message, fix),))


def _unopened(path: Path, error: Exception) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "there is no such file", "Make one with `./installer.py init`, or correct the name."
    if isinstance(error, IsADirectoryError):
        return "this is a folder", f"Name the file in it, for example {path / 'deploy.yml'}."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"cannot be read: {reason}", "Name a readable deploy.yml."
