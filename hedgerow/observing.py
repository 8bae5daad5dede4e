"""What a host shows of its disks, services and numbers: the program of its own timer, handed over and asked once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hedgerow import measured, ssh
from hedgerow.deployment import REPOSITORY
from hedgerow.errors import UnreachableError
from hedgerow.hosts import Host

PROGRAM = REPOSITORY / "roles" / "health" / "files" / "looking.py"


def ask(host: Host, known_hosts: Path, question: Mapping[str, Any]) -> measured.Measured:
    """Ask one host a question of `health.question`. Raises UnreachableError when it cannot be asked."""
    words = ["sudo", "-n", "python3", "-", ssh.quoted([json.dumps(question)])]
    answer = ssh.ask(host, known_hosts, words, stdin=PROGRAM.read_text(), seconds=180)
    if answer.returncode:
        raise UnreachableError(f"{host.name}: could not look at its services: {answer.stderr.strip()[-300:]}")
    return measured.read(json.loads(answer.stdout))
