"""A run that meets a fault at a call that changes something, and the run after it: each in a process of its own.

moto answers within this process, and one thing is done at a time. So a fork in front of a call is a picture of the
account and of the run in the middle of it: in the child the fault happens, the run ends as it would, the next one is
made, and what it leads to is compared with the end of an undisturbed run. The parent goes on to the next fault, and
then to the next such call. An account is prepared once: a process keeps it, and forks for each run.

Started as `python -m tests.cloud.exploring FOLDER`: takes `{"call": ..., "fault": ...}` a line, answers with a line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from hedgerow import disposal
from hedgerow.deployment import Deployment
from hedgerow.errors import UnreachableError
from hedgerow.targets.aws.actions import actions_of
from hedgerow.targets.aws.api import asks
from hedgerow.targets.cloud import doing
from tests.cloud.account import census, quiet, target, watched
from tests.cloud.conftest import VALIDATION, images, led
from tests.cloud.faults import FAULTS, MAKING, REMOVING, Answered, KilledError, Scenario, concerns, public
from tests.conftest import folders_of_its_own

ACCOUNT = "123456789012"
NOT_OURS = "does not bear this deployment's tag"


def run(scenario: Scenario, declared: str) -> None:
    """Do the scenario's verb."""
    getattr(target(declared), scenario.verb)(quiet)


def end(declared: str, earlier: int) -> dict[str, Any]:
    """Return where a run has led to: what is there, what is not as declared, what is recorded as gone."""
    made = target(declared)
    found, steps = made._steps()
    place = Deployment("acme").root / disposal.FILE
    ends = json.loads(place.read_text())[earlier:] if place.exists() else []
    return {
        "plan": {one.resource.key: one.action for one in steps},
        "found": sorted(found),
        "census": census(),
        "removed": sorted(
            {f"{one['kind']}/{one['name']}" for row in ends for one in (*row["removed"], *row.get("begun", []))}
        ),
    }


