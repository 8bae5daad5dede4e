#!/usr/bin/python
"""Lay files that an image carries beside the containers that need them, always as that image has them."""

from __future__ import annotations

import copy
import filecmp
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_from_images
short_description: Has files of an image on the host, for another container to mount
description:
  - Files lie in C(FOLDER/DIGEST/PATH), root's and nobody else's to change. The image itself says each time what they are, byte
    by byte; what differs is laid down anew, as a folder of its own that takes the other's place.
  - An image volume would do without a copy, but Podman 4.9 mounts no part of an image.
  - An C(unversioned) file is made of one that declares executable functions, under the names without their version, and
    lies in C(FOLDER/DIGEST/unversioned/PATH).
options:
  files: {description: "Rows of C(reference), C(path) in the image and C(unversioned).", type: list, elements: dict, required: true}
  tidy: {description: "Remove what other images have left there, and lay nothing down.", type: bool, default: false}
  folder: {description: "Where they lie.", type: path, default: /var/lib/hedgerow/from-images}
author: Hedgerow
"""  # noqa: E501 (one option a line reads best)

RETURN = (
    'paths: {description: "What was laid down or removed, or would be.", type: list, elements: str, returned: always}'
)
ROW = re.compile(r"[^@\s]+@sha256:(?P<digest>[0-9a-f]{64})")
VERSIONED = re.compile(r"(.+)_v(\d+)")


class UnfitError(Exception):
    """What the image holds cannot be laid down."""


def unversioned(text: str) -> str:
    """Return the newest version of each function under its name without the version.

    Upstream's posthog/udf_versioner.py makes the image's file of one with plain names, which is in no image; and plain
    names are what a self-hosted PostHog asks for (posthog/hogql/functions/udfs.py: is_cloud() or is_ci()).
    """
    newest: dict[str, tuple[int, ElementTree.Element]] = {}
    for function in ElementTree.fromstring(text).findall("function"):  # noqa: S314 (a file of the image that we run)
        found = VERSIONED.fullmatch(function.findtext("name", "").strip())
        if found and newest.get(found[1], (-1, function))[0] < int(found[2]):
            newest[found[1]] = (int(found[2]), function)
    if not newest:
        raise UnfitError("it declares no function with a version in its name")
    made = ElementTree.Element("functions")
    for name, (_, function) in sorted(newest.items()):
        plain = copy.deepcopy(function)
        plain.find("name").text = name
        plain.tail = None
        made.append(plain)
    ElementTree.indent(made)
    return ElementTree.tostring(made, encoding="unicode") + "\n"


def place_of(folder: Path, row: dict[str, str]) -> Path:
    """Return where a row's files lie."""
    inside = Path("unversioned") if row["unversioned"] else Path()
    return folder / ROW.fullmatch(row["reference"])["digest"] / inside / row["path"].lstrip("/")


def mode_of(path: Path) -> int:
    """Return the mode in which we lay it down: everybody reads, nobody writes but root."""
    return 0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644


def equal(ours: Path, theirs: Path) -> bool:
    """Say whether a file or a whole folder is as the image has it, and root's alone to change."""
    if not ours.exists() or ours.is_symlink() or ours.is_dir() != theirs.is_dir():
        return False
    found = ours.stat()
    if found.st_uid or found.st_gid or stat.S_IMODE(found.st_mode) != mode_of(theirs):
        return False
    if not theirs.is_dir():
        return filecmp.cmp(ours, theirs, shallow=False)
    names = {path.name for path in theirs.iterdir()}
    return names == {path.name for path in ours.iterdir()} and all(equal(ours / name, theirs / name) for name in names)


def lay(theirs: Path, place: Path) -> None:
    """Copy a file or folder of the image. Raises UnfitError for what is neither: a link would lead who knows where."""
    if theirs.is_symlink() or not (theirs.is_dir() or theirs.is_file()):
        raise UnfitError(f"{theirs.name} is neither a file nor a folder")
    if theirs.is_dir():
        place.mkdir()
        for path in theirs.iterdir():
            lay(path, place / path.name)
    else:
        shutil.copyfile(theirs, place)
    os.chown(place, 0, 0)
    place.chmod(mode_of(theirs))


