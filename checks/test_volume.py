"""Data at rest: what the stores' folders lie on, by what it is encrypted, and who can open it."""

from __future__ import annotations

import base64
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest

from checks.gathered import own_kernel
from hedgerow.checking import CouldNotAsk, NotExercised

FOLDERS = ("/var/lib/postgresql", "/var/lib/valkey", "/var/lib/containers/storage/volumes")
MOUNTS = "findmnt --json --list --output TARGET,SOURCE,FSTYPE"
BELOW = "lsblk --json --inverse --output PATH,TYPE {}"
STATUS = "cryptsetup status {}"
HEADER = "cryptsetup luksDump --dump-json-metadata {}"
# What lies in memory, or in the files of another file system, is not at rest here.
NOT_AT_REST = ("tmpfs", "ramfs", "overlay", "nsfs")
# The key goes from one program to the other and is seen by nobody.
OPENS = "clevis luks pass -d {device} -s {slot} | cryptsetup open --test-passphrase --disable-external-tokens {device}"
CIPHER, KEY_BITS = "aes-xts-plain64", 512
KDF = "argon2id"


@dataclass(frozen=True)
class Volume:
    """An opened volume and the disk that it is on."""

    mapped: str
    disk: str


def covering(mounts: list[tuple[str, str]], folder: str) -> list[tuple[str, str]]:
    """Return what holds a folder's files: the mount that it is in, and each below it; the last at a place counts."""
    here, path = dict(mounts), PurePosixPath(folder)
    around = next((str(each) for each in (path, *path.parents) if str(each) in here), "")
    below = [place for place in here if place.startswith(f"{folder}/")]
    return [(place, here[place]) for place in (around, *below) if place]


def encrypted_on(told: str) -> Volume | None:
    """Return the encrypted volume that a device is or lies on; None where there is none."""
    rows = []

    def down(row):
        rows.append(row)
        for child in row.get("children", ()):
            down(child)

    for row in json.loads(told)["blockdevices"]:
        down(row)
    at = next((index for index, row in enumerate(rows) if row["type"] == "crypt"), None)
    return None if at is None or at + 1 >= len(rows) else Volume(rows[at]["path"], rows[at + 1]["path"])


@pytest.fixture
def places(host, finding):
    """Return each place where data of the stores lies, with its encrypted volume or None."""
    return lying(host, finding)


def lying(host, finding):
    """Ask the kernel for each place where data of the stores lies: its encrypted volume, or None."""
    own_kernel(host, finding)
    rows = json.loads(finding.ask(host, MOUNTS).stdout)["filesystems"]
    mounts = [(row["target"], row["source"]) for row in rows if row["fstype"] not in NOT_AT_REST]
    found = {}
    for folder in FOLDERS:
        for place, source in covering(mounts, folder):
            device = source.partition("[")[0]
            # A share, or a file system that is no block device's: this kernel encrypts nothing of it.
            below = finding.ask(host, BELOW.format(shlex.quote(device))).stdout if device.startswith("/dev/") else ""
            found[place if place.startswith(folder) else folder] = encrypted_on(below) if below else None
    if not found:
        raise CouldNotAsk(f"none of {', '.join(FOLDERS)} lies on a disk")
    return found


@pytest.fixture
def volumes(places):
    """Return the encrypted volumes, or say that there is none to ask about."""
    found = sorted({each for each in places.values() if each}, key=lambda each: each.mapped)
    if not found:
        raise NotExercised("no encrypted volume holds the stores' data")
    return found


@pytest.fixture
def declared_volume(volumes, declared):
    """Return the one volume that is declared."""
    if not declared.volume:
        raise NotExercised("the volume is not one of Hedgerow's (encrypted_volume in deploy.yml)")
    return volumes[0]


def header(host, finding, disk):
    """Return what a volume's header says of its keys."""
    return json.loads(finding.ask(host, HEADER.format(shlex.quote(disk))).stdout)


def bound(metadata):
    """Return who opens which slot without a passphrase: slot -> pin, by clevis' tokens."""
    found = {}
    for token in metadata["tokens"].values():
        if token.get("type") == "clevis":
            pin = re.search(r'"pin":"(\w+)"', _decoded(token["jwe"]["protected"]))
            found |= dict.fromkeys(token["keyslots"], pin[1] if pin else "?")
    return found


