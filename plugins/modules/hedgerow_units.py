#!/usr/bin/python
"""Say of many systemd units whether they are enabled and active, by one call."""

from __future__ import annotations

from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_units
short_description: Say of many systemd units whether they are enabled and active
description:
  - One question about all of them, and a command only for what differs.
  - Reads unit files anew when one of them changed on disk.
  - In check mode a unit that does not exist yet counts as a change, because an earlier task has promised it.
options:
  units:
    description: The units. What is left out stays as it is.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {type: str, required: true, description: "With its suffix, such as ssh.service."}
      enabled: {type: bool, description: "Whether it starts with the host."}
      active: {type: bool, description: "Whether it runs now."}
"""

RETURN = r"""
commands: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

ASKED = ("LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload")
RUNS = ("active", "reloading", "activating")


@dataclass(frozen=True)
class Unit:
    """What systemd knows of a unit (systemctl(1), show)."""

    exists: bool
    enabled: bool
    active: bool
    outdated: bool


def read_units(text: str, names: list[str]) -> dict[str, Unit]:
    """Return systemctl's answer as values: one block a unit, in the order asked for."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return {
        name: Unit(
            exists=block["LoadState"] not in ("not-found", "bad-setting", "error"),
            enabled=block["UnitFileState"] in ("enabled", "enabled-runtime", "static", "generated", "alias"),
            active=block["ActiveState"] in RUNS,
            outdated=block["NeedDaemonReload"] == "yes",
        )
        for name, block in zip(names, blocks, strict=True)
    }


def commands(wanted: list[dict], units: dict[str, Unit]) -> list[list[str]]:
    """Return what to do, in order: a unit is enabled before it is started, and stopped before it is disabled."""

    def differing(aspect: str, value: bool) -> list[str]:
        return [row["name"] for row in wanted if row[aspect] is value and getattr(units[row["name"]], aspect) != value]

    steps = [
        ["daemon-reload"] if any(unit.outdated for unit in units.values()) else [],
        ["stop", *differing("active", False)],
        ["disable", *differing("enabled", False)],
        ["enable", *differing("enabled", True)],
        ["start", *differing("active", True)],
    ]
    return [["systemctl", *step] for step in steps if step[1:] or step == ["daemon-reload"]]


def main() -> None:
    options = {
        "name": {"type": "str", "required": True},
        "enabled": {"type": "bool"},
        "active": {"type": "bool"},
    }
    module = AnsibleModule(
        argument_spec={"units": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    wanted = module.params["units"]
    names = [row["name"] for row in wanted]
    _, said, _ = module.run_command(["systemctl", "show", f"--property={','.join(ASKED)}", *names], check_rc=True)
    units = read_units(said, names)
    missing = [row["name"] for row in wanted if not units[row["name"]].exists and (row["enabled"] or row["active"])]
    if missing and not module.check_mode:
        module.fail_json(msg=f"systemd knows no {', '.join(missing)}: is the package installed?")
    steps = commands(wanted, units)
    if not module.check_mode:
        for step in steps:
            module.run_command(step, check_rc=True)
    words = [" ".join(step) for step in steps]
    diff = {"diff": {"before": "", "after": "".join(f"{word}\n" for word in words)}} if module._diff else {}
    module.exit_json(changed=bool(steps), commands=words, **diff)


if __name__ == "__main__":
    main()
