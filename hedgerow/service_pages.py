"""docs/services.md: what each service holds, who may talk to it, and how.

`python -m hedgerow.service_pages` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hedgerow.deployment import REPOSITORY, write_file
from hedgerow.hops import EDGE, Hop, entries, hops
from hedgerow.hosts import Host
from hedgerow.service_rows import Service, Table
from hedgerow.services import load_table
from hedgerow.stores import Stores, account

PAGE = REPOSITORY / "docs" / "services.md"
HOST = (Host("host", "192.0.2.10", "192.0.2.10", "debian"),)
NATIVE = {
    "postgres": ("PostgreSQL", "TLS, the name verified; SCRAM password"),
    "valkey": ("Valkey", "TLS, the name verified; password"),
}
OBJECTS = "seaweedfs"
HEAD = """\
# Services

Written by `python -m hedgerow.service_pages` from the table of the newest release (`hedgerow/releases/`); a test
holds the two together. PostgreSQL, Valkey and nginx come from the distribution, everything else is a container. A way
that is not listed here is closed by the firewall.
"""


def page(table: Table) -> str:
    """Return the whole page."""
    ways = hops(table, HOST)
    return "\n".join(
        [HEAD, *_picture(table, ways), *(line for row in table.services for line in _service(table, row, ways))]
    )


def _picture(table: Table, ways: list[Hop]) -> Iterator[str]:
    yield from (
        "## Who talks to whom",
        "",
        "```mermaid",
        "flowchart LR",
        "  clients([browsers and SDKs]) -->|TLS 1.2+| edge[nginx]",
    )
    for name in dict.fromkeys([*(route.to for route in table.routes), table.default]):
        yield f"  edge -->|mutual TLS| {name}"
    stores = Stores(table, HOST)
    for service, store in dict.fromkeys((way.service, way.store) for way in ways):
        shape = store if store == EDGE or _has_door(table, store) else f"{store}[({store})]"
        yield f"  {service} -->|{'mutual TLS' if stores.by_certificate(store) else 'TLS'}| {shape}"
    yield from ("```", "")


def _has_door(table: Table, name: str) -> bool:
    """Tell whether who is asked is a service of the application, and not a store."""
    return name not in (*NATIVE, EDGE) and bool(table.service(name).door)


def _service(table: Table, row: Service, ways: list[Hop]) -> Iterator[str]:
    routes = [path for route in table.routes if route.to == row.name for path in route.paths]
    clients = list(dict.fromkeys(way.service for way in ways if way.store == row.name))
    yield from (f"## {row.name}", "", row.about, "")
    if row.features:
        yield f"- **runs with**: {', '.join(f'`{name}`' for name in row.features)} in `features`"
    yield f"- **image**: `{table.images[row.image].repository}`, by digest; in the lab a stand-in"
    if row.volume:
        yield f"- **keeps data in**: the volume `hedgerow-{row.name}` (`{row.volume}`); the rest of it is read-only"
    else:
        yield "- **keeps data in**: nothing; its root is read-only, and what it writes is in memory"
    for each in row.from_images:
        made = ", the functions under their names without a version" if each.unversioned else ""
        yield f"- **takes out of**: `{table.images[each.image].repository}`: `{each.path}`{made}"
    if row.name == table.default:
        yield "- **asked by**: nginx, for every page that no other service has"
    if routes:
        yield f"- **asked by**: nginx, for {', '.join(f'`{path}`' for path in routes)}"
    if clients:
        yield f"- **asked by**: {', '.join(clients)}, on {', '.join(map(str, entries(row)))}"
    if row.door:
        admitted = ", ".join(Stores(table, HOST).admitted(row)) or "nobody"
        yield f"- **lets in**: by certificate, at its side-car's door ({row.door}): {admitted}"
    if row.secrets:
        yield f"- **secrets in its environment**: {', '.join(f'`{name}`' for name in row.secrets)}"
    if row.outbound:
        yield "- **delivers to**: what `access.outbound_to` names, and nothing else outside"
    if row.opens_pages:
        yield "- **opens pages of**: the edge (TLS, the public name verified)"
    for store in dict.fromkeys(way.store for way in ways if way.service == row.name and way.store != EDGE):
        yield f"- **asks**: {_way(table, row, store)}"
    yield ""


def _way(table: Table, row: Service, store: str) -> str:
    if store == "valkey" and row.valkey and row.valkey.sidecar:
        return f"Valkey as `{account(row)}` (TLS by its side-car, the name verified; password)"
    if store in NATIVE:
        return f"{NATIVE[store][0]} as `{account(row)}` ({NATIVE[store][1]})"
    if _has_door(table, store):
        return f"{store}, at its door, as `{account(row)}` (mutual TLS by both side-cars)"
    if Stores(table, HOST).by_certificate(store):
        done = [
            f"{verb} {', '.join(f'`{topic}`' for topic in topics)}"
            for verb, topics in (
                ("writes", row.topics.writes if row.topics else ()),
                ("reads", row.topics.reads if row.topics else ()),
            )
            if topics
        ]
        return f"{store} as `{account(row)}` (mutual TLS by its side-car); {'; '.join(done) or 'no topic'}"
    if store == OBJECTS:
        done = [f"{', '.join(actions)} in the bucket `{bucket}`" for bucket, actions in row.objects.items()]
        return f"{store} as `{account(row)}` (TLS, the name verified; signed with its own key); {'; '.join(done)}"
    return f"{store} as `{account(row)}` (TLS, the name verified; password)"


def write(path: Path = PAGE) -> None:
    """Write the page anew."""
    write_file(path, page(load_table()))


if __name__ == "__main__":
    write()
