#!/usr/bin/python
"""Have what runs be held by its AppArmor profile."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_apparmor
short_description: Have what runs be held by its AppArmor profile
description:
  - Loads the profiles anew when one of them only complains that is packaged to hold, or when one is not in the kernel that
    a program here needs.
  - Starts units anew whose program or container runs unconfined although there is a profile for it; a process can be
    given none later.
  - Where the kernel runs without AppArmor nothing is done. Only its command line and a restart of the host change that.
"""  # noqa: E501 (a sentence a line reads best)

RETURN = r"""
enabled: {description: "Whether the kernel runs with AppArmor.", type: bool, returned: always}
commands: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

ENABLED = Path("/sys/module/apparmor/parameters/enabled")
LOADED = Path("/sys/kernel/security/apparmor/profiles")
PACKAGED = Path("/etc/apparmor.d")
NEEDED = ("/usr/sbin/chronyd",)
"""Programs of every host that the distribution has a profile for."""

PROFILE = re.compile(r"^(.+) \((\w+)\)$", re.MULTILINE)
# A profile's head in its file: `profile NAME PATH flags=(...) {` or `PATH flags=(...) {`, at the beginning of a line.
HEAD = re.compile(r'^(?:profile +)?"?([\w/][^\s"]*).*flags=\(([^)]*)\) *\{ *$', re.MULTILINE)
CONTAINER_PROFILE = "containers-default"


def modes(said: str) -> dict[str, str]:
    """Return the mode of each profile in the kernel (apparmor(7)): enforce, complain, unconfined, kill."""
    return dict(PROFILE.findall(said))


def complaining(files: Collection[str]) -> set[str]:
    """Return the profiles that their own files say are only to complain."""
    return {name for text in files for name, flags in HEAD.findall(text) if "complain" in flags}


def weakened(loaded: Mapping[str, str], meant: Collection[str]) -> list[str]:
    """Return the profiles that only complain, and are not packaged so. Of a profile within another the outer counts."""
    return sorted(name for name, mode in loaded.items() if mode == "complain" and name.partition("//")[0] not in meant)


def unheld(programs: Mapping[int, str], labels: Mapping[int, str], loaded: Mapping[str, str]) -> list[int]:
    """Return the processes that are unconfined although the kernel holds a profile for their program."""
    return sorted(
        process
        for process, program in programs.items()
        if loaded.get(program) == "enforce" and labels.get(process, "").startswith("unconfined")
    )


def unheld_containers(inspected: str, labels: Mapping[int, str]) -> list[str]:
    """Return the units of containers that run unconfined, by what `podman container inspect` says."""
    running = [each for each in json.loads(inspected or "[]") if each["State"]["Pid"]]
    return sorted(
        unit
        for each in running
        if (unit := (each["Config"].get("Labels") or {}).get("PODMAN_SYSTEMD_UNIT", ""))
        and not labels.get(each["State"]["Pid"], CONTAINER_PROFILE).startswith(CONTAINER_PROFILE)
    )


def read(path: Path) -> str:
    """Return what a file says, "" where there is none any more."""
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def target(path: Path) -> str:
    """Return what a link points at, "" where it does not any more, or where it is a kernel's thread."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


def processes() -> tuple[dict[int, str], dict[int, str]]:
    """Return program and AppArmor's label of every process."""
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return (
        {int(path.name): target(path / "exe") for path in found},
        {int(path.name): read(path / "attr/current") for path in found},
    )


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    if read(ENABLED) != "Y" or not LOADED.exists():
        module.exit_json(changed=False, enabled=False, commands=[])
    done: list[list[str]] = []

    def have(command: list[str]) -> None:
        done.append(command)
        if not module.check_mode:
            module.run_command(command, check_rc=True)

    loaded = modes(read(LOADED))
    files = PACKAGED.iterdir() if PACKAGED.is_dir() else ()
    meant = complaining([read(path) for path in files if path.is_file()])
    # In a plan the profiles may not be installed yet.
    missing = [program for program in NEEDED if Path(program).exists() and program not in loaded]
    if weakened(loaded, meant) or missing:
        have(["systemctl", "reload-or-restart", "apparmor.service"])
        loaded = modes(read(LOADED))
    programs, labels = processes()
    units = []
    for process in unheld(programs, labels, loaded):
        _, unit, _ = module.run_command(["ps", "-o", "unit=", "-p", str(process)])
        units.append(unit.strip())
    podman = module.get_bin_path("podman")
    if podman:
        _, ids, _ = module.run_command([podman, "ps", "--quiet", "--no-trunc"])
        inspected = module.run_command([podman, "container", "inspect", *ids.split()])[1] if ids.split() else ""
        units += unheld_containers(inspected, labels)
    for unit in dict.fromkeys(unit for unit in units if unit.endswith(".service")):
        have(["systemctl", "restart", unit])
    words = [" ".join(command) for command in done]
    diff = {"diff": {"before": "", "after": "".join(f"{word}\n" for word in words)}} if module._diff else {}
    module.exit_json(changed=bool(words), enabled=True, commands=words, **diff)


if __name__ == "__main__":
    main()
