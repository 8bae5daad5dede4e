# Files that a container sees at given places, held against those of the image that its mount names by digest. Podman
# mounts the image, read-only, while we look. Prints null where the container does not run.
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree


def podman(*words):
    return subprocess.run(["podman", *words], capture_output=True, text=True, check=True).stdout


def seen(top):
    """Return what lies at a place: path -> sum of its bytes, or what else it is; a program is marked."""
    found = {}
    for path in [top, *top.rglob("*")]:
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            mark = "x " if os.access(path, os.X_OK) else ""
            found[name] = mark + hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "nothing"
    return found


def functions(path, plain):
    """Return the functions that a file declares, by name without a version: what each is, the newest alone."""
    found = {}
    for each in ElementTree.parse(path).findall("function"):  # noqa: S314 (of an image that runs here)
        name = each.find("name").text.strip()
        version = re.fullmatch(r"(.+)_v(\d+)", name)
        if plain == bool(version):
            found[name] = (-1, "its name has a version" if plain else "its name has none")
            continue
        parts = [ElementTree.tostring(part).decode() for part in each if part.tag != "name"]
        words = [re.sub(r"\s+", " ", part).strip() for part in parts]
        base, number = (name, 0) if plain else (version[1], int(version[2]))
        if found.get(base, (-1, ""))[0] < number or plain:
            found[base] = (number, words)
    return {name: words for name, (_, words) in found.items()}


asked = json.loads(sys.argv[1])
answers = {}
if asked:
    name = "hedgerow-" + asked[0][0]
    runs = name in podman("ps", "--format", "{{.Names}}").split()
    shown = json.loads(podman("container", "inspect", name)) if runs else []
    pid = shown[0]["State"]["Pid"] if shown else 0
    if not pid:
        print("null")
        sys.exit()
    images = json.loads(podman("images", "--all", "--no-trunc", "--format", "json"))
    options = {}
    for line in Path("/proc", str(pid), "mountinfo").read_text().splitlines():
        options[line.split()[4]] = line.split()[5].split(",")
    mounts = {each["Destination"]: each["Source"] for each in shown[0]["Mounts"]}
    for _, path, target, _, changed in asked:
        answer = {
            "digest": "",
            "why": "not mounted from a folder of a digest",
            "writable": True,
            "wrong": [],
            "files": 0,
        }
        answers[target] = answer
        digest = re.search(r"/([0-9a-f]{64})/", mounts.get(target, ""))
        if not digest:
            continue
        named = "sha256:" + digest[1]
        holders = [
            each["Id"]
            for each in images
            if each.get("Digest") == named or any(name.endswith("@" + named) for name in each.get("RepoDigests") or [])
        ]
        if not holders:
            answer["why"] = f"this host has no image {named[:19]}"
            continue
        answer.update(digest=named, writable="ro" not in options.get(target, []))
        root = Path(podman("image", "mount", holders[0]).strip())
        try:
            ours, theirs = Path(f"/proc/{pid}/root{target}"), Path(f"{root}{path}")
            if changed:
                mine, other = functions(ours, True), functions(theirs, False)
            else:
                mine, other = seen(ours), seen(theirs)
            answer["wrong"] = sorted(name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name))
            answer["files"] = len(other)
        except (ElementTree.ParseError, OSError) as error:
            answer["wrong"] = [type(error).__name__]
        finally:
            podman("image", "unmount", holders[0])
print(json.dumps(answers))
