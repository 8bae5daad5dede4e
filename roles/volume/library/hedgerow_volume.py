#!/usr/bin/python
"""Have an encrypted volume on a disk: formatted, with the keys that are declared and no other, and open."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_volume
short_description: Have an encrypted volume on a disk, with the keys that are declared and no other
description:
  - Formats a disk (LUKS2) on which nothing is, and refuses any other that its passphrase does not open.
  - Binds it to the Tang server or to the TPM that is declared (clevis-luks-bind(1)), and removes every other key but
    the one that the passphrase opens; a key that was added by hand is gone after the next run.
  - Opens it, and makes a file system where there is none.
  - The passphrase goes to programs by their standard input. In check mode a disk that is not formatted yet is promised.
options:
  device: {type: path, required: true, description: "The disk."}
  name: {type: str, required: true, description: "The opened volume's name below /dev/mapper."}
  unlock: {type: str, choices: [tang, tpm2], required: true, description: "Who opens it when the host starts."}
  tang: {type: str, default: "", description: "The Tang server's address."}
  thumbprint: {type: str, default: "", description: "The thumbprint of its signing key."}
  passphrase: {type: str, required: true, description: "What opens it when nobody else does."}
"""

RETURN = r"""
done: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

# AES in XTS with two keys of 256 bits (NIST SP 800-38E); what guesses at the passphrase pays in memory for each guess
# (RFC 9106). 256 MiB of it, so that small hosts open their volume too.
FORMAT = (
    *(
        "cryptsetup",
        "luksFormat",
        "--type",
        "luks2",
        "--batch-mode",
        "--cipher",
        "aes-xts-plain64",
        "--key-size",
        "512",
    ),
    *("--hash", "sha256", "--pbkdf", "argon2id", "--pbkdf-memory", "262144", "--key-file", "-"),
)
FILE_SYSTEM = "ext4"
SLOT = re.compile(r"[Kk]ey slot (\d+) unlocked")


class RefusedError(Exception):
    """The disk is not as it would have to be, and nothing was changed."""


@dataclass
class Disk:
    """One disk, asked and changed through the module's runner."""

    module: AnsibleModule
    device: str
    name: str
    done: list[str] = field(default_factory=list)

    @property
    def mapped(self) -> Path:
        """Where the opened volume is."""
        return Path("/dev/mapper", self.name)

    def ask(self, *words: str, secret: str | None = None) -> tuple[int, str, str]:
        """Run a command. Without `binary_data` a line's end would become part of the passphrase."""
        code, out, err = self.module.run_command(list(words), data=secret, binary_data=True)
        return code, out, err

    @property
    def passphrase(self) -> str:
        """What opens it when nobody else does."""
        return str(self.module.params["passphrase"])

    def dump(self) -> str:
        """Return what its header says of itself, as JSON."""
        return self.ask("cryptsetup", "luksDump", "--dump-json-metadata", self.device)[1]

    def own_slot(self) -> int | None:
        """Return the slot that the passphrase opens; None where it opens none."""
        # Without tokens, or the Tang server would open it and any passphrase seem right.
        code, out, err = self.ask(
            *("cryptsetup", "open", "--test-passphrase", "--disable-external-tokens", "--verbose", "--key-file", "-"),
            self.device,
            secret=self.passphrase,
        )
        found = SLOT.search(out + err)
        return int(found[1]) if code == 0 and found else None

    def have(self, what: str, *words: str, secret: str | None = None) -> None:
        """Do something, or say in a plan that it would be done."""
        self.done.append(what)
        if self.module.check_mode:
            return
        code, out, err = self.ask(*words, secret=secret)
        if code != 0:
            raise RefusedError(f"{what}: {' '.join(words[:3])} ended with {code}: {(err or out).strip()}")


def empty(disk: Disk) -> None:
    """Raise RefusedError unless nothing is on the disk, as far as the kernel and blkid(8) know."""
    code, said, err = disk.ask("lsblk", "--json", "--output", "PATH,TYPE,FSTYPE,MOUNTPOINTS", disk.device)
    if code != 0:
        raise RefusedError(
            f"there is no disk {disk.device} on this host ({err.strip()}); `ls /dev/disk/by-id` lists them"
        )
    row = json.loads(said)["blockdevices"][0]
    _, signature, _ = disk.ask("blkid", "--probe", "--output", "export", disk.device)
    kind = re.search(r"^(?:TYPE|PTTYPE)=(.+)$", signature, re.MULTILINE)
    what = "it has partitions" if row.get("children") else f"it holds {kind[1]}" if kind else ""
    if what or any(row.get("mountpoints") or ()):
        raise RefusedError(
            f"{disk.device} is not empty: {what or 'it is mounted'}; only an empty disk is formatted. If nothing"
            f" on it is needed, say so yourself on the host: wipefs --all {disk.device}"
        )


@dataclass(frozen=True)
class Binding:
    """Who opens a slot without a passphrase: the pin, its server and the thumbprints of the keys it was bound to."""

    pin: str
    url: str = ""
    thumbprints: frozenset[str] = frozenset()

    def is_declared(self, unlock: str, tang: str, thumbprint: str) -> bool:
        """Tell whether it is the declared one."""
        return self.pin == unlock and (unlock != "tang" or (self.url == tang and thumbprint in self.thumbprints))


def slots(dump: str) -> set[int]:
    """Return the slots in use, by the header's own record (cryptsetup-luksDump(8), --dump-json-metadata)."""
    return {int(slot) for slot in json.loads(dump)["keyslots"]}


