#!/usr/bin/python
"""Make sure that Podman holds the images of the lock, each under the digest that the lock names."""

from __future__ import annotations

import re

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_podman_images
short_description: Has the locked images on the host
description:
  - An image is known by its digest alone. One that is there is never fetched again.
  - An image with an archive is copied from the controller and loaded; one without is pulled by its digest.
  - The copying is the action plugin's part. This module loads what it is told lies on the host already.
options:
  images:
    description: Rows of C(reference), ending in C(@sha256:...), and C(archive), a file on the controller or empty.
    type: list
    elements: dict
    required: true
  archives:
    description: Reference of an image, and where on the host its archive now lies. Set by the action plugin.
    type: dict
    default: {}
author: Hedgerow
"""

EXAMPLES = r"""
- name: Images | Have each by its digest
  hedgerow_podman_images:
    images:
      - {reference: "docker.io/posthog/posthog@sha256:...", archive: ""}
"""

RETURN = r"""
missing:
  description: References that are not on the host. After a run that changed them, none.
  type: list
  returned: always
fetched:
  description: References that were loaded or pulled.
  type: list
  returned: always
"""
REFERENCE = re.compile(r"(?P<name>[^@\s]+)@sha256:[0-9a-f]{64}")


class Images:
    """Podman's images, asked and changed through its command line."""

    def __init__(self, module: AnsibleModule, podman: str) -> None:
        self.module = module
        self.podman = podman

    def has(self, reference: str) -> bool:
        code, _, error = self.module.run_command([self.podman, "image", "exists", reference])
        if code not in (0, 1):
            self.module.fail_json(msg=f"podman cannot say whether it has {reference}: {error.strip()}")
        return code == 0

    def load(self, reference: str, archive: str) -> None:
        """Take one image out of an OCI archive, which may hold several, each under the whole name of the lock."""
        self._run("pull", "--quiet", f"oci-archive:{archive}:{reference}")
        if not self.has(reference):
            self.module.fail_json(msg=f"the archive for {reference} holds another image under that name")

    def pull(self, reference: str) -> None:
        """Pull by digest: the registry can answer with these bytes or with none."""
        self._run("pull", "--quiet", reference)

    def _run(self, *arguments: str) -> None:
        code, _, error = self.module.run_command([self.podman, *arguments])
        if code != 0:
            self.module.fail_json(msg=f"podman {' '.join(arguments)}: {error.strip()[-800:]}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "required": True},
            "archives": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    rows = module.params["images"]
    for row in rows:
        if not REFERENCE.fullmatch(row["reference"]):
            module.fail_json(msg=f"{row['reference']} names no digest; only name@sha256:... is ever run")

    podman = module.get_bin_path("podman")
    if podman is None and not module.check_mode:
        module.fail_json(msg="podman is not installed")
    # Before a first converge Podman is only promised: then every image is missing.
    images = Images(module, podman) if podman else None
    missing = [row for row in rows if images is None or not images.has(row["reference"])]
    fetched = []
    for row in missing if images and not module.check_mode else []:
        reference = row["reference"]
        if reference in module.params["archives"]:
            images.load(reference, module.params["archives"][reference])
        elif not row["archive"]:
            images.pull(reference)
        else:
            continue  # its archive is still on the controller
        fetched.append(reference)
    left = [row["reference"] for row in missing if row["reference"] not in fetched]
    wanted = fetched or left
    module.exit_json(
        changed=bool(fetched or (module.check_mode and left)),
        missing=left,
        fetched=fetched,
        diff={"before": "", "after": "".join(f"image {reference}\n" for reference in wanted)},
    )


if __name__ == "__main__":
    main()