def _decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(errors="replace").replace(" ", "")


@pytest.mark.control("volume.encrypted")
def test_the_stores_data_is_encrypted(finding, places, declared):
    """Asked of the kernel: which device each folder's files lie on, and whether that is one of dm-crypt's."""
    finding.expect("every folder of the stores on a volume that the kernel encrypts")
    plain = sorted(place for place, volume in places.items() if volume is None)
    finding.observe(
        "; ".join(f"{place}: {volume.mapped if volume else 'in the clear'}" for place, volume in places.items())
    )
    if len(plain) == len(places) and not declared.volume:
        raise NotExercised(
            "no encrypted_volume is declared, and this host encrypts nothing itself; if it is encrypted below the host,"
            " say so in attestations (164.310(d)(1))"
        )
    assert not plain, f"in the clear: {', '.join(plain)}"


@pytest.mark.control("volume.sound-cipher")
def test_the_cipher_and_what_guards_its_keys_are_sound(host, finding, volumes):
    """What the kernel encrypts with now; and of every slot that a person's passphrase may open, what guessing costs."""
    finding.expect(f"{CIPHER} with {KEY_BITS} bits; {KDF} before each key but those that only a machine knows")
    wrong = []
    for volume in volumes:
        said = finding.ask(host, STATUS.format(shlex.quote(volume.mapped))).stdout
        facts = dict(re.findall(r"^\s+(\w+):\s+(.+?)\s*$", said, re.MULTILINE))
        metadata = (
            header(host, finding, volume.disk) if facts.get("type") == "LUKS2" else {"keyslots": {}, "tokens": {}}
        )
        machines = bound(metadata)
        slow = {slot: row["kdf"]["type"] for slot, row in metadata["keyslots"].items() if slot not in machines}
        finding.observe(
            f"{volume.mapped}: {facts.get('type')}, {facts.get('cipher')}, {facts.get('keysize')};"
            f" slots {', '.join(f'{slot} {kind}' for slot, kind in slow.items())}"
        )
        if facts.get("type") != "LUKS2":
            wrong.append(f"{volume.mapped} is {facts.get('type')}, not LUKS2")
        if facts.get("cipher") != CIPHER or not facts.get("keysize", "").startswith(str(KEY_BITS)):
            wrong.append(f"{volume.mapped} is encrypted with {facts.get('cipher')}, {facts.get('keysize')}")
        wrong += [f"slot {slot} of {volume.disk} is guarded by {kind}" for slot, kind in slow.items() if kind != KDF]
    assert not wrong, "; ".join(wrong)


@pytest.mark.control("volume.keys-known")
def test_no_key_opens_it_but_ours(host, finding, declared_volume, declared):
    """Whoever adds a key of her own needs the disk and nobody's leave from then on."""
    finding.expect(f"two slots: the recovery passphrase's, and one for {declared.volume}")
    metadata = header(host, finding, declared_volume.disk)
    machines = bound(metadata)
    rows = {slot: machines.get(slot, "passphrase") for slot in sorted(metadata["keyslots"], key=int)}
    finding.observe(", ".join(f"{slot}: {kind}" for slot, kind in rows.items()))
    assert sorted(rows.values()) == sorted(["passphrase", declared.volume]), f"slots: {rows}"


@pytest.mark.control("volume.unlocks-itself")
def test_it_will_open_when_the_host_starts(host, finding, declared_volume, declared):
    """Tried now, without opening anything: the server or the TPM hands out the key, and it fits."""
    finding.expect(f"{declared.volume} opens the volume")
    slots = [slot for slot, pin in bound(header(host, finding, declared_volume.disk)).items() if pin == declared.volume]
    if not slots:
        finding.observe(f"no slot is {declared.volume}'s")
    assert slots, f"no slot of {declared_volume.disk} is {declared.volume}'s"
    answer = finding.ask(
        host,
        OPENS.format(device=shlex.quote(declared_volume.disk), slot=slots[0]),
        codes=(0, 1, 2),
        timeout=60.0,
    )
    finding.observe("it opened" if answer.rc == 0 else f"it did not open: {answer.stderr.strip()[:200]}")
    assert answer.rc == 0, (
        f"{declared.volume} did not open {declared_volume.disk}: a restart would leave the stores shut"
    )