def bindings(dump: str) -> dict[int, Binding]:
    """Return who opens which slot, by the tokens that clevis(1) left in the header."""
    found = {}
    for token in json.loads(dump)["tokens"].values():
        if token["type"] != "clevis":
            continue
        node = json.loads(decoded(token["jwe"]["protected"]))["clevis"]
        pinned = node.get(node["pin"], {})
        keys = pinned.get("adv", {}).get("keys", [])
        prints = frozenset(thumbprint(key, algorithm) for key in keys for algorithm in ("sha1", "sha256"))
        binding = Binding(node["pin"], str(pinned.get("url", "")).rstrip("/"), prints)
        found |= {int(slot): binding for slot in token["keyslots"]}
    return found


def thumbprint(key: dict[str, Any], algorithm: str) -> str:
    """Return a key's thumbprint (RFC 7638; Tang's keys are on an elliptic curve)."""
    own = json.dumps({name: key.get(name) for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.new(algorithm, own.encode()).digest()).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Decode base64 as JOSE writes it, without its padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def settings(unlock: str, tang: str, thumbprint: str) -> str:
    """Return a pin's settings for `clevis luks bind`."""
    if unlock == "tang":
        return json.dumps({"url": tang, "thp": thumbprint})
    # The state of Secure Boot: a disk in another host stays shut, and a kernel that is updated does not shut it.
    return json.dumps({"pcr_bank": "sha256", "pcr_ids": "7"})


def keys(disk: Disk, wanted: dict[str, str], mine: int) -> None:
    """Have the declared binding and the passphrase's slot, and no other."""
    dump = disk.dump()
    bound = bindings(dump)
    good = [slot for slot, binding in sorted(bound.items()) if binding.is_declared(**wanted)][:1]
    if not good:
        disk.have(
            f"bind {disk.device} to {wanted['tang'] or 'the TPM'}",
            *("clevis", "luks", "bind", "-y", "-k", "-", "-d", disk.device, wanted["unlock"], settings(**wanted)),
            secret=disk.passphrase,
        )
    for slot in sorted(slots(dump) - {mine, *good}):
        disk.have(
            f"remove the key in slot {slot} of {disk.device}",
            *("cryptsetup", "luksKillSlot", "--batch-mode", "--key-file", "-", disk.device, str(slot)),
            secret=disk.passphrase,
        )
    for token, slot in tokens(dump):
        if slot in {mine, *good}:
            continue
        disk.have(
            f"forget who opened slot {slot} of {disk.device}",
            *("cryptsetup", "token", "remove", "--token-id", str(token), disk.device),
        )


def tokens(dump: str) -> list[tuple[int, int]]:
    """Return each token with the slot that it is for."""
    found = json.loads(dump)["tokens"]
    return [(int(token), int(slot)) for token, each in found.items() for slot in each["keyslots"]]


def formatted(disk: Disk, wanted: dict[str, str]) -> None:
    """Have the volume: formatted, with its keys, open, and with a file system."""
    code, _, _ = disk.ask("cryptsetup", "isLuks", disk.device)
    if code != 0:
        empty(disk)
        disk.have(f"encrypt {disk.device}", *FORMAT, disk.device, secret=disk.passphrase)
        if disk.module.check_mode:
            disk.done += [f"bind {disk.device} to {wanted['tang'] or 'the TPM'}", f"open it as {disk.mapped}"]
            return
    mine = disk.own_slot()
    if mine is None:
        raise RefusedError(
            f"{disk.device} is encrypted, and the passphrase of this deployment's vault does not open it. If nothing"
            f" on it is needed, say so yourself on the host: wipefs --all {disk.device}"
        )
    keys(disk, wanted, mine)
    if not disk.mapped.exists():
        disk.have(
            f"open it as {disk.mapped}",
            *("cryptsetup", "open", "--key-file", "-", disk.device, disk.name),
            secret=disk.passphrase,
        )
        if disk.module.check_mode:
            return
    _, there, _ = disk.ask("blkid", "--probe", "--output", "value", "--match-tag", "TYPE", str(disk.mapped))
    if not there.strip():
        disk.have(f"make a file system on {disk.mapped}", f"mkfs.{FILE_SYSTEM}", "-q", "-m", "1", str(disk.mapped))
    elif there.strip() != FILE_SYSTEM:
        raise RefusedError(f"{disk.mapped} holds {there.strip()}, and not {FILE_SYSTEM}: it is not ours")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "device": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "unlock": {"type": "str", "choices": ["tang", "tpm2"], "required": True},
            "tang": {"type": "str", "default": ""},
            "thumbprint": {"type": "str", "default": ""},
            "passphrase": {"type": "str", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    wanted = {key: module.params[key] for key in ("unlock", "tang", "thumbprint")}
    disk = Disk(module, module.params["device"], module.params["name"])
    if not Path(disk.device).exists():
        module.fail_json(msg=f"there is no disk {disk.device} on this host; `ls /dev/disk/by-id` lists those that are")
    if module.check_mode and not module.get_bin_path("cryptsetup"):
        module.exit_json(changed=True, done=[f"encrypt {disk.device}, once its tools are installed"])
    try:
        formatted(disk, wanted)
    except RefusedError as refused:
        module.fail_json(msg=str(refused), done=disk.done)
    diff = {"diff": {"before": "", "after": "".join(f"{one}\n" for one in disk.done)}} if module._diff else {}
    module.exit_json(changed=bool(disk.done), done=disk.done, **diff)


if __name__ == "__main__":
    main()
