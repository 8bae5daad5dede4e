"""A backup is what was restored: data destroyed, put back and found; a moment gone back to; a damaged backup refused.

Minutes on a host of its own: `make test-backup`, and not part of `make test`.
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hedgerow import ssh
from hedgerow.secrets import Vault
from tests.backup.events import VOLUME, send, stop_services, stored
from tests.conftest import Answer, Lab

pytestmark = pytest.mark.lab
NAME = "t-backup"
ROWS = 10_000
SEED = "/var/lib/hedgerow/posthog/second-factor"
DECLARATION = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab}}
access: {{ingest_from: [any]}}
backup: {{to: /srv/backup}}
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A host with backups, and rows of our own in PostHog's database; removed in the end, however that comes."""
    lab = Lab(tmp_path_factory.mktemp("backup"), NAME)
    lab.declaration.write_text(DECLARATION)
    with lab.on_its_own():
        answer = lab.installer("install", str(lab.declaration), "--json", "--yes")
        assert answer.code == 0, answer.out + answer.err
        # As PostHog makes its own: what is nobody else's is not put right by the next install.
        sql(lab, "set role posthog_web; create table kept (what text)")
        yield lab


def sql(lab: Lab, statement: str, database: str = "posthog") -> str:
    """Have PostgreSQL do something as its superuser, and return what it said."""
    done = lab.run(lab.host, f'runuser -u postgres -- psql -XAtqwd {database} -v ON_ERROR_STOP=1 -c "{statement}"')
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def valkey(lab: Lab, question: str) -> str:
    """Have Valkey do something as PostHog's own user, whose password goes by standard input."""
    word = Vault.of(lab.deployment).read(lab.deployment.secrets)["valkey"]["posthog_web"]
    ask = f"valkey-cli --tls --cacert /etc/hedgerow/ca.crt --user posthog_web --no-auth-warning {question}"
    line = ["sudo", "-n", "sh", "-c", shlex.quote(f"read -r REDISCLI_AUTH; export REDISCLI_AUTH; {ask}")]
    done = ssh.ask(lab.host, lab.deployment.known_hosts, line, stdin=f"{word}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def insert(lab: Lab, what: str, count: int) -> None:
    sql(lab, f"insert into kept select '{what}' from generate_series(1, {count})")  # noqa: S608 - words of this file


def found(lab: Lab) -> dict[str, int]:
    """Return how many rows of each kind there are now."""
    text = sql(
        lab, "select coalesce(json_object_agg(what, n), '{}') from (select what, count(*) n from kept group by 1) t"
    )
    return json.loads(text)


def well(answer: Answer) -> Answer:
    assert answer.code == 0, answer.out + answer.err
    return answer


def test_a_second_run_changes_nothing(kept: Lab) -> None:
    again = well(kept.installer("install", NAME, "--json", "--yes")).json
    assert again["hosts"]["hedge-1"]["changed"] == 0, again
    assert again["summary"]["fail"] == 0


def test_what_was_destroyed_is_there_again(kept: Lab) -> None:
    """Ten thousand rows, ten thousand events that came through the edge, and what waits; then all three are lost."""
    assert valkey(kept, "SET waiting before") == "OK"
    insert(kept, "before", ROWS)
    send(kept, "before", ROWS)
    made = well(kept.installer("backup", "now", NAME, "--json")).json
    assert set(made["holds"]) == {"postgres", "clickhouse", "valkey", "host", "deployment"}
    assert made["holds"]["valkey"]["keys"] >= 1
    assert made["holds"]["host"]["files"] == [SEED]
    assert made["holds"]["clickhouse"]["rows"]["events"] >= ROWS
    assert "seaweedfs" in made["leaves_out"], "what a backup does not hold, it names"
    assert made["same_disk"], "a lab's backups lie on its own disk, and it is said"
    insert(kept, "after", 7)
    send(kept, "after", 7)
    stop_services(kept)
    sql(kept, "drop database posthog with (force)", "postgres")
    kept.run(kept.host, "systemctl stop valkey-server; rm -r /var/lib/valkey/appendonlydir")
    emptied = kept.run(kept.host, f"find {VOLUME} -mindepth 1 -delete && ls -A {VOLUME}")
    assert (emptied.returncode, emptied.stdout) == (0, ""), emptied.stderr
    restored = well(kept.installer("restore", NAME, "--from", made["id"], "--yes", "--json")).json
    assert found(kept) == {"before": ROWS}
    assert stored(kept) == {"before": ROWS}
    assert valkey(kept, "GET waiting") == "before"
    assert restored["summary"]["fail"] == 0
    assert restored["smoke"]["ok"]


def test_the_backup_and_the_vault_s_key_are_all_that_a_new_controller_needs(kept: Lab, tmp_path: Path) -> None:
    """What the backup carries, opened as docs/backup.md says, is what the deployment's folder has."""
    newest = well(kept.installer("backup", "list", NAME, "--json")).json["backups"][0]["id"]
    file = f"/srv/backup/{NAME}/sets/{newest}/deployment.enc"
    there = kept.run(kept.host, f"base64 -w0 {file}").stdout
    (tmp_path / "deployment.enc").write_bytes(base64.b64decode(there))
    words = ["openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-iter", "600000", "-md", "sha256"]
    line = [*words, "-pass", f"file:{kept.deployment.key_file}", "-in", str(tmp_path / "deployment.enc")]
    opened = subprocess.run(line, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-C", str(tmp_path), "-xf", "-"], input=opened, check=True)
    for path in (kept.deployment.declaration, kept.deployment.secrets, kept.deployment.known_hosts):
        assert (tmp_path / path.relative_to(kept.deployment.root)).read_bytes() == path.read_bytes()


def test_a_moment_is_gone_back_to(kept: Lab) -> None:
    """What was written before the moment is there, what came after it is gone; queues stay as they are."""
    assert valkey(kept, "SET waiting now") == "OK"
    insert(kept, "earlier", 5)
    send(kept, "earlier", 5)
    time.sleep(2)
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    time.sleep(2)
    insert(kept, "later", 9)
    send(kept, "later", 9)
    restored = well(kept.installer("restore", NAME, "--at", moment, "--yes", "--json")).json["restored"]
    assert found(kept) == {"before": ROWS, "earlier": 5}
    assert stored(kept) == {"before": ROWS, "earlier": 5}
    assert valkey(kept, "GET waiting") == "now"
    assert restored["events"]["deleted"]["events"] >= 9
    assert restored["events"]["from"] != restored["id"], "no backup of before had those of the last minute"


def test_all_that_was_archived_comes_back_where_the_data_is_lost(kept: Lab) -> None:
    """The files themselves gone, as with a disk: from the backup and the journal, to the last row that was archived.

    The seed of the owner's second factor too: without it nobody signs in as her, `install` and the smoke test included.
    """
    seed = kept.run(kept.host, f"stat -c '%a %U' {SEED}; sha256sum {SEED}").stdout
    insert(kept, "last", 3)
    send(kept, "last", 3)
    sql(kept, "select pg_switch_wal()")
    time.sleep(3)
    kept.run(kept.host, "systemctl kill -s KILL 'postgresql@17-main.service'; rm -rf /var/lib/postgresql/17/main")
    kept.run(kept.host, "rm -rf /var/lib/hedgerow/posthog")
    well(kept.installer("restore", NAME, "--at", "latest", "--leave", "clickhouse", "--yes", "--json"))
    assert found(kept) == {"before": ROWS, "earlier": 5, "last": 3}
    assert stored(kept) == {"before": ROWS, "earlier": 5, "last": 3}, "what was not lost was left"
    assert kept.run(kept.host, f"stat -c '%a %U' {SEED}; sha256sum {SEED}").stdout == seed


def test_a_damaged_backup_is_refused_before_anything_is_touched(kept: Lab) -> None:
    newest = well(kept.installer("backup", "list", NAME, "--json")).json["backups"][0]
    label = newest["holds"]["postgres"]["label"]
    file = f"/srv/backup/{NAME}/postgres/backup/hedgerow/{label}/backup.manifest"
    kept.run(kept.host, f"cp -a {file} /root/whole; truncate -s -1 {file}")
    started = sql(kept, "select pg_postmaster_start_time()")
    read = kept.installer("backup", "verify", NAME, "--json")
    assert read.code == 1
    assert "bytes and had" in read.json["problems"][0]
    refused = kept.installer("restore", NAME, "--yes")
    assert refused.code == 2
    assert "is not as it was made" in refused.err
    assert "Nothing was touched" in refused.err
    assert sql(kept, "select pg_postmaster_start_time()") == started
    kept.run(kept.host, f"cp -a /root/whole {file}")
    well(kept.installer("backup", "verify", NAME))


def test_a_run_that_fails_is_seen(kept: Lab) -> None:
    """The place is not there any more, as with a share: the unit fails, and so does `status`."""
    kept.run(kept.host, f"mv /srv/backup/{NAME} /srv/backup/away; mkdir /srv/backup/{NAME}")
    failed = kept.installer("backup", "now", NAME)
    assert failed.code == 1
    seen = kept.installer("status", NAME, "--json")
    assert seen.code == 1
    assert any("hedgerow-backup.service" in each["what"] for each in seen.json["hosts"][0]["unwell"])
    kept.run(kept.host, f"rm -rf /srv/backup/{NAME}; mv /srv/backup/away /srv/backup/{NAME}")
    well(kept.installer("backup", "now", NAME))
    well(kept.installer("status", NAME))


def test_the_journal_says_who_did_what(kept: Lab) -> None:
    lines = [json.loads(line) for line in (kept.deployment.root / "journal.jsonl").read_text().splitlines()]
    told = [(line["verb"], line["outcome"]) for line in lines if line["verb"].startswith(("backup", "restore"))]
    assert ("restore", "done") in told
    assert ("backup now", "done") in told
    assert any(verb == "backup now" and "failed" in outcome for verb, outcome in told)
    assert all(line["who"] and line["at"] for line in lines)
