"""What a new machine does at its first boot, before anybody reaches it: cloud-init's user data."""

from __future__ import annotations

import json
import textwrap

from hedgerow.targets.cloud.first_boot import MOVE


def user_data(account: str, public_key: str) -> str:
    """Return the user data. It can be read by whoever may describe the instance, and holds no secret.

    `account` becomes the name of the image's own account, with its rights (cloud-init, Users and Groups, `user`).
    """
    return (
        "#cloud-config\n"
        f"user: {json.dumps({'name': account})}\n"
        "disable_root: true\n"
        "ssh_pwauth: false\n"
        f"ssh_authorized_keys: {json.dumps([public_key])}\n"
        "write_files:\n"
        "  - path: /usr/local/sbin/hedgerow-first-boot\n"
        '    permissions: "0755"\n'
        f"    content: |\n{textwrap.indent(MOVE, '      ')}"
        "runcmd:\n"
        "  - [/usr/local/sbin/hedgerow-first-boot]\n"
    )
