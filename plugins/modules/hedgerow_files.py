#!/usr/bin/python
"""Place many small files by one call; the controller half is plugins/action/hedgerow_files.py."""

from __future__ import annotations

import grp
import os
import pwd
import shlex
import stat
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_files
short_description: Place many small files by one call
description:
  - A module call costs a quarter of a second, a file in it next to nothing; so all files of a topic go by one call.
  - Templates are rendered on the controller, as M(ansible.builtin.template) would do.
  - First everything is written beside its place and validated, then all of it is renamed; what is equal stays untouched.
  - A symbolic link at a destination is replaced, never followed.
  - Supports check mode, where owners and groups that do not exist yet are taken as promised, and diff.
options:
  files:
    description: The files. Of O(files[].template), O(files[].file), O(files[].content), O(files[].link) exactly one is given.
    type: list
    elements: dict
    default: []
    suboptions:
      dest: {type: path, required: true, description: "Absolute path; missing folders above it are made, root 0755."}
      template: {type: str, description: "A template, looked for in the role's templates/."}
      vars: {type: dict, description: "Further variables for O(files[].template)."}
      file: {type: str, description: "A file taken as it is, looked for in the role's files/."}
      content: {type: str, description: "The content itself."}
      link: {type: str, description: "Be a symbolic link to this."}
      state: {type: str, default: present, choices: [present, absent, existing], description: "Existing: the content is
        another's; only owner, group and mode are ours, and where there is no such file there is nothing to do."}
      owner: {type: str, default: root, description: "Owner's name, or a number where no account has it."}
      group: {type: str, default: root, description: "Group's name."}
      mode: {type: str, default: "0644", description: "Octal, as a string."}
      validate: {type: str, description: "A command that must accept the new file, with %s in place of its path. Not asked in check mode."}
  folders:
    description: Folders to make, or to own.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {type: path, required: true, description: "Absolute path."}
      owner: {type: str, default: root, description: "Owner's name; only applied with O(folders[].mode)."}
      group: {type: str, default: root, description: "Group's name; only applied with O(folders[].mode)."}
      mode: {type: str, description: "Octal. Without it a folder that exists keeps its owner, group and mode."}
      purge: {type: list, elements: str, default: [], description: "Names (globs); what matches, is no folder and is not among O(files) is removed."}
      keep: {type: list, elements: str, default: [], description: "Names (globs) that O(folders[].purge) spares."}
"""  # noqa: E501 (one option a line reads best)

RETURN = 'paths: {description: "What changed, or would.", type: list, elements: str, returned: always}'

TEXT = {"type": "str"}
NAMES = {"type": "list", "elements": "str", "default": []}
ROOT = {"type": "str", "default": "root"}
FILE_OPTIONS = {
    **{"dest": {"type": "path", "required": True}, "content": TEXT, "link": TEXT, "validate": TEXT},
    **{"owner": ROOT, "group": ROOT, "mode": {"type": "str", "default": "0644"}},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent", "existing"]},
}
FOLDER_OPTIONS = {
    **{"path": {"type": "path", "required": True}, "owner": ROOT, "group": ROOT, "mode": TEXT},
    **{"purge": NAMES, "keep": NAMES},
}
UNFINISHED = ".hedgerow-new"  # a killed run leaves such a name behind; no drop-in folder reads names with this ending


class RefusedError(Exception):
    """The call cannot be carried out; nothing was renamed yet."""


@dataclass(frozen=True)
class Access:
    """Owner, group and mode, by name: in check mode the host need not know the names yet."""

    owner: str
    group: str
    mode: int

    def __str__(self) -> str:
        return f"{self.owner}:{self.group} {self.mode:04o}"

    def apply(self, path: Path) -> None:
        """Raises RefusedError where the host does not know a name."""
        try:
            owner = int(self.owner) if self.owner.isdigit() else pwd.getpwnam(self.owner).pw_uid
            group = int(self.group) if self.group.isdigit() else grp.getgrnam(self.group).gr_gid
        except KeyError as unknown:
            raise RefusedError(f"{path}: no such owner or group: {unknown}") from unknown
        os.chown(path, owner, group, follow_symlinks=False)
        path.chmod(self.mode)  # after chown, which clears set-id bits


def wanted(row: dict) -> Access:
    try:
        return Access(row["owner"], row["group"], int(row["mode"], 8))
    except ValueError as wrong:
        raise RefusedError(f"mode {row['mode']!r} is not an octal number in quotes") from wrong


def found(path: Path) -> Access:
    status = path.stat()
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return Access(owner, group, stat.S_IMODE(status.st_mode))


def shown(path: Path) -> str:
    """A file's text for a diff; a few words where it has none."""
    if path.is_symlink():
        return f"(link to {path.readlink()})\n"
    if path.is_file():
        return path.read_text(encoding="utf-8", errors="replace")
    return "(no regular file)\n" if path.exists() else ""


def make(folder: Path, access: Access | None = None) -> None:
    """Make a folder and what is missing above it, never open wider than meant, even for a moment."""
    if not folder.parent.is_dir():
        make(folder.parent)
    folder.mkdir(0o700)
    if access:
        access.apply(folder)
    else:
        folder.chmod(0o755)


class Placing:
    """One call: what is to change is staged and noted first, and carried out when all of it is known to be right."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.checking = module.check_mode
        self.diffs: list[dict] = []
        self.paths: list[str] = []
        self.renames: list[tuple[Path, Path]] = []
        self.accesses: list[tuple[Path, Access]] = []
        self.removals: list[Path] = []

    def note(self, path: Path, before: str, after: str, what: str = "") -> None:
        self.paths.append(str(path))
        header = f"{path} ({what})" if what else str(path)
        self.diffs.append({"before_header": header, "after_header": header, "before": before, "after": after})

    def folder(self, row: dict) -> None:
        path = Path(row["path"])
        if os.path.lexists(path) and not path.is_dir():
            raise RefusedError(f"{path} is to be a folder, and something else is there")
        if not path.is_dir():
            access = wanted(row) if row["mode"] else None
            self.note(path, "", f"{access or 'root:root 0755'}\n", "new folder")
            if not self.checking:
                make(path, access)
        elif row["mode"] and found(path) != wanted(row):
            self.change(path, wanted(row))

    def change(self, path: Path, access: Access) -> None:
        self.note(path, f"{found(path)}\n", f"{access}\n", "owner, group and mode")
        self.accesses.append((path, access))

    def purge(self, row: dict, ours: set[str]) -> None:
        folder = Path(row["path"])
        for path in sorted(folder.iterdir()) if row["purge"] and folder.is_dir() else []:
            doomed = any(fnmatchcase(path.name, glob) for glob in row["purge"]) or path.name.endswith(UNFINISHED)
            spared = any(fnmatchcase(path.name, glob) for glob in row["keep"]) or str(path) in ours
            if doomed and not spared and (path.is_symlink() or not path.is_dir()):
                self.remove(path)

    def remove(self, path: Path) -> None:
        self.note(path, shown(path), "", "removed")
        self.removals.append(path)

    def file(self, row: dict) -> None:
        path = Path(row["dest"])
        if path.is_dir() and not path.is_symlink():
            raise RefusedError(f"{path} is to be a file, and a folder is there")
        if row["state"] == "absent":
            if os.path.lexists(path):
                self.remove(path)
        elif row["state"] == "existing":
            if path.is_file() and not path.is_symlink() and found(path) != wanted(row):
                self.change(path, wanted(row))
        elif (row["content"] is None) == (row["link"] is None):
            raise RefusedError(f"{path}: either content or link is needed")
        elif row["link"] is not None:
            self.link(path, row["link"])
        else:
            self.regular(path, row)

    def link(self, path: Path, target: str) -> None:
        if path.is_symlink() and str(path.readlink()) == target:
            return
        self.note(path, shown(path), f"(link to {target})\n")
        if not self.checking:
            staged = self.staged(path)
            staged.symlink_to(target)
            self.renames.append((staged, path))

    def regular(self, path: Path, row: dict) -> None:
        access, content = wanted(row), row["content"].encode()
        regular = path.is_file() and not path.is_symlink()
        if regular and path.read_bytes() == content:
            if found(path) != access:
                self.change(path, access)
            return
        self.note(path, shown(path), row["content"], str(access))
        if not self.checking:
            self.stage(path, content, access, row["validate"])

    def stage(self, path: Path, content: bytes, access: Access, validate: str | None) -> None:
        staged = self.staged(path)
        self.renames.append((staged, path))
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        access.apply(staged)
        if validate:
            command = [word.replace("%s", str(staged)) for word in shlex.split(validate)]
            code, out, err = self.module.run_command(command)
            if code != 0:
                raise RefusedError(f"{path}: `{validate}` refuses the new content: {(out + err).strip()}")

    def staged(self, path: Path) -> Path:
        """A name beside the destination, so on the same file system, that nothing has."""
        if not path.parent.is_dir():
            make(path.parent)
        staged = path.with_name(path.name + UNFINISHED)
        staged.unlink(missing_ok=True)
        return staged

    def carry_out(self) -> None:
        if self.checking:
            return
        for staged, path in self.renames:
            staged.replace(path)
        for path, access in self.accesses:
            access.apply(path)
        for path in self.removals:
            path.unlink(missing_ok=True)

    def give_up(self) -> None:
        for staged, _ in self.renames:
            staged.unlink(missing_ok=True)


def check_call(paths: list[str]) -> None:
    """Raises RefusedError for what is wrong in the call itself, whatever the host looks like."""
    for path in paths:
        if str(Path(path)) != path or not path.startswith("/") or ".." in path.split("/"):
            raise RefusedError(f"{path!r} is not an absolute path in its shortest form")
        if paths.count(path) > 1:
            raise RefusedError(f"{path} is given more than once")


def place(placing: Placing, files: list[dict], folders: list[dict]) -> None:
    check_call([row["dest"] for row in files] + [row["path"] for row in folders])
    for row in folders:
        placing.folder(row)
        placing.purge(row, {row["dest"] for row in files})
    for row in files:  # after purging, which must not see what is staged here
        placing.file(row)
    placing.carry_out()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE_OPTIONS},
            "folders": {"type": "list", "elements": "dict", "default": [], "options": FOLDER_OPTIONS},
        },
        no_log=True,  # the call itself, contents included, must not go to the host's system log
        supports_check_mode=True,
    )
    placing = Placing(module)
    try:
        place(placing, module.params["files"], module.params["folders"])
    except (RefusedError, OSError) as problem:
        placing.give_up()
        module.fail_json(msg=str(problem), paths=placing.paths)
    diff = {"diff": placing.diffs} if module._diff else {}
    module.exit_json(changed=bool(placing.paths), paths=placing.paths, **diff)


if __name__ == "__main__":
    main()
