"""An upgrade that was begun and has not ended: what was there before it, what it was to bring, how far it came.

It lies in the deployment's folder from before the first change until the upgrade has ended, well or not. So the next
run after one that was killed knows what to go on with, and what to go back to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from hedgerow import flow
from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import CallError
from hedgerow.flow import Work
from hedgerow.installed import Installed, Version

FILE = ".upgrade.json"
BACK: Final = "back"


@dataclass(frozen=True)
class Attempt:
    """One upgrade on its way. `at` is UTC; `backup` the one that was made and read back for it.

    `failing` are controls that failed before it, each with its host: they are no reason to go back. `moment` is when
    the writers had been stopped, as PostgreSQL writes it: to there its data go back; "" means that no host was changed.
    Where it goes `back`, `why` says what failed, and `data` to where PostgreSQL was put back, "" where it was not yet.
    """

    at: str
    before: Installed
    release: str
    images: Mapping[str, str]
    backup: str
    failing: tuple[str, ...] = ()
    moment: str = ""
    going: Literal["forward", "back"] = "forward"
    why: str = ""
    data: str = ""

    @property
    def version(self) -> Version:
        """What it was to bring."""
        return Version(self.release, self.images)

    def work_before(self, deployment: Deployment) -> Work:
        """Return the work as it was declared before."""
        return flow.work_of(self.before.declared, deployment.declaration, Path(self.before.source))


def write(deployment: Deployment, attempt: Attempt) -> Attempt:
    """Remember how far an upgrade has come."""
    write_file(deployment.root / FILE, json.dumps(asdict(attempt), indent=1, sort_keys=True) + "\n")
    return attempt


def read(deployment: Deployment) -> Attempt | None:
    """Return the upgrade that has not ended, None where there is none. Raises CallError where the file is damaged."""
    path = deployment.root / FILE
    if not path.exists():
        return None
    try:
        return TypeAdapter(Attempt).validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise CallError(
            f"{path} does not say how far an upgrade has come ({error.errors()[0]['msg']})",
            "Take it from your records; without it nothing can go back: remove it, and `install` what is declared.",
        ) from None


def clear(deployment: Deployment) -> None:
    """Forget it: it has ended."""
    (deployment.root / FILE).unlink(missing_ok=True)


def demand_none_going_back(deployment: Deployment) -> None:
    """Raise CallError where an upgrade is being taken back: between two versions nothing else can be installed."""
    found = read(deployment)
    if found and found.going == BACK:
        raise CallError(
            f"an upgrade of {deployment.name} failed and is being taken back since {found.at}: {found.why}",
            f"`upgrade {deployment.name}` finishes that.",
        )
