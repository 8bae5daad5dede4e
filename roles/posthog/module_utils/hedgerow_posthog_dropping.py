"""Transformations of ours in a project, which take properties out of every event: read, made, mended, removed.

Asks PostHog's API of hog functions (posthog/api/hog_function.py) over a session that somebody else has opened.
Ingestion runs a project's transformations in order, on each event before it is written (nodejs/src/cdp).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from ansible.module_utils.hedgerow_posthog_web import Answer, RefusedError, Web

# By how their names begin we know them again: people see them on PostHog's pages, and theirs are never touched.
NAME = "Hedgerow: properties that are not kept"
ABOUT = "Held to privacy.drop_properties in deploy.yml; changes that are made here are undone."
TEMPLATE, INPUT, KIND = "template-filter-properties", "propertiesToFilter", "transformation"
FILTERING = {"events", "actions", "properties", "filter_test_accounts"}  # that make it pass events over
STOPPED = 3  # upstream's HogFunctionState: its watcher has taken it out, until it is saved again
WAIT, PAUSE = 120.0, 5.0

Row = dict[str, Any]
Pages = Callable[[str], list[Row]]
Note = Callable[[Row, Row], None]
Fetch = Callable[[], str]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return transformations as ingestion runs them: those without a place last, of two at one the older first."""
    return sorted(
        rows,
        key=lambda row: (row["execution_order"] is None, row["execution_order"] or 0, str(row["created_at"])),
    )


def state(row: Row) -> Row:
    """Return what of a transformation says whether it does its work, in words that a diff can show."""
    held = (row.get("inputs") or {}).get(INPUT) or {}
    filters = row.get("filters") or {}
    code = (row.get("template") or {}).get("code") or ""
    return {
        "enabled": bool(row["enabled"]) and (row.get("status") or {}).get("state") != STOPPED,
        "properties": held.get("value"),
        "filters": {name: filters[name] for name in sorted(filters) if filters[name] and name in FILTERING},
        # Saving takes the blanks off its ends.
        "code": "the template's" if (row.get("hog") or "").strip() == code.strip() else "somebody's own",
    }


def wanted_state(paths: Sequence[str]) -> Row:
    """Return the state in which these properties are taken out of every event."""
    return {"enabled": True, "properties": ",".join(paths), "filters": {}, "code": "the template's"}


def by_parent(paths: Sequence[str]) -> dict[str, list[str]]:
    """Return the transformations to have, by name: one for each object that holds something to take out.

    Upstream's template fails as a whole where an object on one of its paths is null ($set, as any caller may send it),
    and an event goes on as it came. So that it fails only where there is nothing to take out, each has one object.
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        parent = path.rpartition(".")[0]
        found.setdefault(f"{NAME}, in {parent}" if parent else NAME, []).append(path)
    return found


class Dropping:
    """Those of one project. `pages` reads a whole list; `note` is told what was found and what is to be.

    `fetch` has web copy the templates out of the service of destinations, and returns what was said. web does so once
    an hour at a start, without a second try where that service is not up yet (posthog/tasks/hog_functions.py).
    """

    def __init__(self, web: Web, pages: Pages, project: object, note: Note, fetch: Fetch, *, dry: bool) -> None:
        self.web, self.pages, self.note, self.fetch, self.dry = web, pages, note, fetch, dry
        self.path = f"/api/projects/{project}/hog_functions/"

    def settle(self, paths: Sequence[str]) -> None:
        """Have just these taken out, by transformations that run before all others. Raises RefusedError, OSError."""
        wanted = by_parent(paths)
        kept: dict[str, Row] = {}
        for row in (row for row in self._rows() if _is_ours(row)):
            # Another template's of this name would go on doing something else: it makes way, as a second one does.
            if row["name"] in wanted.keys() - kept.keys() and (row.get("template") or {}).get("id") == TEMPLATE:
                kept[row["name"]] = row
            else:
                self._remove(row)
        for name, own in wanted.items():
            if name in kept:
                self._mend(kept[name], own)
            else:
                self._make(name, own)
        if wanted:
            self._put_first()

    def _rows(self) -> list[Row]:
        found = self.pages(f"{self.path}?type={KIND}")
        return in_order([row for row in found if row["type"] == KIND])

    def _remove(self, row: Row) -> None:
        self.note({row["name"]: "there"}, {row["name"]: None})
        if not self.dry:
            self.web.want("PATCH", f"{self.path}{row['id']}/", {"deleted": True})

    def _make(self, name: str, paths: Sequence[str]) -> None:
        self.note({}, {f"{name}: {word}": value for word, value in wanted_state(paths).items()})
        if self.dry:
            return
        body = {"type": KIND, "template_id": TEMPLATE, "name": name, "description": ABOUT, **_settings(paths)}
        until = time.monotonic() + WAIT
        answer, said = self.web.ask("POST", self.path, body), ""
        while _lacks_template(answer) and time.monotonic() < until:
            if said:
                time.sleep(PAUSE)
            said = self.fetch()
            answer = self.web.ask("POST", self.path, body)
        if not 200 <= answer.status < 300:
            hint = f"; web has it from hedgerow-plugins: does that run? {said}" if _lacks_template(answer) else ""
            raise RefusedError(f"POST {self.path} answered {answer.words()}{hint}")

    def _mend(self, row: Row, paths: Sequence[str]) -> None:
        path = f"{self.path}{row['id']}/"
        full = self.web.want("GET", path)
        found, wanted = state(full), wanted_state(paths)
        changed = [word for word in wanted if found[word] != wanted[word]]
        if not changed:
            return
        before, after = ({f"{row['name']}: {word}": side[word] for word in changed} for side in (found, wanted))
        self.note(before, after)
        if not self.dry:
            code = {"hog": full["template"]["code"]} if "code" in changed else {}
            self.web.want("PATCH", path, {**_settings(paths), **code})

    def _put_first(self) -> None:
        """Nothing is to see a property before it is gone: another transformation may keep it under another name."""
        rows = self._rows()
        line = sorted(rows, key=lambda row: not _is_ours(row))
        if line == rows:
            return
        # Those that are switched off count too: whoever switches one on leaves it where it is.
        self.note({"order": [row["name"] for row in rows]}, {"order": [row["name"] for row in line]})
        if not self.dry:
            orders = {str(row["id"]): place for place, row in enumerate(line, 1)}
            self.web.want("PATCH", f"{self.path}rearrange/", {"orders": orders})


def _is_ours(row: Row) -> bool:
    return str(row["name"]).startswith(NAME)


def _lacks_template(answer: Answer) -> bool:
    value = answer.json()
    return answer.status == 400 and isinstance(value, dict) and value.get("attr") == "template_id"


def _settings(paths: Sequence[str]) -> Row:
    return {"enabled": True, "filters": {}, "inputs": {INPUT: {"value": wanted_state(paths)["properties"]}}}