def apart(work: Callable[[], Any]) -> Any:
    """Do it in a child, which has the account as it is now, and return its answer."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        _answer(write, work)
    os.close(write)
    with os.fdopen(read) as heard:
        said = heard.read()
    os.waitpid(child, 0)
    return json.loads(said)


def _answer(write: int, work: Callable[[], Any]) -> None:
    """Write what comes of it, and end this process."""
    try:
        said = work()
    except BaseException as error:
        said = {"broke": f"{type(error).__name__}: {error}"}
    with os.fdopen(write, "w") as out:
        out.write(json.dumps(said, default=str))
    os._exit(0)


def recorded_ends() -> int:
    """Return how many ends are written down."""
    place = Deployment("acme").root / disposal.FILE
    return len(json.loads(place.read_text())) if place.exists() else 0


def undisturbed(scenario: Scenario, declared: str, earlier: int) -> dict[str, Any]:
    """Return the calls that change something in a run without a fault, and its end."""
    calls: list[str] = []

    def see(name: str, make: partial[Any]) -> Any:
        calls.append(name)
        return make()

    with watched(see):
        run(scenario, declared)
    changing = [name for name in calls if not asks(name.partition(".")[2])]
    return {"calls": changing, "end": end(declared, earlier)}


def explore(
    scenario: Scenario, declared: str, earlier: int, expected: dict[str, Any], call: str
) -> dict[str, list[str]]:
    """Let each such call of one run meet each fault, in a child each; return what is wrong then, "" for nothing."""
    said: dict[str, list[str]] = {fault: [] for fault in FAULTS if concerns(fault, call)}
    after: list[str] = []
    write, met = -1, ""
    answered = Answered(target(declared), call)

    def see(name: str, make: partial[Any]) -> Any:
        nonlocal write, met
        if met:
            after.append(name)
            return make()
        for fault in said if name == call else ():
            read, other = os.pipe()
            kept = files()
            if (child := os.fork()) == 0:
                write, met = other, fault
                return FAULTS[fault](make, answered)
            os.close(other)
            with os.fdopen(read) as heard:
                said[fault].append(json.loads(heard.read() or '"it ended without a word"'))
            os.waitpid(child, 0)
            put_back(kept)
        return make()

    failure: BaseException | None = None
    with watched(see):
        try:
            run(scenario, declared)
        except BaseException as error:
            failure = error
    if met:
        ended = Ended(scenario.verb, call, met, failure, tuple(after))
        _answer(write, lambda: ended.wrong() or next_one(scenario, declared, expected, ended, answered.theirs, earlier))
    assert failure is None, failure
    return said


@dataclass(frozen=True)
class Ended:
    """How a run has ended that met a fault: with which error, and what it called after that."""

    verb: str
    call: str
    fault: str
    failure: BaseException | None
    after: tuple[str, ...]

    def wrong(self) -> str:
        """Return what is wrong with such an end, "" where nothing is."""
        failure = self.failure
        match self.fault:
            case "killed":
                fine = isinstance(failure, KilledError)
            case "throttled":
                fine = failure is None
            case "refused":
                said = failure.message if isinstance(failure, UnreachableError) else ""
                fine = all(word in said for word in (self.call, *actions_of(self.call))) and ACCOUNT not in said
                changed = [name for name in self.after if not asks(name.partition(".")[2])]
                if fine and self.verb == "provision" and changed:
                    return f"after it was refused {self.call} the run went on to {changed[0]}"
            case _:
                fine = failure is None or isinstance(failure, UnreachableError)
        return "" if fine else f"the run ended with {type(failure).__name__}: {failure}"


def next_one(
    scenario: Scenario, declared: str, expected: dict[str, Any], ended: Ended, theirs: dict[str, int], earlier: int
) -> str:
    """Do the next run, undisturbed; return what is wrong with where it leads, "" where nothing is."""
    try:
        run(scenario, declared)
    except UnreachableError as error:
        refuses = ended.fault == "stranger" and NOT_OURS in error.message
        return "" if refuses else f"the next run failed: {error.message}"
    except Exception as error:
        return f"the next run failed: {type(error).__name__}: {error}"
    there = end(declared, earlier)
    beside = {key: number + theirs.get(key, 0) for key, number in expected["census"].items()}
    differing = [key for key in expected if there[key] != expected[key]]
    if differing == ["census"] and there["census"] == beside:
        return ""  # what is somebody else's is still there, and ours is beside it
    return "; ".join(f"{key}: {difference(expected[key], there[key])}" for key in differing)


def difference(expected: Any, there: Any) -> str:
    """Return where two values part."""
    if isinstance(expected, dict):
        keys = [key for key in {**expected, **there} if expected.get(key) != there.get(key)]
        return ", ".join(f"{key} {expected.get(key)} -> {there.get(key)}" for key in keys)
    return f"gone {sorted(set(expected) - set(there))}, more {sorted(set(there) - set(expected))}"


def files() -> dict[Path, bytes]:
    """Return what a run writes down beside the account: keys, and the record of an end."""
    root = Path(os.environ["HOME"])
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def put_back(kept: dict[Path, bytes]) -> None:
    """Have it as it was."""
    for path in files().keys() - kept.keys():
        path.unlink()
    for path, content in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)


class OneAtATime:
    """Stands for a pool of threads, and does at once what it is given: a fork takes one thread along."""

    def __init__(self, _workers: int) -> None:
        pass

    def __enter__(self) -> OneAtATime:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, act: Callable[..., None], *arguments: Any) -> Future[None]:
        done: Future[None] = Future()
        try:
            done.set_result(act(*arguments))
        except BaseException as error:
            done.set_exception(error)
        return done


@contextmanager
def emulated(folder: Path) -> Iterator[None]:
    """Emulate AWS within this process. The door to it is warm afterwards, and the account empty."""
    (folder / "images.json").write_text(json.dumps(images()))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    keys = {name: value for name, value in led("").items() if name not in ("HTTPS_PROXY", "AWS_CA_BUNDLE")}
    home = folder / "home"
    home.mkdir()
    os.environ.update(VALIDATION | keys | folders_of_its_own(home), MOTO_AMIS_PATH=str(folder / "images.json"))
    from moto import mock_aws  # noqa: PLC0415 (it reads the environment when it is loaded)

    from tests.cloud.emulator import close_gaps  # noqa: PLC0415

    close_gaps()
    doing.ThreadPoolExecutor = OneAtATime  # type: ignore[misc,assignment]
    for remaining in (True, False):
        with mock_aws():
            if remaining:
                target(public()).provision(quiet)
                put_back({})
            else:
                yield


class Prepared:
    """An account as a scenario prepares it, kept by a process that explores one call after the other.

    `calls` are those of an undisturbed run that change something.
    """

    all: ClassVar[list[Prepared]] = []

    def __init__(self, scenario: Scenario, home: Path) -> None:
        orders, self._down = os.pipe()
        self._up, answers = os.pipe()
        if os.fork() == 0:
            for one in (self, *self.all):
                os.close(one._down)  # else it would never hear that there are no more orders
            _keep(scenario, home, orders, answers)
        os.close(orders)
        os.close(answers)
        self.all.append(self)
        self._heard = os.fdopen(self._up)
        self.calls: list[str] = self._answer()

    def _answer(self) -> Any:
        said = json.loads(self._heard.readline() or '{"broke": "it ended without a word"}')
        assert "broke" not in said, said
        return said

    def explore(self, call: str) -> dict[str, list[str]]:
        """Return what is wrong after each fault at each such call of a run."""
        os.write(self._down, f"{call}\n".encode())
        found: dict[str, list[str]] = self._answer()
        return found


def _keep(scenario: Scenario, home: Path, orders: int, answers: int) -> None:
    """Prepare an account, and answer for it until nobody asks any more; ends this process."""
    with os.fdopen(orders) as asked, os.fdopen(answers, "w") as out:
        try:
            home.mkdir()
            os.environ.update(folders_of_its_own(home))
            declared = scenario.prepare()
            earlier, kept = recorded_ends(), files()
            found = apart(partial(undisturbed, scenario, declared, earlier))
            print(json.dumps(found.get("calls", found)), file=out, flush=True)
            for line in asked:
                put_back(kept)
                answer = apart(partial(explore, scenario, declared, earlier, found["end"], line.strip()))
                print(json.dumps(answer), file=out, flush=True)
        except BaseException as error:
            print(json.dumps({"broke": f"{type(error).__name__}: {error}"}), file=out, flush=True)
            os._exit(1)
    os._exit(0)


def serve(folder: Path) -> None:
    """Answer orders until there are no more. What a scenario leads to is found out when it is first asked for."""
    known: dict[str, Prepared] = {}
    said: dict[str, dict[str, dict[str, list[str]]]] = {}
    with emulated(folder):
        for line in sys.stdin:
            order = json.loads(line)
            if order["call"] not in said:
                answer = said[order["call"]] = {}
                for scenarios in (MAKING, REMOVING):
                    for name, scenario in scenarios.items():
                        if name not in known:
                            known[name] = Prepared(scenario, folder / f"home-{len(known)}")
                        if order["call"] in known[name].calls:
                            answer[name] = known[name].explore(order["call"])
                            break
            rows = {name: results[order["fault"]] for name, results in said[order["call"]].items()}
            print(json.dumps(rows), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
