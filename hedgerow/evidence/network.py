"""The map of what talks to what, as the numbers a drawing needs, and as rows for who reads rather than looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hedgerow.evidence.cards import ORDER
from hedgerow.findings import Finding
from hedgerow.network import Network, Node, Way
from hedgerow.service_rows import DOORS

COLUMNS = ("outside and hosts", "edge", "app", "data")
PLACE = {"outside": 0, "host": 0, "edge": 1, "app": 2, "data": 3}
BOX_WIDTH, BOX_HEIGHT, STEP, GAP = 168, 22, 28, 92
HEAD = 26
DOOR_PORTS = range(DOORS, DOORS + 1000)
PROVEN_BY = {
    22: "ssh.modern-algorithms",
    80: "edge.plain-http-redirected",
    443: "edge.tls-versions",
    5432: "postgres.tls-only",
    6379: "valkey.tls-only",
    8333: "objects.tls-only",
    8443: "clickhouse.tls-only",
    9092: "eventlog.tls-only",
    9440: "clickhouse.tls-only",
}
"""Which control shows how a port speaks: it asked that port itself, by a handshake."""


@dataclass(frozen=True)
class Box:
    """A node with the place of its upper left corner."""

    node: Node
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    """A way as a curve; `status` is that of the control which shows how it is encrypted, "" where none does."""

    way: Way
    path: str
    control: str
    status: str


@dataclass(frozen=True)
class Picture:
    """The drawing: boxes, lines, and its size in user units."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int
    height: int


def picture(network: Network, findings: Sequence[Finding]) -> Picture:
    """Return the drawing of a map, each way with what the findings say of it."""
    boxes = _boxes(network)
    places = {box.node.name: box for box in boxes}
    worst = _worst(findings)
    lines = []
    for way in network.ways:
        control = proven_by(way.port)
        status = worst.get(control, "")
        curve = _curve(places[way.client], places[way.server])
        lines.append(Line(way, curve, control if status else "", status))
    height = max((box.y for box in boxes), default=0) + STEP
    return Picture(tuple(boxes), tuple(lines), 4 * BOX_WIDTH + 3 * GAP, height)


def proven_by(port: int) -> str:
    """Return the control that shows how a port speaks, "" where none asks it."""
    return "sidecars.tls-only" if port in DOOR_PORTS else PROVEN_BY.get(port, "")


def _boxes(network: Network) -> list[Box]:
    """Lay the nodes out in columns, from outside to the stores; only who talks, or listens for others, is drawn."""
    busy = {name for way in network.ways for name in (way.client, way.server)}
    columns: list[list[Node]] = [[] for _ in COLUMNS]
    for node in sorted(network.nodes, key=lambda node: (node.host, node.name)):
        if node.name in busy or node.ports:
            columns[PLACE[node.kind]].append(node)
    longest = max(map(len, columns))
    return [
        Box(node, number * (BOX_WIDTH + GAP), HEAD + (longest - len(column)) * STEP // 2 + row * STEP)
        for number, column in enumerate(columns)
        for row, node in enumerate(column)
    ]


def _curve(client: Box, server: Box) -> str:
    """Return the way from the right side of one to the left side of another; within a column it goes round."""
    start, end = client.y + BOX_HEIGHT // 2, server.y + BOX_HEIGHT // 2
    if client.x < server.x:
        left, right = client.x + BOX_WIDTH, server.x
        bend = (right - left) // 2
        return f"M{left} {start}C{left + bend} {start} {right - bend} {end} {right} {end}"
    if client.x == server.x:
        side = client.x + BOX_WIDTH
        return f"M{side} {start}C{side + 44} {start} {side + 44} {end} {side} {end}"
    left, right = server.x + BOX_WIDTH, client.x
    bend = (right - left) // 2
    return f"M{right} {start}C{right - bend} {start} {left + bend} {end} {left} {end}"


def _worst(findings: Sequence[Finding]) -> dict[str, str]:
    found: dict[str, str] = {}
    for finding in findings:
        known = found.get(finding.control)
        if known is None or ORDER.index(finding.status) < ORDER.index(known):
            found[finding.control] = finding.status
    return found
