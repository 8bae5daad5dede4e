"""Backups that leave the host: to a locked bucket, then to another host by SFTP; each restored from, each seen to fail.

Nothing of the way is played: pgBackRest speaks TLS with moto's S3, and SSH with the lab's own sshd. Minutes on a host
of its own: `make test-backup`, and not part of `make test`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hedgerow.targets.lab import image
from hedgerow.targets.lab.places import Places
from tests.backup import object_store, sftp_host
from tests.backup.events import VOLUME, send, stop_services, stored
from tests.backup.test_backup import found, insert, sql, well
from tests.conftest import Lab

pytestmark = pytest.mark.lab
NAME = "t-away"
ADDRESS, PORT = "203.0.113.94", 8443
ROWS = 500
S3 = f"""\
backup:
  to: s3://{object_store.BUCKET}/posthog
  region: {object_store.REGION}
  endpoint: https://{object_store.NAME}:{PORT}
  address: {ADDRESS}
  ca_file: s3-ca.pem
  access_key_id: {object_store.KEY_ID}
  key_file: s3-secret
"""
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab}}
access: {{ingest_from: [any]}}
"""
CONTROLS = ("backup.recent", "backup.encrypted", "backup.verified", "backup.journal-archived")
PGBACKREST = "runuser -u postgres -- pgbackrest --stanza=hedgerow --log-level-console=off"


@contextmanager
def address() -> Iterator[None]:
    """Have an address on this controller for as long, which the lab host reaches as it would any other."""
    subprocess.run(["ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo"], check=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["ip", "address", "delete", f"{ADDRESS}/32", "dev", "lo"], check=True, timeout=10)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any, list[str]]]:
    """A bucket and an SFTP host; yields the folder of their keys, a client of the bucket, and the host's own keys."""
    folder = tmp_path_factory.mktemp("away")
    (folder / "s3-secret").write_text(object_store.SECRET)
    tar = image.read_image("trixie").tar(Places.of(os.environ).cache)
    with (
        address(),
        object_store.serving(folder, ADDRESS, PORT) as bucket,
        sftp_host.serving(folder, tar, ADDRESS) as keys,
    ):
        yield folder, bucket, keys


@pytest.fixture(scope="module")
def kept(places: tuple[Path, Any, list[str]]) -> Iterator[Lab]:
    """A host whose backups go to the bucket; removed in the end, however that comes."""
    lab = Lab(places[0], NAME)
    lab.declaration.write_text(DECLARATION + S3)
    with lab.on_its_own():
        well(lab.installer("install", str(lab.declaration), "--json", "--yes"))
        sql(lab, "set role posthog_web; create table kept (what text)")
        yield lab


def statuses(lab: Lab) -> dict[str, str]:
    return {each.control: each.status for each in lab.verify(CONTROLS)}


def lose(lab: Lab) -> None:
    """Empty both stores."""
    stop_services(lab)
    sql(lab, "drop database posthog with (force)", "postgres")
    emptied = lab.run(lab.host, f"find {VOLUME} -mindepth 1 -delete")
    assert emptied.returncode == 0, emptied.stderr


