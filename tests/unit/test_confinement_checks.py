"""The checks of confinement, of records and of rights that programs lend, each seen to pass and to fail."""

from __future__ import annotations

import json

import pytest

from checks import inside
from checks import test_containers as containers
from checks import test_edge as edge
from checks import test_files as files
from checks import test_postgres as postgres
from checks import test_valkey as valkey
from checks.inside import Container
from hedgerow.checking import Finder
from tests.unit.told import Told, outcome

ROOT = "Name=nginx Uid=0 CapEff=4e3 CapBnd=4e3 NoNewPrivs=1 Seccomp=2 pid=10 root=ro,relatime space=own\n"
WORKER = "Name=nginx Uid=33 CapEff=0 CapBnd=4e3 NoNewPrivs=1 Seccomp=2 pid=11 root=ro,relatime space=own\n"
SERVER = "Name=server Uid=101 CapEff=0 CapBnd=0 NoNewPrivs=1 Seccomp=2 pid=12 root=ro,relatime space=own\n"
CONFINED = [
    (edge, ROOT + WORKER, "pass", ""),
    (edge, ROOT + ROOT, "fail", "runs as root"),
    (edge, ROOT + WORKER.replace("CapEff=0", "CapEff=400"), "fail", "has the capabilities 400"),
    (edge, ROOT.replace("CapBnd=4e3", "CapBnd=1ffffffffff") + WORKER, "fail", "keeps the capabilities"),
    (edge, ROOT + WORKER.replace("root=ro", "root=rw"), "fail", "can write to the whole file system"),
    (edge, ROOT + WORKER.replace("space=own", "space=host"), "fail", "the host's own mounts"),
    (edge, "", "error", "does not run"),
    (edge, "root= space=host\n", "error", "does not run"),
    (postgres, SERVER + "pid=13 root= space=host\n", "pass", ""),
    (valkey, SERVER, "pass", ""),
    (valkey, SERVER.replace("NoNewPrivs=1", "NoNewPrivs=0"), "fail", "may gain privileges"),
    (valkey, SERVER.replace("Seccomp=2", "Seccomp=0"), "fail", "makes any system call"),
    (valkey, SERVER.replace("CapBnd=0", "CapBnd=1"), "fail", "keeps the capabilities 1"),
    (postgres, SERVER, "pass", ""),
    (postgres, SERVER.replace("Uid=101", "Uid=0"), "fail", "runs as root"),
]


@pytest.mark.parametrize(("concern", "answer", "status", "reason"), CONFINED)
def test_confinement(concern, answer: str, status: str, reason: str) -> None:
    checked = concern.test_whoever_breaks_in_is_held_in
    found = outcome(lambda host, finding: checked(finding=finding, host=host), {"NoNewPrivs": answer})
    assert found[0] == status
    assert reason in found[1]


QUIET = {name: min(values) for name, values in postgres.QUIET.items()}


@pytest.mark.parametrize(
    ("changed", "counts", "status", "reason"),
    [
        ({}, "1\n0\n", "pass", ""),
        ({}, "1\n2\n", "fail", "a refused row stands in the journal"),
        ({}, "0\n0\n", "error", "did not come to the journal"),
        ({"log_statement": "all"}, "1\n0\n", "fail", "log_statement is all"),
        ({"log_parameter_max_length": "-1"}, "1\n0\n", "fail", "log_parameter_max_length is -1"),
    ],
)
def test_the_record_of_postgres(changed: dict[str, str], counts: str, status: str, reason: str) -> None:
    answers = {postgres.LOGGED: json.dumps(QUIET | changed), postgres.REFUSED_ROW: counts}
    found = outcome(postgres.test_its_record_holds_no_row, answers)
    assert found[0] == status
    assert reason in found[1]


