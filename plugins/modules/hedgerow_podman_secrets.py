#!/usr/bin/python
"""Make Podman hold exactly the secrets that are declared."""

from __future__ import annotations

import json

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_podman_secrets
short_description: States every Podman secret of ours in one call
description:
  - Creates and replaces secrets whose value differs, and removes those with our prefix that are no longer declared.
  - Values go to Podman on its standard input, never on a command line, and are never returned.
options:
  secrets:
    description: Name of a secret, with our prefix, and what it holds.
    type: dict
    required: true
  prefix:
    description: Secrets whose name begins so are ours, also those to remove.
    type: str
    default: hedgerow-
author: Hedgerow
"""

EXAMPLES = r"""
- name: Secrets | Give each service its own
  hedgerow_podman_secrets:
    secrets: {hedgerow-web-secret-key: "{{ vault.posthog.secret_key }}"}
  no_log: true
"""

RETURN = r"""
replaced:
  description: Names of secrets that were created or got another value.
  type: list
  returned: always
removed:
  description: Names of secrets that are no longer declared.
  type: list
  returned: always
"""


def held(module: AnsibleModule, podman: str, prefix: str) -> dict[str, str]:
    """Return the secrets that Podman holds under our prefix. Their values stay in this process."""
    _, listed, _ = module.run_command([podman, "secret", "ls", "--format", "{{.Name}}"], check_rc=True)
    names = [name for name in listed.split() if name.startswith(prefix)]
    if not names:
        return {}
    _, shown, _ = module.run_command([podman, "secret", "inspect", "--showsecret", *names], check_rc=True)
    return {each["Spec"]["Name"]: each["SecretData"] for each in json.loads(shown)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "secrets": {"type": "dict", "required": True, "no_log": True},
            "prefix": {"type": "str", "default": "hedgerow-"},
        },
        supports_check_mode=True,
    )
    declared: dict[str, str] = {name: str(value) for name, value in module.params["secrets"].items()}
    prefix = module.params["prefix"]
    for name, value in declared.items():
        if not name.startswith(prefix):
            module.fail_json(msg=f"secret {name} does not begin with {prefix}, so it could never be removed")
        if not value:
            module.fail_json(msg=f"secret {name} is empty; Podman holds no empty secrets")

    podman = module.get_bin_path("podman")
    if podman is None and not module.check_mode:
        module.fail_json(msg="podman is not installed")
    # Before a first converge Podman is only promised: then every secret is still to be made.
    current = held(module, podman, prefix) if podman else {}
    replaced = sorted(name for name, value in declared.items() if current.get(name) != value)
    removed = sorted(current.keys() - declared.keys())
    if not module.check_mode:
        for name in replaced:
            module.run_command(
                [podman, "secret", "create", "--replace", name, "-"],
                data=declared[name],
                binary_data=True,
                check_rc=True,
            )
        if removed:
            module.run_command([podman, "secret", "rm", *removed], check_rc=True)
    after = "\n".join(
        [f"secret {name}: {'another value' if name in current else 'new'}" for name in replaced]
        + [f"secret {name}: removed" for name in removed]
    )
    module.exit_json(
        changed=bool(replaced or removed),
        replaced=replaced,
        removed=removed,
        diff={"before": "", "after": after + "\n" if after else ""},
    )


if __name__ == "__main__":
    main()
