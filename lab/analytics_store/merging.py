"""How ClickHouse makes one configuration of many files (src/Common/Config/ConfigProcessor): by name, in order.

An element meets the first of the same name and attributes that no other has met. A leaf replaces its value, a branch
is merged, `replace` puts itself in its place and `remove` takes it away; one that meets none is added. A value may come
from the environment (`from_env`), so that a secret need not stand in a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ORDERS = ("replace", "remove")


class ConfigError(Exception):
    """The configuration cannot be stood by; the message names the place and never a secret."""


def merged(base: str, folder: Path) -> ElementTree.Element:
    """Return the base with every *.xml of a folder merged in, in the order of their names. Raises ConfigError."""
    root = ElementTree.fromstring(base)  # noqa: S314 - our own text
    for path in sorted(folder.glob("*.xml")):
        try:
            other = ElementTree.parse(path).getroot()  # noqa: S314 - root's own file, as for the real server
        except (OSError, ElementTree.ParseError) as error:
            raise ConfigError(f"{path}: {error}") from None
        if other.tag not in ("clickhouse", "yandex"):
            raise ConfigError(f"{path}: the root is <{other.tag}>, not <clickhouse>")
        for element in other.iter():
            if name := element.attrib.pop("from_env", ""):
                if name not in os.environ:
                    raise ConfigError(f"{path}: <{element.tag}> needs {name}, which the environment does not have")
                element.text = os.environ[name]
        _merge(root, other)
    return root


def _merge(into: ElementTree.Element, other: ElementTree.Element) -> None:
    free: dict[tuple[str, tuple[tuple[str, str], ...]], list[ElementTree.Element]] = {}
    for child in into:
        free.setdefault(_identity(child), []).append(child)
    for child in other:
        waiting = free.get(_identity(child), [])
        met = waiting.pop(0) if waiting else None
        if "remove" in child.attrib:
            if met is not None:
                into.remove(met)
        elif met is None:
            into.append(_plain(child))
        elif "replace" in child.attrib or not len(child):
            into[list(into).index(met)] = _plain(child)
        else:
            _merge(met, child)


def _identity(element: ElementTree.Element) -> tuple[str, tuple[tuple[str, str], ...]]:
    return element.tag, tuple(sorted((key, value) for key, value in element.attrib.items() if key not in ORDERS))


def _plain(element: ElementTree.Element) -> ElementTree.Element:
    copy = ElementTree.Element(element.tag, {key: value for key, value in element.attrib.items() if key not in ORDERS})
    copy.text = element.text
    copy.extend(_plain(child) for child in element if "remove" not in child.attrib)
    return copy


def words(element: ElementTree.Element, path: str) -> list[str]:
    """Return the texts of every element at a path."""
    return [(found.text or "").strip() for found in element.findall(path)]


def word(element: ElementTree.Element, path: str, default: str = "") -> str:
    """Return the text at a path; empty is the default too."""
    return next(iter(words(element, path)), "") or default


def strangers(element: ElementTree.Element, known: Iterable[str], place: str) -> list[str]:
    """Name what is below an element and nobody here understands: relying on it would be a promise nobody keeps."""
    allowed = set(known)
    return [f"{place}/{child.tag} is not understood" for child in element if child.tag not in allowed]
