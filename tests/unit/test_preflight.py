"""What stands in the way of an install, judged from what a host says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hedgerow.budget import GIB
from hedgerow.declaration import parse
from hedgerow.hosts import Host, Site
from hedgerow.images import table_of
from hedgerow.preflight import Facts, Needs, judge, locked_out, needs

HOST = Host("analytics-1", "192.0.2.10", "192.0.2.10", "debian")
NEEDS = Needs({"system": 2 * GIB, "clickhouse": 14 * GIB, "headroom": 2 * GIB}, {"system": GIB, "web": 2 * GIB})
NEEDS = replace(NEEDS, processor={"clickhouse": {"x86_64": ("avx", "avx2")}})
FIT = Facts(
    id="debian",
    version="13",
    uid=0,
    disk_free=60 * GIB,
    disk_size=80 * GIB,
    installed=False,
    memory=int(15.4 * GIB),
    listeners=((22, "sshd"), (443, "nginx"), (5432, "postgres"), (6379, "valkey-server"), (8081, "java")),
    systemd=True,
    machine="x86_64",
    addresses=("192.0.2.10", "10.90.0.1"),
    apt_busy=False,
    processor=frozenset({"sse4_2", "avx", "avx2"}),
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"id": "ubuntu", "version": "24.04"}, None),
        ({"id": "debian", "version": "12"}, "debian 12 is not supported; use Debian 13 or Ubuntu 24.04"),
        ({"id": "fedora", "version": "42"}, "fedora 42 is not supported"),
        ({"uid": 1000}, "sudo gave user id 1000, not root"),
        ({"disk_free": 7 * GIB}, "7.0 GiB free under /var, 16.0 GiB are needed"),
        # Its own data fills a host that was installed before; that is no reason to refuse the next run.
        ({"disk_free": 3 * GIB, "installed": True}, None),
        ({"disk_size": 12 * GIB, "installed": True}, "12.0 GiB in all under /var, 18.0 GiB are needed"),
        ({"memory": GIB}, "1.0 GiB of memory, 3.0 GiB are needed"),
        ({"memory": GIB}, "take a machine with 4 GiB"),
        ({"systemd": False}, "systemd does not run there"),
        ({"addresses": ("198.51.100.1",)}, "192.0.2.10 is not an address of this host"),
        ({"processor": frozenset({"sse4_2", "avx"})}, "clickhouse does not run on a processor without avx2"),
        ({"machine": "aarch64", "processor": frozenset({"asimd"})}, None),
        ({"apt_busy": True}, "another package installation is running"),
        ({"listeners": ((443, "apache2"),)}, "port 443 is taken by apache2; stop it there first"),
        ({"listeners": ((5432, "postgres"), (5432, "pgbouncer"))}, "port 5432 is taken by pgbouncer"),
    ],
)
def test_what_stands_in_the_way(change: dict[str, object], said: str | None) -> None:
    problems = judge(HOST, replace(FIT, **change), NEEDS)  # type: ignore[arg-type]
    if said is None:
        assert problems == []
    else:
        assert len(problems) == 1
        assert said in problems[0]


def test_a_data_host_needs_no_port_of_the_edge() -> None:
    data = replace(HOST, roles=("data",))
    assert judge(data, replace(FIT, listeners=((443, "apache2"),)), NEEDS) == []


@pytest.mark.parametrize(
    ("sources", "controller", "out"),
    [
        ("[controller]", "192.0.2.1", False),
        ("[192.0.2.0/24]", "192.0.2.1", False),
        ("[198.51.100.7]", "192.0.2.1", True),
        ("[198.51.100.7, controller]", "192.0.2.1", False),
    ],
)
def test_a_firewall_that_would_lock_this_machine_out_is_found_before(sources: str, controller: str, out: bool) -> None:
    text = "name: acme\ndomain: a.acme.example\ntarget: {kind: lab}\naccess: {ssh_from: %s}\n" % sources  # noqa: UP031
    problems = locked_out(parse(text), Site((HOST,), controller))
    assert bool(problems) is out


BACKED_UP = replace(NEEDS, backups=40 * GIB, backups_to="/mnt/backup")
APART = {"backup_apart": True, "backup_free": 50 * GIB, "backup_size": 60 * GIB}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (APART, None),
        ({**APART, "backup_free": 30 * GIB}, "30.0 GiB free at /mnt/backup, where backups go; 40.0 GiB are needed"),
        # What was kept already fills it; then the disk must be as large.
        ({**APART, "backup_free": GIB, "installed": True}, None),
        ({**APART, "backup_size": 20 * GIB, "installed": True}, "20.0 GiB in all at /mnt/backup"),
        # On the disk of the data they are one more of what takes it.
        ({}, None),
        ({"disk_free": 50 * GIB}, "50.0 GiB free under /var, 56.0 GiB are needed"),
    ],
)
def test_backups_have_room_on_whatever_disk_they_lie(change: dict[str, object], said: str | None) -> None:
    problems = judge(HOST, replace(FIT, **change), BACKED_UP)  # type: ignore[arg-type]
    assert [said in line for line in problems] == ([] if said is None else [True]), problems


def test_what_is_asked_for_backups_is_declared() -> None:
    lab = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
    table = table_of(parse(lab))

    def wanted(backup: str) -> Needs:
        declared = parse(f"{lab}backup: {{{backup}}}\n")
        return needs(HOST, table, declared.capacity, declared.backup, lab=False)

    assert "avx2" in needs(HOST, table, parse(lab).capacity, lab=True).processor["clickhouse"]["x86_64"]
    assert not needs(replace(HOST, roles=("app",)), table, parse(lab).capacity, lab=True).processor
    folder, away = wanted("to: /mnt/backup"), wanted("to: 's3://acme-backup', region: eu-central-1")
    assert (folder.backups_to, away.backups, away.backups_to) == ("/mnt/backup", 0, "/var")
    assert folder.backups > sum(folder.disk.values()) / 2
    making = "a backup, while it is made"
    assert away.disk[making] == 2 * folder.disk[making] > GIB
    assert making not in needs(HOST, table, parse(lab).capacity, lab=False).disk
