"""What the checks of the tiers make of the words of PostgreSQL, Valkey, Podman, the kernel and the edge."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shlex
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from checks import access_rules, inside
from checks.door import Reply, Request, _exchange, offering, verifying
from checks.listening import addresses_of
from checks.on_host import program
from checks.test_containers_processes import test_memory_and_processes_end_somewhere as memory_bounded
from checks.test_edge import closed_at_the_door
from checks.test_valkey import allowed
from checks.tls import ended_well
from hedgerow.checking import Answer, CouldNotAsk, Finder, NotExercised
from tests.unit.test_verify import sheet_of
from tests.unit.told import Told

NETWORKS = ("10.90.0.0/24", "127.0.0.1/32")


def rule(line: str, error: str | None = None) -> dict[str, object]:
    """Return a row of pg_hba_file_rules for a line as one writes it in the file."""
    words = line.split()
    address, mask = (None, None) if words[0] == "local" else (words[3], None)
    if address and "/" in address:
        address, _, length = address.partition("/")
        mask = str(ipaddress.ip_network(f"{address}/{length}").netmask)
    return {
        "line_number": 7,
        "type": words[0],
        "database": words[1].split(","),
        "user_name": words[2].split(","),
        "address": address,
        "netmask": mask,
        "auth_method": words[-1],
        "error": error,
    }


OURS = rule("hostssl posthog posthog_web 10.90.0.0/24 scram-sha-256")
SOCKET = rule("local all postgres peer")


@pytest.mark.parametrize(
    ("line", "beyond"),
    [
        ("hostssl posthog posthog_web 10.90.0.0/24 scram-sha-256", False),
        ("hostssl posthog posthog_web 127.0.0.1/32 scram-sha-256", False),
        ("local all postgres peer", False),
        ("hostssl all all 0.0.0.0/0 reject", False),
        ("hostssl posthog posthog_web 0.0.0.0/0 scram-sha-256", True),
        ("hostssl posthog posthog_web ::1/128 scram-sha-256", True),
        ("hostssl posthog posthog_web samenet scram-sha-256", True),
        ("hostssl posthog posthog_web db.acme.example scram-sha-256", True),
        ("hostssl all posthog_web 10.90.0.0/24 scram-sha-256", True),
        ("hostssl posthog all 10.90.0.0/24 scram-sha-256", True),
        ("hostssl posthog +staff 10.90.0.0/24 scram-sha-256", True),
        ("hostssl replication posthog_web 10.90.0.0/24 scram-sha-256", True),
        ("local all all peer", True),
        ("local all postgres trust", True),
    ],
)
def test_rules_beyond_ours(line, beyond):
    assert bool(list(access_rules.beyond([rule(line)], NETWORKS))) is beyond


def test_a_rule_that_cannot_be_read_is_beyond_ours():
    broken = {**rule("hostssl posthog posthog_web 10.90.0.0/24 scram-sha-256"), "error": "invalid IP mask"}
    assert list(access_rules.beyond([broken], NETWORKS)) == ["line 7: invalid IP mask"]


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (["hostssl posthog posthog_web 10.90.0.0/24 scram-sha-256"], 0),
        (["local all postgres peer"], 0),
        (["hostssl posthog postgres 10.90.0.0/24 scram-sha-256"], 1),
        (["hostssl posthog all 10.90.0.0/24 scram-sha-256"], 1),
        (["hostssl posthog +staff 10.90.0.0/24 scram-sha-256"], 1),
        (["host all postgres all reject", "hostssl all all 10.90.0.0/24 scram-sha-256"], 0),
        (["hostssl all postgres all reject", "host all all 10.90.0.0/24 scram-sha-256"], 1),
        (["host all postgres 10.90.0.0/24 reject", "host all all 0.0.0.0/0 scram-sha-256"], 1),
        (["host posthog postgres all reject", "host all all 0.0.0.0/0 scram-sha-256"], 1),
    ],
)
def test_ways_in_for_a_superuser(lines, count):
    assert len(access_rules.admitting([rule(line) for line in lines], "postgres")) == count


def test_rules_without_tls():
    plain = ["host all all 0.0.0.0/0 md5", "hostnossl all all 0.0.0.0/0 md5", "hostgssenc all all all gss"]
    assert len(access_rules.unencrypted([rule(line) for line in plain])) == 3
    assert access_rules.unencrypted([OURS, SOCKET, rule("host all all 0.0.0.0/0 reject")]) == []


LISTING = """\
udp   UNCONN 0      0          0.0.0.0:68         0.0.0.0:*    users:(("systemd-network",pid=53,fd=20))
tcp   LISTEN 0      200    192.0.2.17:5432       0.0.0.0:*    users:(("postgres",pid=2201,fd=6))
tcp   LISTEN 0      200     127.0.0.1:5432       0.0.0.0:*    users:(("postgres",pid=2201,fd=7))
tcp   LISTEN 0      511             *:6379             *:*    users:(("valkey-server",pid=99,fd=6))
tcp   LISTEN 0      128 [fe80::1]%eth0:5432         [::]:*
tcp   LISTEN 0      511          [::]:80            [::]:*
"""


@pytest.mark.parametrize(
    ("port", "addresses"),
    [(5432, {"192.0.2.17", "127.0.0.1", "fe80::1"}), (6379, {"*"}), (80, {"::"}), (68, set()), (22, set())],
)
def test_addresses_listened_on(port, addresses):
    assert addresses_of(LISTING, port) == addresses


def described(name: str, unit: str, pid: int) -> dict[str, object]:
    """Return as much of `podman container inspect` as the checks read."""
    labels = {"PODMAN_SYSTEMD_UNIT": unit} if unit else None
    networks = {"hedgerow-app": {"IPAddress": "10.90.0.10"}, "other": {"IPAddress": ""}}
    return {
        "Name": name,
        "State": {"Pid": pid},
        "Config": {"Labels": labels},
        "NetworkSettings": {"Networks": networks},
    }


def test_containers_are_known_by_their_unit():
    said = json.dumps([described("hedgerow-web", "hedgerow-web.service", 80), described("hedgerow-x", "", 0)])
    web, stray = inside.containers(said)
    assert (web.service, web.addresses) == ("web", ("10.90.0.10",))
    assert stray.service == ""
    assert inside.containers("") == []


def status(pid: int, name: str = "python3") -> str:
    """Return a process's lines of /proc/PID/status."""
    values = ["0\t0\t0\t0", *["0000000000000000"] * 4, "1", "2"]
    fields = zip(inside.FIELDS, [name, *values], strict=True)
    return "\n".join(f"/proc/{pid}/status:{field}:\t{value}" for field, value in fields)


