#!/usr/bin/python
"""Have every program and library be what its package brought."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_programs
short_description: Have every program and library be what its package brought
description:
  - Compares the files below bin, sbin, lib and libexec with the sums that came with their packages (dpkg --verify), and
    installs again the packages of those that differ. ansible.builtin.apt installs what is missing, and never again.
  - Settings are there to be changed, and what is missing an image has left out; neither counts.
  - Those sums themselves are held against what was first seen of a package's version, where that is given.
  - In check mode nothing is installed.
options:
  known:
    description: "A package with its version, -> the SHA-256 of its list of sums when it was first seen."
    type: dict
    default: {}
"""

RETURN = r"""
files: {description: "What was not as packaged.", type: list, elements: str, returned: always}
packages: {description: "What was installed again, or would be.", type: list, elements: str, returned: always}
"""

CHANGED = re.compile(r"^..5\S* +(/(?:usr/)?(?:s?bin|lib|libexec)/.+)$", re.MULTILINE)
OWNER = re.compile(r"^(?!diversion by )(.+?): /", re.MULTILINE)
VERSIONS, INFO = "${db:Status-Abbrev} ${binary:Package} ${Version}\\n", Path("/var/lib/dpkg/info")
DIFFERS = 1
"""dpkg's code where something differs; a greater one says that it could not look (dpkg(1), EXIT STATUS)."""
AGAIN = (
    "apt-get",
    "install",
    "--reinstall",
    "--yes",
    "--quiet",
    "--no-install-recommends",
    "--option=Dpkg::Options::=--force-confold",
    "--option=DPkg::Lock::Timeout=300",
)


def changed(said: str) -> list[str]:
    """Return the programs and libraries that dpkg finds changed."""
    return CHANGED.findall(said)


def owners(said: str) -> list[str]:
    """Return the packages that `dpkg-query --search` names, each once."""
    return sorted({name for names in OWNER.findall(said) for name in names.split(", ")})


def rewritten(versions: str, folder: Path, known: dict[str, str]) -> list[str]:
    """Return the packages whose list of sums is not what it was when this version was first seen."""
    found = []
    for _, name, version in (line.split() for line in versions.splitlines() if line.startswith("ii")):
        path = folder / f"{name}.md5sums"
        total = known.get(f"{name} {version}")
        if total and (not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != total):
            found.append(name)
    return sorted(found)


def main() -> None:
    module = AnsibleModule(argument_spec={"known": {"type": "dict", "default": {}}}, supports_check_mode=True)
    code, said, complaint = module.run_command(["dpkg", "--verify"])
    if code > DIFFERS:
        module.fail_json(msg=f"dpkg could not look: {complaint.strip()}")
    files = changed(said)
    packages: list[str] = []
    if files:
        _, named, _ = module.run_command(["dpkg-query", "--search", *files], check_rc=True)
        packages = owners(named)
    _, versions, _ = module.run_command(["dpkg-query", "-W", "-f", VERSIONS], check_rc=True)
    renamed = rewritten(versions, INFO, module.params["known"])
    packages = sorted({*packages, *renamed})
    files += [f"the sums of {name}" for name in renamed]
    if packages and not module.check_mode:
        quietly = {"DEBIAN_FRONTEND": "noninteractive"}
        module.run_command(["apt-get", "update", "--quiet"], check_rc=True, environ_update=quietly)
        module.run_command([*AGAIN, *packages], check_rc=True, environ_update=quietly)
    diff = {"diff": {"before": "", "after": "".join(f"{one}\n" for one in files)}} if module._diff else {}
    module.exit_json(changed=bool(files), files=files, packages=packages, **diff)


if __name__ == "__main__":
    main()
