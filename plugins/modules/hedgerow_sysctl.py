#!/usr/bin/python
"""Hold the running kernel to its parameters; the files that hold them over a restart are another task's."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_sysctl
short_description: Hold the running kernel to its parameters
description:
  - Reads every parameter and writes those that differ.
  - A C(*) in a name stands for each interface there is, as in sysctl.d(5).
  - A name this kernel does not have, IPv6 switched off for example, is reported and not an error.
options:
  parameters:
    description: Names with dots, and values.
    type: dict
    required: true
"""

RETURN = r"""
missing: {description: "Names this kernel does not have.", type: list, elements: str, returned: always}
"""

ROOT = Path("/proc/sys")


def differing(parameters: dict[str, str], root: Path = ROOT) -> tuple[dict[Path, tuple[str, str]], list[str]]:
    """Return what differs, as path to (found, wanted), and the names that do not exist."""
    changes: dict[Path, tuple[str, str]] = {}
    missing = []
    for name, wanted in parameters.items():
        paths = sorted(root.glob(name.replace(".", "/")))
        missing += [] if paths else [name]
        for path in paths:
            found = " ".join(path.read_text(encoding="ascii").split())
            if found != wanted:
                changes[path] = (found, wanted)
    return changes, missing


def main() -> None:
    module = AnsibleModule(argument_spec={"parameters": {"type": "dict", "required": True}}, supports_check_mode=True)
    try:
        changes, missing = differing({name: str(value) for name, value in module.params["parameters"].items()})
        for path, (_, wanted) in changes.items():
            if not module.check_mode:
                path.write_text(wanted, encoding="ascii")
    except OSError as problem:
        module.fail_json(msg=f"the kernel refuses a parameter: {problem}")
    diff = {}
    if module._diff:
        names = {path: ".".join(path.relative_to(ROOT).parts) for path in changes}
        diff["diff"] = {
            "before": "".join(f"{names[path]} = {found}\n" for path, (found, _) in changes.items()),
            "after": "".join(f"{names[path]} = {wanted}\n" for path, (_, wanted) in changes.items()),
        }
    module.exit_json(changed=bool(changes), missing=missing, **diff)


if __name__ == "__main__":
    main()
