"""What every collection of Compute can do: insert, get, list, patch, update, delete, labels and policies."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .. import policies
from ..asked import Asked, page
from ..errors import RefusedError, exists, invalid, missing
from . import catalogue, links, operations, rows, rules, showing

LABEL_KEY, LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")


def labels(given: dict[str, str]) -> None:
    """Refuse labels that are none: https://cloud.google.com/compute/docs/labeling-resources#requirements."""
    if len(given) > 64:
        raise invalid("resource.labels", len(given), "A resource has at most 64 labels.")
    for name, value in given.items():
        if not LABEL_KEY.fullmatch(name):
            raise invalid("resource.labels", name, "Label keys must match '[a-z][a-z0-9_-]{0,62}'.")
        if not LABEL_VALUE.fullmatch(value):
            raise invalid("resource.labels", value, "Label values must match '[a-z0-9_-]{0,63}'.")


def insert(asked: Asked) -> dict[str, Any]:
    """Make a resource: it is there at once, and ready once the operation is done."""
    where, world = rows.path(asked), asked.world
    if not asked.body.get("name"):
        raise RefusedError(400, "Required field 'resource.name' not specified", "required")
    if links.key(where) in world.rows:
        raise exists(where)
    labels(asked.body.get("labels", {}))
    body = links.link_all(world, asked.path["project"], asked.body)
    row = rows.new(asked, body, where, str(asked.method.request))
    effect = rules.RULES.get(rows.segment(asked), rules.plain)(asked, row, where)
    rows.seal(row)
    made = {links.key(where): row, **effect.beside}
    world.rows.update(made)

    def undo() -> None:
        for name in made:
            world.rows.pop(name, None)

    def finish() -> None:
        row.update(effect.at_the_end)

    return operations.begin(asked, row, kind="insert", keys=tuple(made), finish=finish, undo=undo)


def get(asked: Asked) -> dict[str, Any]:
    """Return one resource."""
    where = rows.path(asked)
    found = links.row(asked.world, where)
    if found is None:
        raise missing(where)
    return showing.shown(asked.world, where, found)


def _all(asked: Asked, parent: str, collection: str) -> list[dict[str, Any]]:
    own = asked.world.under(f"{links.key(parent)}/{collection}/")
    found = [*own, *catalogue.listed(collection, parent)]
    return [
        showing.shown(asked.world, str(one["selfLink"]).removeprefix(links.ROOT), one)
        for one in found
        if rows.matches(asked, one)
    ]


def listed(asked: Asked) -> dict[str, Any]:
    """Return one page of a collection."""
    where = asked.method.template.removeprefix("/compute/v1/")
    for name, value in asked.path.items():
        where = where.replace(f"{{{name}}}", value)
    parent, _, collection = where.rpartition("/")
    found, more = page(asked, _all(asked, parent, collection), "maxResults")
    answer: dict[str, Any] = {"kind": f"compute#{collection}List", "id": where, "selfLink": links.ROOT + where}
    answer |= {"items": found} if found else {}
    return answer | ({"nextPageToken": more} if more else {})


def aggregated(asked: Asked) -> dict[str, Any]:
    """Return a collection of every place: an empty place says so in a warning."""
    collection = asked.method.template.rpartition("/")[2]
    project = f"projects/{asked.path['project']}"
    places = [f"zones/{one}" for one in catalogue.zones()] + [f"regions/{one}" for one in catalogue.ZONES] + ["global"]
    items: dict[str, Any] = {}
    for place in places:
        found = _all(asked, f"{project}/{place}", collection)
        if found:
            items[place] = {collection: found}
        else:
            text = f"There are no results for scope '{place}' on this page."
            items[place] = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": text}}
    return {"kind": f"compute#{asked.collection}AggregatedList", "items": items}


def patch(asked: Asked) -> dict[str, Any]:
    """Change what is given and leave the rest."""
    return _changed(asked, rows.merge)


def update(asked: Asked) -> dict[str, Any]:
    """Put what is given in place of what is there."""
    if asked.method.verb == "PATCH":
        return patch(asked)
    return _changed(asked, lambda row, body: {name: row[name] for name in rows.MADE if name in row} | body)


def _changed(asked: Asked, laid: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    where, schema = rows.path(asked), str(asked.method.request)
    row = rows.must(asked, where)
    rows.current(asked.body.get("fingerprint"), row, needed=rows.fingerprint_needed(asked, schema))
    body = links.link_all(asked.world, asked.path["project"], asked.body)
    if body.get("name", row["name"]) != row["name"]:
        raise invalid("resource.name", body["name"], "A name cannot be updated.")
    made = laid(row, body)
    rows.same(where.split("/")[-2], row, made)
    rules.RULES.get(where.split("/")[-2], rules.plain)(asked, made, where)

    def edit(old: dict[str, Any]) -> None:
        keep = {name: old[name] for name in ("fingerprint", "labelFingerprint") if name in old}
        old.clear()
        old.update(keep | made)

    return rows.change(asked, where, edit)


def delete(asked: Asked) -> dict[str, Any]:
    """Delete what nothing else holds; it is gone once the operation is done."""
    where, world = rows.path(asked), asked.world
    row = rows.must(asked, where)
    links.free(world, where)
    rules.BEFORE_DELETE.get(where.split("/")[-2], rules.nothing)(asked, row, where)
    gone = [links.key(where), *rules.goes_along(world, row, where)]

    def finish() -> None:
        for name in gone:
            world.rows.pop(name, None)
            world.policies.pop(name, None)

    return operations.begin(asked, row, kind="delete", keys=tuple(gone), finish=finish)


def set_labels(asked: Asked) -> dict[str, Any]:
    """Put other labels; the fingerprint of the old ones must be given."""
    where = rows.path(asked)
    row = rows.must(asked, where)
    words = "Labels fingerprint either invalid or resource labels have changed"
    rows.current(asked.body.get("labelFingerprint"), row, needed=True, words=words)
    given = asked.body.get("labels") or {}
    labels(given)
    return rows.change(asked, where, lambda made: made.update(labels=given))


def policy(asked: Asked) -> dict[str, Any]:
    """Return or set who may do what with one resource."""
    where = rows.path(asked)
    rows.must(asked, where)
    if asked.action == "getIamPolicy":
        return policies.get(asked.world, links.key(where))
    given = asked.body.get("policy") or {key: asked.body[key] for key in ("bindings", "etag") if key in asked.body}
    return policies.put(asked.world, links.key(where), given)


GENERIC: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "insert": insert,
    "get": get,
    "list": listed,
    "aggregatedList": aggregated,
    "patch": patch,
    "update": update,
    "delete": delete,
    "setLabels": set_labels,
    "getIamPolicy": policy,
    "setIamPolicy": policy,
}