def test_a_bucket_has_all_of_it_encrypted_and_gives_it_back(kept: Lab, places: tuple[Path, Any, list[str]]) -> None:
    insert(kept, "s3", ROWS)
    send(kept, "s3", ROWS)
    made = well(kept.installer("backup", "now", NAME, "--json")).json
    assert set(made["holds"]) == {"postgres", "clickhouse", "valkey", "host", "deployment"}
    assert not made["same_disk"]
    objects = places[1].list_objects_v2(Bucket=object_store.BUCKET, Prefix=f"posthog/{NAME}/")["Contents"]
    names = {row["Key"].removeprefix(f"posthog/{NAME}/") for row in objects}
    mine = {name.rpartition("/")[2] for name in names if name.startswith(f"sets/{made['id']}/")}
    manifests = {"manifest.json", "manifest.mac", "manifest.figures.json", "manifest.figures.mac"}
    assert mine == {"clickhouse.000.enc", "valkey.000.enc", "host.enc", "deployment.enc"} | manifests
    assert any(name.startswith("backup/hedgerow/") for name in names)
    assert any(name.startswith("archive/hedgerow/") for name in names)
    for name in names - {f"sets/{each}/{file}" for each in {made["id"]} for file in mine if "manifest" in file}:
        if not name.startswith("sets/") or name.endswith(".enc"):
            object_ = places[1].get_object(Bucket=object_store.BUCKET, Key=f"posthog/{NAME}/{name}")
            assert object_["Body"].read(8) == b"Salted__", name
    assert statuses(kept) == dict.fromkeys(CONTROLS, "pass")
    insert(kept, "after", 7)
    lose(kept)
    restored = well(kept.installer("restore", NAME, "--from", made["id"], "--yes", "--json")).json
    assert found(kept) == {"s3": ROWS}
    assert stored(kept) == {"s3": ROWS}
    assert restored["summary"]["fail"] == 0
    left = kept.run(kept.host, "find /var/lib/hedgerow/backup -type f -printf '%P\\n'").stdout.split()
    assert left == ["verified.json"], "nothing of a backup that is away is left here"


def test_what_is_wrong_in_a_bucket_is_found(kept: Lab) -> None:
    newest = well(kept.installer("backup", "list", NAME, "--json")).json["backups"][0]["id"]
    kept.run(kept.host, f"echo 'create table people ();' | {PGBACKREST} --raw repo-put before-the-change.sql")
    kept.run(kept.host, f"echo Salted__x | {PGBACKREST} --raw repo-put sets/{newest}/clickhouse.000.enc")
    # A damaged one counts as none of the stores.
    wrong = ("backup.recent", "backup.encrypted", "backup.verified")
    assert statuses(kept) == dict.fromkeys(CONTROLS, "pass") | dict.fromkeys(wrong, "fail")
    read = kept.installer("backup", "verify", NAME, "--json")
    assert read.code == 1
    assert "bytes and had" in read.json["problems"][0]
    refused = kept.installer("restore", NAME, "--yes")
    assert refused.code == 2
    assert "is not as it was made" in refused.err
    kept.run(kept.host, f"{PGBACKREST} repo-rm before-the-change.sql")
    well(kept.installer("backup", "now", NAME, "--json"))
    assert statuses(kept) == dict.fromkeys(CONTROLS, "pass")


def test_another_host_takes_them_by_sftp_and_nobody_else_is_taken_for_it(
    kept: Lab, places: tuple[Path, Any, list[str]]
) -> None:
    keys = "\n".join(f"    - {key}" for key in places[2])
    to = f"backup:\n  to: ssh://{sftp_host.ACCOUNT}@backup.acme.example{sftp_host.FOLDER}\n"
    to += f"  address: {ADDRESS}\n  key_file: backup-key\n  host_keys:\n"
    kept.declaration.write_text(f"{DECLARATION}{to}{keys}\n")
    well(kept.installer("install", str(kept.declaration), "--json", "--yes"))
    insert(kept, "ssh", ROWS)
    made = well(kept.installer("backup", "now", NAME, "--json")).json
    assert statuses(kept) == dict.fromkeys(CONTROLS, "pass")
    lose(kept)
    well(kept.installer("restore", NAME, "--from", made["id"], "--yes", "--json"))
    assert found(kept) == {"s3": ROWS, "ssh": ROWS}
    assert stored(kept) == {"s3": ROWS}
    known = kept.run(
        kept.host, "sed 's/ [^ ]*$/ AAAA/' /etc/pgbackrest/place/known_hosts >/root/known; cat /root/known"
    )
    assert known.returncode == 0
    stranger = kept.run(kept.host, f"{PGBACKREST} --log-level-stderr=error --repo1-sftp-known-host=/root/known repo-ls")
    assert stranger.returncode != 0, "a host that shows another key than the declared ones is not spoken with"
