#!/usr/bin/python
"""Have folders lie on the encrypted volume, with what was in them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_volume_folders
short_description: Have folders lie on the encrypted volume, with what was in them
description:
  - Mounts the volume, and each folder from it, as /etc/fstab says.
  - What a folder held before is copied to the volume first, with the units stopped that work there; then the old files
    are removed. The units that ran are started again.
  - Killed while it copies, the next run copies anew; killed later, the next run goes on with the copy. At no time do
    two states of a folder take turns.
  - What is on the volume under a folder's name is that folder, and is never copied over. It was shut, then, and files
    that lie where it belongs are somebody's to look at.
options:
  source: {type: path, required: true, description: "The opened volume."}
  mount: {type: path, required: true, description: "Where it is mounted."}
  folders:
    description: "Folders that are to lie on it, each with the units that work there, as systemctl(1) takes patterns."
    type: list
    elements: dict
    required: true
    options:
      path: {type: path, required: true, description: "The folder."}
      units: {type: list, elements: str, default: [], description: "Its units."}
"""

RETURN = r"""
done: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

COPYING, OLD = ".copying", ".before-volume"


class FailedError(Exception):
    """A command failed."""


@dataclass
class Mover:
    """Works on one host; in a plan it says what it would do."""

    module: AnsibleModule
    done: list[str] = field(default_factory=list)

    def ask(self, *words: str) -> str:
        """Return what a command says; "" where it fails."""
        code, out, _ = self.module.run_command(list(words))
        return out if code == 0 else ""

    def have(self, *words: str) -> None:
        """Run a command that changes something."""
        code, out, err = self.module.run_command(list(words))
        if code != 0:
            raise FailedError(f"{' '.join(words)} ended with {code}: {(err or out).strip()}")

    def mount(self, path: Path) -> None:
        """Mount what /etc/fstab names for a path: by systemd, which may be about to, and would do it a second time."""
        unit = self.ask("systemd-escape", "--path", "--suffix=mount", str(path)).strip()
        self.have("systemctl", "start", unit)

    def lies_on(self, path: Path, source: Path) -> bool:
        """Tell whether what one finds at a path lies on the volume."""
        return self.mounted("--target", str(path))[-1:] == [str(source)]

    def mounted(self, *which: str) -> list[str]:
        """Return what is mounted there, the uppermost last. A folder of a file system is told as "/dev/x[/folder]"."""
        said = self.ask("findmnt", "--json", "--list", "--output", "SOURCE", *which)
        rows = json.loads(said or "{}").get("filesystems", [])
        return [str(row["source"]).partition("[")[0] for row in rows]

    def running(self, units: list[str]) -> list[str]:
        """Return the units of these patterns that run."""
        said = self.ask("systemctl", "list-units", "--plain", "--no-legend", "--state=active,activating", *units)
        return [line.split()[0] for line in said.splitlines() if line.split()[0].endswith(".service")]


def place(mover: Mover, folder: Path, copy: Path, source: Path) -> None:
    """Have one folder lie on the volume, at `copy`. Nobody works there."""
    layers = mover.mounted("--mountpoint", str(folder))
    if layers and str(source) not in layers:
        raise FailedError(
            f"{folder} is mounted from {layers[-1]}, and is to lie on the volume: unmount it, take it from /etc/fstab"
        )
    for _ in layers[layers.index(str(source)) + 1 :] if layers else ():
        mover.have("umount", str(folder))
    if layers:
        return
    old, half = folder.with_name(folder.name + OLD), copy.with_name(copy.name + COPYING)
    if not old.exists() and copy.exists():
        if folder.exists() and (beside := sorted(each.name for each in folder.iterdir())):
            raise FailedError(
                f"{folder} lies on the volume, and while that was shut something was written in its place:"
                f" {', '.join(beside[:3])}. Look at it and move it away"
            )
    elif not old.exists():
        for missing in [each for each in (*reversed(folder.parents), folder) if not each.exists()]:
            missing.mkdir(mode=0o700)
        shutil.rmtree(half, ignore_errors=True)
        half.parent.mkdir(parents=True, exist_ok=True)
        mover.have("cp", "--archive", "--no-target-directory", str(folder), str(half))
        mover.have("sync", "--file-system", str(half))
        # From here on the copy is what counts: whoever is killed now goes on with it.
        folder.rename(old)
    if not copy.exists():
        half.rename(copy)
        mover.have("sync", "--file-system", str(copy))
    # Closed to the stores' accounts: where the volume is not open, nothing is written in the clear.
    folder.mkdir(mode=0o700, exist_ok=True)
    mover.mount(folder)
    if old.exists():
        shutil.rmtree(old)


def main() -> None:
    folder_spec = {
        "path": {"type": "path", "required": True},
        "units": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "mount": {"type": "path", "required": True},
            "folders": {"type": "list", "elements": "dict", "required": True, "options": folder_spec},
        },
        supports_check_mode=True,
    )
    mover, source, mount = Mover(module), Path(module.params["source"]), Path(module.params["mount"])
    folders = {Path(row["path"]): list(row["units"]) for row in module.params["folders"]}
    away = [path for path in folders if not mover.lies_on(path, source)]
    if not mover.lies_on(mount, source):
        mover.done.append(f"mount {source} at {mount}")
    mover.done += [f"move {path} to the volume" for path in away]
    if mover.done and not module.check_mode:
        stopped = mover.running(sorted({unit for path in away for unit in folders[path]}))
        try:
            mover.have("systemctl", "daemon-reload")
            if not mover.lies_on(mount, source):
                mount.mkdir(parents=True, exist_ok=True)
                mover.mount(mount)
            if stopped:
                mover.have("systemctl", "stop", *stopped)
            for path in away:
                place(mover, path, mount / path.relative_to("/"), source)
            if stopped:
                mover.have("systemctl", "start", *stopped)
        except (FailedError, OSError) as failed:
            module.fail_json(msg=f"{failed}. Nothing of the stores' data is lost; run install again.", done=mover.done)
    diff = {"diff": {"before": "", "after": "".join(f"{one}\n" for one in mover.done)}} if module._diff else {}
    module.exit_json(changed=bool(mover.done), done=mover.done, **diff)


if __name__ == "__main__":
    main()