def spaces(pid: int, number: int, **other: int) -> str:
    """Return a process's lines of /proc/PID/ns, all in namespaces of one number but for some."""
    return "\n".join(f"/proc/{pid}/ns/{kind} {kind}:[{other.get(kind, number)}]" for kind in inside.KINDS)


def test_processes_belong_to_the_container_whose_mounts_they_share():
    listing = inside.processes(
        "\n".join(status(pid) for pid in (1, 80, 81, 90)),
        "\n".join([spaces(1, 4000), spaces(80, 4100), spaces(81, 4100), spaces(90, 4200, net=4000)]),
    )
    other, web = inside.containers(
        json.dumps([described("web", "hedgerow-web.service", 80), described("other", "", 90)])
    )
    assert [process.pid for process in inside.within(web, listing)] == [80, 81]
    assert inside.shared_namespaces(web, [web, other], listing) == []
    assert inside.shared_namespaces(other, [web, other], listing) == ["net of the host"]
    assert inside.shared_namespaces(replace(other, pid=81), [web], listing)[0] == "pid of web"


def test_a_process_that_ends_meanwhile_is_left_out():
    gone = "/proc/82/status:Name:\tsleep\n/proc/82/status:Uid:\t0\t0\t0\t0"
    listing = inside.processes(f"{status(1)}\n{gone}\n{status(83)}", f"{spaces(1, 4000)}\n/proc/83/ns/net ")
    assert set(listing) == {1}


@pytest.mark.parametrize(
    ("outbound_to", "left_out"),
    [((), ()), (("198.51.100.0/24:443",), ()), (("192.0.2.0/24:443",), ("192.0.2.9", 443))],
)
def test_declared_ways_out_are_no_failure(outbound_to, left_out):
    sheet = sheet_of()
    sheet = replace(sheet, controller="192.0.2.9", declared=replace(sheet.declared, outbound_to=outbound_to))
    *_, forbidden, _, outside = shlex.split(inside.trial(sheet))
    covered = [tuple(place) for place in json.loads(outside)["covered"]]
    assert covered == ([left_out] if left_out else [])
    assert ["169.254.169.254", 80] in json.loads(forbidden)


@pytest.mark.parametrize(
    ("declared", "place"),
    [
        ("198.51.100.7/32:443", ["198.51.100.7", 443]),
        ("198.51.100.0/24:25", ["198.51.100.1", 25]),
        ("2001:db8::9/128:443", None),
    ],
)
def test_a_declared_destination_is_tried_and_only_by_those_that_deliver(declared, place):
    sheet = sheet_of()
    changed = replace(sheet.declared, outbound_to=(declared,), outbound_services=("plugins",))
    outside = json.loads(shlex.split(inside.trial(replace(sheet, declared=changed)))[-1])
    assert outside["places"] == ([place] if place else [])
    assert outside["containers"] == ["hedgerow-plugins"]


