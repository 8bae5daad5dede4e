#!/usr/bin/python
"""Have a systemd unit run, and run with the files as they are now."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_service
short_description: Have a systemd unit enabled, running, and running with its files as they are now
description:
  - A handler is forgotten when a run is killed between the file that notified it and the handler; the next run finds the
    file unchanged, and the service goes on with what it read long ago. Here the files' times are compared with the time
    at which systemd last started or reloaded the unit, so that such a run is caught up, at the cost of one call.
  - A changed unit file or drop-in restarts the unit; any other of O(files) is taken up as O(take_up) says.
  - In check mode a unit that does not exist yet is taken as promised.
options:
  name: {type: str, required: true, description: "The unit, with its ending."}
  files: {type: list, elements: path, default: [], description: "What the service reads when it starts. Of a folder, what is in it as well."}
  take_up: {type: str, default: reload, choices: [reload, restart], description: "How the service reads its files again."}
  ask: {type: list, elements: str, default: [], description: "A command that must accept the files before they are taken up."}
"""  # noqa: E501 (one option a line reads best)

RETURN = r"""
done: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

ENABLED = ("enabled", "enabled-runtime", "static", "alias", "generated", "indirect")


class RefusedError(Exception):
    """The unit cannot be brought to run."""


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit. Times are seconds since 1970; 0 is never."""

    exists: bool
    enabled: bool
    active: bool
    started: float
    taken_up: float  # its last start or reload
    reloaded_well: bool
    outdated: bool  # its unit file changed since systemd read it
    files: tuple[str, ...]

    @classmethod
    def of(cls, properties: dict[str, Any]) -> Unit:
        said = {name: row["data"] for name, row in properties.items()}
        return cls(
            exists=said.get("LoadState") == "loaded",
            enabled=said.get("UnitFileState") in ENABLED,
            active=said.get("ActiveState") == "active",
            started=said.get("ExecMainStartTimestamp", 0) / 1e6,
            # Set by systemd whenever the state changes, also from reloading back to active; unlike the times of
            # ExecReload= it outlives a daemon-reload.
            taken_up=said.get("StateChangeTimestamp", 0) / 1e6,
            reloaded_well=said.get("ReloadResult", "success") == "success",
            outdated=bool(said.get("NeedDaemonReload")),
            files=tuple(filter(None, [said.get("FragmentPath"), *said.get("DropInPaths", [])])),
        )


def bus_path(name: str) -> str:
    """The unit's object on systemd's bus; asking for it loads the unit."""
    return "/org/freedesktop/systemd1/unit/" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):02x}", name)


def changed_at(paths: list[str] | tuple[str, ...]) -> float:
    """When the newest of the files changed: by its content, its name, or the list of names in a folder."""
    places = [Path(path) for path in paths]
    every = [*places, *(inside for place in places if place.is_dir() for inside in place.iterdir())]
    return max((place.lstat().st_ctime for place in every if place.exists()), default=0.0)


def needed(unit: Unit, files: float, unit_files: float, take_up: str) -> list[str]:
    """The verbs of systemctl that bring the unit there, in their order."""
    verbs = ["daemon-reload"] if unit.outdated else []
    if not unit.enabled:
        verbs.append("enable")
    if not unit.active:
        verbs.append("start")
    elif unit.outdated or unit_files > unit.started:
        verbs.append("restart")
    elif files > (unit.taken_up if take_up == "reload" else unit.started) or not unit.reloaded_well:
        verbs.append(take_up)
    return verbs


def asked(module: AnsibleModule, name: str) -> Unit:
    place = ["org.freedesktop.systemd1", bus_path(name), "org.freedesktop.DBus.Properties"]
    code, out, err = module.run_command(["busctl", "--json=short", "call", *place, "GetAll", "s", ""])
    if code != 0:
        raise RefusedError(f"systemd could not be asked about {name}: {err.strip()}")
    return Unit.of(json.loads(out)["data"][0])


def carry_out(module: AnsibleModule, name: str, verb: str) -> None:
    command = ["systemctl", verb] + ([] if verb == "daemon-reload" else [name])
    code, out, err = module.run_command(command)
    if code != 0:
        said = module.run_command(["journalctl", "-q", "-b", "-u", name, "-n", "15", "-o", "cat", "--no-pager"])[1]
        raise RefusedError(f"`{' '.join(command)}` failed: {(out + err).strip()}\n{said.strip()}")


def bring_up(module: AnsibleModule) -> list[str]:
    name, ask = module.params["name"], module.params["ask"]
    unit = asked(module, name)
    if not unit.exists:
        if module.check_mode:
            return ["enable", "start"]
        raise RefusedError(f"there is no unit {name}; is its package installed?")
    verbs = needed(unit, changed_at(module.params["files"]), changed_at(unit.files), module.params["take_up"])
    if module.check_mode or not verbs:
        return verbs
    if ask and {"start", "restart", "reload"} & set(verbs):
        code, out, err = module.run_command(ask)
        if code != 0:
            raise RefusedError(f"{name} goes on as it was; `{' '.join(ask)}` says: {(out + err).strip()}")
    for verb in verbs:
        carry_out(module, name, verb)
    if not asked(module, name).active:
        raise RefusedError(f"{name} did not stay up")
    return verbs


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "files": {"type": "list", "elements": "path", "default": []},
            "take_up": {"type": "str", "default": "reload", "choices": ["reload", "restart"]},
            "ask": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        verbs = bring_up(module)
    except RefusedError as problem:
        module.fail_json(msg=str(problem))
    name = module.params["name"]
    diff = {"before": "", "after": "".join(f"systemctl {verb} {name}\n" for verb in verbs)}
    module.exit_json(changed=bool(verbs), done=verbs, diff={**diff, "after_header": name, "before_header": name})


if __name__ == "__main__":
    main()