@pytest.mark.parametrize(
    ("check", "answer", "status", "reason"),
    [
        (valkey.test_connections_end_somewhere, "maxclients\n1000\ntcp-keepalive\n60\n", "pass", ""),
        (valkey.test_connections_end_somewhere, "maxclients\n60000\ntcp-keepalive\n60\n", "fail", "60000 clients"),
        (valkey.test_connections_end_somewhere, "maxclients\n1000\ntcp-keepalive\n0\n", "fail", "for ever"),
        (valkey.test_connections_end_somewhere, "", "error", "0 words"),
        (valkey.test_its_record_holds_no_data, "hide-user-data-from-log\nyes\nloglevel\nnotice\n", "pass", ""),
        (valkey.test_its_record_holds_no_data, "hide-user-data-from-log\nno\nloglevel\nnotice\n", "fail", "keys"),
        (valkey.test_its_record_holds_no_data, "hide-user-data-from-log\nyes\nloglevel\ndebug\n", "fail", "debug"),
        (valkey.test_what_is_queued_is_on_disk, "appendonly\nyes\nappendfsync\neverysec\n", "pass", ""),
        (valkey.test_what_is_queued_is_on_disk, "appendonly\nno\nappendfsync\neverysec\n", "fail", "gone"),
        (valkey.test_what_is_queued_is_on_disk, "appendonly\nyes\nappendfsync\nno\n", "fail", "operating system"),
    ],
)
def test_what_valkey_is_told(check, answer: str, status: str, reason: str) -> None:
    found = outcome(check, {"CONFIG GET": answer})
    assert found[0] == status
    assert reason in found[1]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("sudo 4755 root:root /usr/bin/sudo\nsu 4755 root:root /usr/bin/su\n", ""),
        ("sudo 4755 root:root /usr/bin/sudo\nquick 4755 root:root /usr/bin/quick\n", "/usr/bin/quick"),
        ("sudo 4755 root:root /usr/local/bin/sudo\n", "/usr/local/bin/sudo"),
        ("sudo 4755 root:root /srv/sudo\n", "/srv/sudo"),
    ],
)
def test_programs_that_lend_rights(rows: str, reason: str) -> None:
    found = outcome(files.test_only_known_programs_lend_rights, {"-perm /6000": rows})
    assert found[0] == ("fail" if reason else "pass")
    assert reason in found[1]


def test_programs_that_others_could_change() -> None:
    assert outcome(files.test_only_root_changes_what_root_runs, {"find -L": "looked\n"})[0] == "pass"
    assert outcome(files.test_only_root_changes_what_root_runs, {"find -L": ""})[0] == "error"
    found = outcome(files.test_only_root_changes_what_root_runs, {"find -L": "755 games:root /usr/bin/uptime\n"})
    assert found[0] == "fail"
    assert "/usr/bin/uptime" in found[1]


def container(mounts: list[dict[str, object]], driver: str = "journald") -> Container:
    described = {"Mounts": mounts, "HostConfig": {"LogConfig": {"Type": driver}}}
    return Container("hedgerow-kafka", "hedgerow-kafka.service", 7, described)


OWN = {"Type": "volume", "Name": "hedgerow-kafka", "Destination": "/data", "RW": True}
READ = {"Type": "bind", "Source": "/etc/hedgerow/ca.crt", "Destination": "/etc/ca", "RW": False}


@pytest.mark.parametrize(
    ("mounts", "status"),
    [
        ([], "pass"),
        ([OWN, READ], "pass"),
        ([{**OWN, "Name": "hedgerow-clickhouse"}], "fail"),
        ([{**READ, "RW": True}], "fail"),
        ([{**READ, "Source": "/var/log"}], "fail"),
        ([{**READ, "Source": "/etc/hedgerow-other"}], "fail"),
    ],
)
def test_what_a_container_sees(mounts: list[dict[str, object]], status: str) -> None:
    assert judged(containers.test_a_container_sees_what_is_made_for_it, container(mounts)) == status


@pytest.mark.parametrize(("driver", "status"), [("journald", "pass"), ("none", "fail"), ("k8s-file", "fail")])
def test_where_a_container_writes(driver: str, status: str) -> None:
    assert judged(containers.test_what_they_say_is_kept, container([], driver)) == status


def judged(check, each: Container) -> str:
    def asked(host: Told, finding: Finder) -> None:
        finding.ask(host, inside.INSPECT)
        check(finding, [each])

    return outcome(asked, {inside.INSPECT: "[]"})[0]
