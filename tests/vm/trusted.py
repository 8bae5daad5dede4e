"""A TPM for the lab's machine: swtpm, which answers as the chip would, put before QEMU by a command of its name."""

from __future__ import annotations

from pathlib import Path

from hedgerow.targets.lab.commands import SYSTEM_PATH

NEEDED = {"swtpm": "swtpm"}
COMMAND = """\
#!/bin/sh
swtpm socket --tpm2 --tpmstate dir={folder} --ctrl type=unixio,path={folder}/asked --daemon --terminate
exec {qemu} "$@" -chardev socket,id=tpm,path={folder}/asked -tpmdev emulator,id=tpm0,chardev=tpm \\
  -device tpm-tis,tpmdev=tpm0
"""


def path_with(folder: Path, qemu: str) -> str:
    """Return a PATH by which `qemu`, a program's whole path, runs with a TPM whose state is kept in a folder."""
    state, commands = folder / "tpm", folder / "commands"
    for each in (state, commands):
        each.mkdir(mode=0o700, exist_ok=True)
    command = commands / Path(qemu).name
    command.write_text(COMMAND.format(folder=state, qemu=qemu))
    command.chmod(0o755)
    return f"{commands}:{SYSTEM_PATH}"
