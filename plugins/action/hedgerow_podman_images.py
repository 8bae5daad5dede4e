"""Copy an image's archive to the host, but only where the host lacks that image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Asks the module first: on a host that has its images nothing is copied, and one module call is all."""

    TRANSFERS_FILES = True
    _VALID_ARGS = frozenset({"images"})

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        images = self._task.args.get("images", [])
        archives = {row["reference"]: row["archive"] for row in images if row.get("archive")}
        asked = self._ask(images, {}, task_vars)
        if asked.get("failed") or self._task.check_mode:
            return result | asked
        wanting = {reference: archives[reference] for reference in asked["missing"]}
        if not wanting:
            return result | asked
        gone = sorted({archive for archive in wanting.values() if not Path(archive).is_file()})
        if gone:
            raise AnsibleActionFail(f"no image archive at {', '.join(gone)} on the controller")
        folder = self._make_tmp_path()
        try:
            placed = self._place(wanting, folder)
            loaded = self._ask(images, placed, task_vars)
        finally:
            self._low_level_execute_command(self._connection._shell.remove(folder, recurse=True))
        if not loaded.get("failed"):
            loaded["fetched"] = asked["fetched"] + loaded["fetched"]
            loaded["changed"] = True
        return result | loaded

    def _ask(self, images: list[Any], archives: dict[str, str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        return self._execute_module(
            module_name="hedgerow_podman_images",
            module_args={"images": images, "archives": archives},
            task_vars=task_vars,
        )

    def _place(self, wanting: dict[str, str], folder: str) -> dict[str, str]:
        """Copy each archive once, also where several images come from the same one."""
        there: dict[str, str] = {}
        for archive in wanting.values():
            if archive not in there:
                place = self._connection._shell.join_path(folder, f"image-{len(there)}.tar")
                there[archive] = self._transfer_file(archive, place)
        self._fixup_perms2([folder, *there.values()], execute=False)
        return {reference: there[archive] for reference, archive in wanting.items()}