@pytest.mark.parametrize(
    ("controllers", "limits", "expected"),
    [
        ("cpu memory pids", "536870912\np1024\nmax\npmax\n", None),
        ("cpu memory pids", "max\npmax\n1073741824\np4096\n", None),
        ("cpu memory pids", "max\np1024\n", AssertionError),
        ("cpu memory pids", "536870912\npmax\n", AssertionError),
        ("", "", NotExercised),
    ],
)
def test_the_smallest_limit_on_the_way_up_counts(controllers, limits, expected):
    web = described("hedgerow-web", "hedgerow-web.service", 80)
    web["State"] = {"Pid": 80, "CgroupPath": "/system.slice/hedgerow-web.service/libpod-payload"}
    told = Told({"cgroup.controllers": controllers, "memory.max": limits})
    with pytest.raises(expected) if expected else contextlib.nullcontext():
        memory_bounded(Finder(), told, inside.containers(json.dumps([web])))


def test_programs_are_whole_commands():
    """Each is one Python program on one command line, and compiles."""
    for path in sorted((Path(inside.__file__).parent / "on_host").glob("[a-z]*.py")):
        assert program(path.stem, "it's").startswith("python3 -IS -c ")
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (0, "CONNECTION ESTABLISHED\nVerification: OK\nVerified peername: x", None),
        (1, "verify error:num=62:hostname mismatch", AssertionError),
        (1, "CONNECTION ESTABLISHED\nVerification error: certificate has expired", AssertionError),
        (1, "40E7:error:8000006F:system library:BIO_connect:Connection refused", CouldNotAsk),
        (124, "", CouldNotAsk),
    ],
)
def test_how_a_handshake_ended(code, said, expected):
    answer = Answer("openssl", code, "", said, 0.1)
    if expected is None:
        ended_well(Finder(), answer)
    else:
        with pytest.raises(expected):
            ended_well(Finder(), answer)


def test_dry_runs_are_told_apart():
    refusal = "User worker has no permissions to run the 'flushall' command"
    said = f"OK\n{refusal}\n{refusal}\nOK\n"
    found = allowed(Finder(), Told({"DRYRUN": said}), ["web", "worker"], ["FLUSHALL", "GET key"])
    assert found == {"web": ["FLUSHALL"], "worker": ["GET key"]}
    for strange in ("OK\n", "OK\nOK\nOK\nERR User 'worker' not found\n"):
        with pytest.raises(CouldNotAsk):
            allowed(Finder(), Told({"DRYRUN": strange}), ["web", "worker"], ["FLUSHALL", "GET key"])


def test_a_refusal_of_a_service_is_not_one_of_the_edge():
    line = json.dumps({"path": "/signup/w", "status": 403, "upstream": ""})
    behind = json.dumps({"path": "/signup/w", "status": 403, "upstream": "10.90.0.10:8000"})
    closed_at_the_door(Finder(), [line], ["/signup"], ("w", "p"))
    with pytest.raises(AssertionError, match="let through"):
        closed_at_the_door(Finder(), [behind], ["/signup"], ("w", "p"))
    with pytest.raises(CouldNotAsk):
        closed_at_the_door(Finder(), [line], ["/api/signup"], ("w", "p"))


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"", Reply(0)),
        (b"HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 2\r\n\r\nno", Reply(404, {"server": "x"}, "no")),
    ],
)
def test_a_closed_connection_is_a_reply_too(said, reply):
    ours, theirs = socket.socketpair()
    theirs.sendall(said)
    theirs.shutdown(socket.SHUT_WR)
    found = _exchange(ours, Request("/"), "analytics.acme.example")
    assert (found.status, found.body) == (reply.status, reply.body)
    assert reply.headers.items() <= found.headers.items()
    ours.close()
    theirs.close()


def test_old_versions_can_still_be_offered_and_certificates_are_verified():
    assert offering(ssl.TLSVersion.TLSv1).maximum_version == ssl.TLSVersion.TLSv1
    context = verifying("")
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_an_image_for_several_platforms_is_known_by_its_index_too():
    own, index = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    listed = json.dumps(
        [
            {"Id": "1" * 64, "RepoDigests": [f"r.example:5000/a@{own}", f"r.example:5000/a@{index}"]},
            {"Id": "sha256:" + "2" * 64, "RepoDigests": None},
        ]
    )
    assert inside.digests(listed) == {"1" * 64: {own, index}, "2" * 64: frozenset()}
    assert inside.digests("") == {}
