"""The map of what talks to what: whose flow it is, which host's word counts, and how it is drawn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hedgerow.evidence import html, json_
from hedgerow.evidence.network import picture, proven_by
from hedgerow.findings import Finding
from hedgerow.hosts import Host, Site
from hedgerow.network import Network, Node, Seen, Way, ask, draw_up, read
from tests.unit.test_report_page import EVIDENCE

TIERS = {"web": "app", "capture": "app", "kafka": "data"}
ONE, TWO = (
    Host("one", "192.0.2.1", "192.0.2.1", "debian", roles=("edge", "app")),
    Host("two", "192.0.2.2", "192.0.2.2", "debian", roles=("data",)),
)
FRONT = Seen(
    listening=(("nginx", 443), ("sshd", 22)),
    containers={
        "hedgerow-web": (("10.90.0.10",), (8000, 18010)),
        "hedgerow-capture": (("10.90.0.12",), (18012,)),
        "stranger": (("10.88.0.2",), ()),
    },
    own=("127.0.0.1", "192.0.2.1", "10.90.0.1"),
)
BACK = Seen(
    listening=(("postgres", 5432), ("sshd", 22)),
    containers={"hedgerow-kafka": (("10.90.2.10",), (9092,))},
    own=("127.0.0.1", "192.0.2.2", "10.90.2.1"),
)


def mapped(front: list[tuple[object, ...]], back: list[tuple[object, ...]] = []) -> Network:  # noqa: B006 (not changed)
    """Return the map of two hosts with these flows."""
    seen = {"one": replace(FRONT, flows=tuple(front)), "two": replace(BACK, flows=tuple(back))}  # type: ignore[arg-type]
    return draw_up(Site((ONE, TWO), "198.51.100.7"), seen, TIERS)


@pytest.mark.parametrize(
    ("flow", "client", "server", "port"),
    [
        (("203.0.113.9", "192.0.2.1", 443, "192.0.2.1", 443, ""), "outside", "nginx on one", 443),
        (("198.51.100.7", "192.0.2.1", 22, "192.0.2.1", 22, ""), "installer", "sshd on one", 22),
        (("10.90.0.10", "192.0.2.2", 5432, "192.0.2.2", 5432, ""), "web", "postgres on two", 5432),
        (("10.90.0.10", "192.0.2.1", 18012, "10.90.0.12", 18012, ""), "web", "capture", 18012),
        (("10.90.0.1", "10.90.0.10", 18010, "10.90.0.10", 18010, "nginx"), "nginx on one", "web", 18010),
        (("10.90.0.1", "10.90.0.10", 8000, "10.90.0.10", 8000, ""), "one", "web", 8000),
        (("10.88.0.2", "203.0.113.9", 443, "203.0.113.9", 443, ""), "stranger", "outside", 443),
        (("192.0.2.1", "203.0.113.53", 53, "203.0.113.53", 53, ""), "one", "outside", 53),
        (("10.90.0.10", "192.0.2.2", 9999, "192.0.2.2", 9999, ""), "web", "two", 9999),
    ],
)
def test_each_end_has_the_name_of_who_is_there(flow, client, server, port):
    assert mapped([("tcp", *flow, 3)]).ways == (Way(client, server, port, "tcp", 3),)


def test_what_stays_on_a_host_is_no_way():
    flows = [
        ("tcp", "127.0.0.1", "127.0.0.1", 5432, "127.0.0.1", 5432, "", 9),
        ("tcp", "192.0.2.1", "192.0.2.1", 443, "192.0.2.1", 443, "", 1),
    ]
    assert mapped(flows).ways == ()


def test_a_way_between_hosts_is_told_by_the_one_that_knows_whose_it_is():
    """A host forwards for its containers under its own address: the other host sees that, and nothing more."""
    front = [("tcp", "10.90.0.12", "192.0.2.2", 9092, "192.0.2.2", 9092, "", 2)]
    back = [("tcp", "192.0.2.1", "192.0.2.2", 9092, "10.90.2.10", 9092, "", 2)]
    assert [(way.client, way.server) for way in mapped(front, back).ways] == [("capture", "kafka")]
    alone = draw_up(Site((ONE, TWO), "198.51.100.7"), {"two": replace(BACK, flows=tuple(back))}, TIERS)  # type: ignore[arg-type]
    assert [(way.client, way.server) for way in alone.ways] == [("one", "kafka")]
    assert alone.silent == ("one",)


def test_many_people_are_one_outside_and_their_addresses_are_not_kept():
    flows = [("tcp", f"203.0.113.{last}", "192.0.2.1", 443, "192.0.2.1", 443, "", 1) for last in range(1, 9)]
    found = mapped(flows)
    assert found.ways == (Way("outside", "nginx on one", 443, "tcp", 8),)
    assert "203.0.113" not in json.dumps(found.as_json())


def test_who_takes_part_is_told_with_what_it_listens_at():
    nodes = {node.name: node for node in mapped([]).nodes}
    assert nodes["nginx on one"] == Node("nginx on one", "one", "edge", (443,))
    assert nodes["postgres on two"] == Node("postgres on two", "two", "data", (5432,))
    assert nodes["kafka"] == Node("kafka", "two", "data", (9092,))
    assert nodes["web"].kind == "app"


def test_a_host_that_does_not_answer_is_silent_and_no_failure(tmp_path: Path):
    gone = Host("gone", "127.0.0.1", "127.0.0.1", "nobody", port=1)
    assert ask(Site((gone,), "127.0.0.1"), tmp_path / "known_hosts", {}) == Network(silent=("gone",))


def test_what_a_host_says_is_read():
    said = {
        "containers": [{"name": "hedgerow-web", "ports": [18010], "addresses": ["10.90.0.10"]}],
        "listening": [["nginx", 443]],
        "own": ["192.0.2.1"],
        "tracked": True,
        "flows": [["tcp", "203.0.113.9", "192.0.2.1", 443, "192.0.2.1", 443, "", 2]],
    }
    found = read(json.dumps(said))
    assert found.containers == {"hedgerow-web": (("10.90.0.10",), (18010,))}
    assert found.flows[0][-1] == 2


SEEN = mapped(
    [
        ("tcp", "10.90.0.10", "192.0.2.2", 5432, "192.0.2.2", 5432, "", 3),
        ("tcp", "10.90.0.10", "192.0.2.1", 18012, "10.90.0.12", 18012, "", 1),
        ("tcp", "10.90.0.1", "10.90.0.10", 8000, "10.90.0.10", 8000, "", 1),
    ]
)


@pytest.mark.parametrize(("port", "control"), [(5432, "postgres.tls-only"), (18031, "sidecars.tls-only"), (8000, "")])
def test_a_port_is_proven_by_a_control_or_by_none(port, control):
    assert proven_by(port) == control
    assert not control or control in EVIDENCE.catalog.ids


def test_a_line_has_the_status_of_the_control_that_asked_its_port():
    findings = [Finding("postgres.tls-only", (), host, status) for host, status in (("one", "pass"), ("two", "fail"))]
    drawn = {line.way.port: line for line in picture(SEEN, findings).lines}
    assert (drawn[5432].control, drawn[5432].status) == ("postgres.tls-only", "fail")
    assert (drawn[18012].control, drawn[18012].status) == ("", ""), "nobody asked: nothing is known"
    assert (drawn[8000].control, drawn[8000].status) == ("", "")


def test_boxes_do_not_lie_on_one_another_and_idle_ones_that_listen_are_drawn():
    boxes = picture(SEEN, []).boxes
    assert len({(box.x, box.y) for box in boxes}) == len(boxes)
    assert {"kafka", "sshd on two"} <= {box.node.name for box in boxes}
    assert "stranger" not in {box.node.name for box in boxes}, "it neither talks nor listens"


def test_the_map_is_kept_and_shown():
    evidence = replace(EVIDENCE, network=SEEN)
    assert json_.read(json_.render(evidence), evidence.catalog).network == SEEN
    page = html.render(evidence)
    assert "web → postgres on two, port 5432" in page
    assert 'id="network"' not in html.render(replace(EVIDENCE, network=None))


def test_evidence_of_an_earlier_release_has_no_map():
    said = json.loads(json_.render(EVIDENCE))
    del said["network"]
    assert json_.read(json.dumps(said), EVIDENCE.catalog).network is None