def put(theirs: Path, place: Path) -> None:
    """Have it at its place, made beside it and renamed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(dir=place.parent, prefix=".new-"))
    try:
        lay(theirs, workshop / "new")
        if place.exists():
            place.rename(workshop / "old")
        (workshop / "new").rename(place)
    finally:
        shutil.rmtree(workshop)


class Image:
    """An image's files, mounted read-only while they are looked at."""

    def __init__(self, module: AnsibleModule, podman: str, reference: str) -> None:
        self.module, self.podman, self.reference = module, podman, reference

    def __enter__(self) -> Path:
        code, out, error = self.module.run_command([self.podman, "image", "mount", self.reference])
        if code:
            self.module.fail_json(msg=f"podman image mount {self.reference}: {error.strip()[-800:]}")
        return Path(out.strip())

    def __exit__(self, *_: object) -> None:
        self.module.run_command([self.podman, "image", "unmount", self.reference])


def hold(module: AnsibleModule, podman: str, folder: Path, rows: list[dict[str, str]]) -> list[str]:
    """Lay down what is not as its image has it; return where."""
    changed = []
    for reference in dict.fromkeys(row["reference"] for row in rows):
        with Image(module, podman, reference) as root, tempfile.TemporaryDirectory() as scratch:
            for row in (row for row in rows if row["reference"] == reference):
                place, theirs = place_of(folder, row), root / row["path"].lstrip("/")
                try:
                    if not theirs.exists():
                        raise UnfitError("the image has no such thing")
                    if row["unversioned"]:
                        made = Path(scratch, "made.xml")
                        made.write_text(unversioned(theirs.read_text(encoding="utf-8")), encoding="utf-8")
                        made.chmod(0o644)
                        theirs = made
                    if equal(place, theirs):
                        continue
                    changed.append(str(place))
                    if not module.check_mode:
                        put(theirs, place)
                except (UnfitError, ElementTree.ParseError, UnicodeDecodeError) as error:
                    module.fail_json(msg=f"{row['path']} of {reference}: {error}")
    return changed


def leftovers(folder: Path, rows: list[dict[str, str]]) -> list[Path]:
    """Return what lies there of images that no row names."""
    wanted = {ROW.fullmatch(row["reference"])["digest"] for row in rows}
    return sorted(path for path in folder.iterdir() if path.name not in wanted) if folder.is_dir() else []


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True},
            "tidy": {"type": "bool", "default": False},
            "folder": {"type": "path", "default": "/var/lib/hedgerow/from-images"},
        },
        supports_check_mode=True,
    )
    folder, rows = Path(module.params["folder"]), module.params["files"]
    for row in rows:
        if not ROW.fullmatch(row["reference"]) or not row["path"].startswith("/") or ".." in row["path"].split("/"):
            module.fail_json(msg=f"{row}: an image by digest and an absolute path in it")
    podman = module.get_bin_path("podman")
    if module.params["tidy"]:
        found = leftovers(folder, rows)
        changed = [str(path) for path in found]
        for path in found if not module.check_mode else ():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif module.check_mode and not (podman and all(_has(module, podman, row["reference"]) for row in rows)):
        # Before a first converge Podman and its images are only promised.
        changed = [str(place_of(folder, row)) for row in rows if not place_of(folder, row).exists()]
    elif podman is None and rows:
        module.fail_json(msg="podman is not installed")
    else:
        changed = hold(module, podman, folder, rows) if rows else []
    verb = "remove" if module.params["tidy"] else "lay down"
    module.exit_json(
        changed=bool(changed),
        paths=changed,
        diff={"before": "", "after": "".join(f"{verb} {path}\n" for path in changed)},
    )


def _has(module: AnsibleModule, podman: str, reference: str) -> bool:
    code, _, _ = module.run_command([podman, "image", "exists", reference])
    return code == 0


if __name__ == "__main__":
    main()
