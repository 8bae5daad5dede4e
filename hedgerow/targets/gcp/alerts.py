"""Who is told when roles, network, keys or records change: channels of Cloud Monitoring, and alerts from logs."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import Google, RefusedError, Row
from hedgerow.targets.gcp.kind import LABEL
from hedgerow.targets.gcp.shape import shaped

NAMED = "hedgerow-name"


class Watched:
    """A thing of Cloud Monitoring. Google names it with a number, so it is found by its labels."""

    def __init__(self, collection: str, google: Google, deployment: str) -> None:
        self.collection, self.google, self.deployment = collection, google, deployment

    def find(self, resource: Resource) -> Found | None:
        """Return the first of ours with this name."""
        row = next(iter(self._rows(resource)), None)
        if row is None:
            return None
        fields = {name: shaped(row.get(name), wanted) for name, wanted in resource.wanted.items()}
        return Found(str(row["name"]), fields, {})

    def make(self, resource: Resource) -> None:
        """Make it; where a lost answer, or a run at the same time, made another, the later ones go again."""
        wanted = {name: value for name, value in resource.wanted.items() if name != "userLabels"}
        body: dict[str, Any] = {**wanted, "userLabels": self._labels(resource)}
        self.google.call(f"monitoring.{self.collection}.create", body=body)
        for row in self._rows(resource)[1:]:
            self._delete(row["name"])

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set these fields."""
        body = {name: resource.wanted[name] for name in sorted(fields)}
        query = {"updateMask": ",".join(sorted(fields))}
        self.google.call(f"monitoring.{self.collection}.patch", _path(found.id), body=body, query=query)

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it, and what else has its name."""
        for row in self._rows(resource):
            self._delete(row["name"])

    def _delete(self, name: str) -> None:
        try:
            self.google.call(f"monitoring.{self.collection}.delete", _path(name))
        except RefusedError as refused:
            if not refused.absent:
                raise

    def _labels(self, resource: Resource) -> dict[str, str]:
        return {LABEL: self.deployment, NAMED: resource.name}

    def _rows(self, resource: Resource) -> list[Row]:
        """Return ours with this name, oldest name first so that two runs keep the same one."""
        method, wanted, query = f"monitoring.{self.collection}.list", self._labels(resource), dict[str, str]()
        found: list[Row] = []
        while True:
            said = self.google.ask(method, query=query) or {}
            found += [
                row for row in said.get(self.collection, []) if wanted.items() <= row.get("userLabels", {}).items()
            ]
            if not said.get("nextPageToken"):
                return sorted(found, key=lambda row: str(row["name"]))
            query["pageToken"] = said["nextPageToken"]


class Strangers(Watched):
    """Channels of ours to people who are declared no more: not wanted, and there only where one is."""

    def find(self, resource: Resource) -> Found | None:
        """Return them; None where there is none."""
        rows = self._rows(resource)
        return Found(resource.name, {}, {}) if rows else None

    def _labels(self, resource: Resource) -> dict[str, str]:
        return {LABEL: self.deployment}

    def _rows(self, resource: Resource) -> list[Row]:
        known = (resource.given or {})["known"]
        return [row for row in super()._rows(resource) if row["userLabels"].get(NAMED) not in known]


def _path(name: str) -> dict[str, str]:
    return {"id": name.rpartition("/")[2]}
