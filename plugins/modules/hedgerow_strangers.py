#!/usr/bin/python
"""Have nothing start with the host that no package brought and nobody declared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_strangers
short_description: Have nothing start with the host that no package brought and nobody declared
description:
  - Looks at services, sockets, timers and paths that are enabled or that systemd has in memory, and at the old scripts
    of init.d. Whose file no package owns, and whose name is neither one of ours nor among `kept`, is stopped and
    disabled.
  - Their files stay where they are, for whoever has to find out what they were.
  - What lies below /run is made anew at each start, by what is looked at here, and does not count.
options:
  kept:
    description: Names of units, with their suffix, that stay although no package brought them.
    type: list
    elements: str
    default: []
"""

RETURN = r"""
units: {description: "What was stopped and disabled, or would be.", type: list, elements: str, returned: always}
"""

KINDS = "service,socket,timer,path"
STARTS = "enabled,enabled-runtime,linked,linked-runtime,generated"
OURS = "hedgerow-"
OLD_SCRIPTS = "/etc/init.d/"
SNAPS = "snap."
SNAP_DAEMON = "/usr/lib/systemd/system/snapd.service"


@dataclass(frozen=True)
class Unit:
    """A unit and the file that it comes from, "" for none that lasts."""

    name: str
    file: str


def names(said: str) -> list[str]:
    """Return the units of systemctl's lists, each once. A template is none: what is made of it is listed itself."""
    words = (line.split()[0] for line in said.splitlines() if line.strip())
    return sorted({word for word in words if "@." not in word})


def read_units(said: str) -> list[Unit]:
    """Return what `systemctl show` says, of what is there: a block a unit."""
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
    units = {}
    for block in blocks:
        if block.get("LoadState") != "loaded":
            continue
        file, source = block.get("FragmentPath", ""), block.get("SourcePath", "")
        if file.startswith("/run/"):
            file = source if source.startswith(OLD_SCRIPTS) else ""
        units[block["Id"]] = Unit(block["Id"], file)
    return list(units.values())


def owned(said: str) -> set[str]:
    """Return the files that `dpkg-query --search` found in a package, by their place after the merge of /usr."""
    files = {line.rpartition(": ")[2] for line in said.splitlines() if ": /" in line}
    return files | {f"/usr{file}" for file in files if file.startswith("/lib/")}


def spellings(units: list[Unit]) -> list[str]:
    """Return each file as a package may have it in its list: some were made before the merge of /usr."""
    files = {unit.file for unit in units if unit.file}
    return sorted(files | {file[len("/usr") :] for file in files if file.startswith("/usr/lib/")})


def strangers(units: list[Unit], packaged: Collection[str], kept: Collection[str]) -> list[str]:
    """Return the units that no package brought, that are not ours, and that nobody declared."""
    snaps = SNAP_DAEMON in packaged
    return [
        unit.name
        for unit in units
        if unit.file
        and unit.file not in packaged
        and unit.name not in kept
        and not unit.name.startswith(OURS)
        and not (snaps and unit.name.startswith(SNAPS))
    ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"kept": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True
    )
    listing = ["--plain", "--no-legend", "--no-pager", f"--type={KINDS}"]
    _, there, _ = module.run_command(["systemctl", "list-units", "--all", *listing], check_rc=True)
    _, starting, _ = module.run_command(["systemctl", "list-unit-files", *listing, f"--state={STARTS}"], check_rc=True)
    asked = "--property=Id,LoadState,FragmentPath,SourcePath"
    _, said, _ = module.run_command(["systemctl", "show", asked, *names(there + starting)], check_rc=True)
    units = read_units(said)
    # dpkg-query ends with 1 as soon as one of the files is in no package.
    _, found, _ = module.run_command(["dpkg-query", "--search", *spellings(units)])
    strange = strangers(units, owned(found), module.params["kept"])
    if strange and not module.check_mode:
        module.run_command(["systemctl", "stop", *strange], check_rc=True)
        module.run_command(["systemctl", "disable", *strange], check_rc=True)
        # What has failed stays in memory until somebody has seen it.
        module.run_command(["systemctl", "reset-failed", *strange])
    diff = {"diff": {"before": "".join(f"{one}\n" for one in strange), "after": ""}} if module._diff else {}
    module.exit_json(changed=bool(strange), units=strange, **diff)


if __name__ == "__main__":
    main()
