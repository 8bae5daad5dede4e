"""Google's discovery documents: which method a request calls, and with what.

https://developers.google.com/discovery/v1/reference/apis says what a document means. The documents are those that
google-api-python-client ships.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
SERVED = (
    "compute.v1",
    "cloudkms.v1",
    "storage.v1",
    "iam.v1",
    "cloudresourcemanager.v1",
    "cloudresourcemanager.v3",
    "serviceusage.v1",
    "logging.v2",
    "monitoring.v3",
    "dns.v1",
)
ASKING = re.compile(
    r"\.(get\w*|list\w*|aggregatedList|search\w*|query\w*|testIamPermissions|wait|encrypt|decrypt|lint\w*|batchGet)$"
)


@dataclass(frozen=True)
class Method:
    """One method of one service."""

    document: Document
    name: str
    verb: str
    template: str
    parameters: dict[str, dict[str, Any]]
    request: str | None
    response: str | None

    @property
    def service(self) -> str:
        """The service's first name, as "compute"."""
        return self.document.service

    @property
    def changes(self) -> bool:
        """Whether it can change something."""
        return not ASKING.search(self.name)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path must look like; `{+name}` takes as many segments as its own pattern says."""

        def part(found: re.Match[str]) -> str:
            plus, name = found[1], found[2]
            own = self.parameters.get(name, {}).get("pattern", "") if plus else ""
            inside = own.removeprefix("^").removesuffix("$").replace("/.*", "/.+") or (".+" if plus else "[^/]+?")
            return f"(?P<{name}>{inside})"

        pieces = re.split(r"(\{\+?\w+\})", self.template)
        return re.compile(
            "".join(re.sub(r"\{(\+?)(\w+)\}", part, one) if "{" in one else re.escape(one) for one in pieces)
        )


@dataclass(frozen=True)
class Document:
    """One service's document."""

    service: str
    host: str
    schemas: dict[str, Any]
    common: frozenset[str]
    base: str
    raw: dict[str, Any]

    @cached_property
    def methods(self) -> list[Method]:
        """Every method, longest fixed part first: "images/family/x" is not an image."""
        raws = sorted(_walk(self.raw), key=lambda one: -len(re.sub(r"\{.*?\}", "", one.get("flatPath", one["path"]))))
        return [self._method(one) for one in raws]

    def _method(self, raw: dict[str, Any]) -> Method:
        return Method(
            document=self,
            name=raw["id"],
            verb=raw["httpMethod"],
            template=f"/{self.base}{raw['path']}",
            parameters=raw.get("parameters", {}),
            request=raw.get("request", {}).get("$ref"),
            response=raw.get("response", {}).get("$ref"),
        )


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from node.get("methods", {}).values()
    for inner in node.get("resources", {}).values():
        yield from _walk(inner)


@lru_cache(maxsize=1)
def documents() -> dict[str, list[Document]]:
    """Return the documents of each host."""
    hosts: dict[str, list[Document]] = {}
    for name in SERVED:
        raw = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
        host = raw["rootUrl"].removeprefix("https://").rstrip("/")
        common = frozenset(raw["parameters"])
        made = Document(name.partition(".")[0], host, raw["schemas"], common, raw["servicePath"], raw)
        hosts.setdefault(host, []).append(made)
    return hosts


def warm() -> None:
    """Read every document and make every pattern: a second, that else the first request of each kind would wait."""
    for found in documents().values():
        for document in found:
            for method in document.methods:
                _ = method.pattern


@lru_cache(maxsize=8192)
def _find(host: str, verb: str, path: str) -> tuple[Method, tuple[tuple[str, str], ...]] | None:
    for document in documents().get(host, ()):
        for method in document.methods:
            if method.verb == verb and (found := method.pattern.fullmatch(path)):
                return method, tuple(found.groupdict().items())
    return None


def find(host: str, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
    """Return the method that a request calls and the values in its path, or None."""
    found = _find(host, verb, path)
    return found and (found[0], {name: unquote(value) for name, value in found[1]})
