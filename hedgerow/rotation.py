"""Which secrets of a deployment are replaced: chosen by name, forgotten, and made anew by whatever completes the vault.

Pure. Whoever is stopped between the two leaves a vault that the next install completes, so nothing is half rotated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hedgerow.errors import CallError
from hedgerow.secrets import Tree

EVERYTHING = "all"
KEPT: Mapping[str, str] = {
    "posthog.encryption_salt_keys": "PostHog has encrypted what its destinations and integrations know with it, and"
    " would not be able to read that any more",
    "posthog.owner_password": "only its owner can change it, in PostHog; the installer signs in with it",
    "backup": "every backup that was made so far could be neither read nor proven any more",
    "volume": "the volume's header knows it, and install would not open the volume with another one",
    "brought": "it is yours: put the new one into the file that deploy.yml names, and run install",
}
"""What is never replaced by itself, by the beginning of its name, and why."""


def names(tree: Tree) -> tuple[str, ...]:
    """Return the dotted name of every secret in a vault, in order."""
    return tuple(sorted(_names(tree)))


def why_kept(name: str) -> str:
    """Return why a secret is not rotated, "" where it can be."""
    return next((why for kept, why in KEPT.items() if _is_under(name, kept)), "")


def chosen(tree: Tree, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the names that are meant: each a secret, or all below a name such as "tls"; "all" is what can be rotated.

    Raises CallError for a name that nothing has, and for a secret that is not rotated, with the reason.
    """
    known = names(tree)
    found: dict[str, None] = {}
    for word in asked:
        here = [name for name in known if word == EVERYTHING or _is_under(name, word)]
        if not here:
            raise CallError(
                f"there is no secret {word}",
                f"These are there: {', '.join(known) or 'none yet'}. What a killed run had forgotten, `install` makes.",
            )
        if kept := [name for name in here if name == word and why_kept(name)]:
            raise CallError(f"{kept[0]} is not rotated: {why_kept(kept[0])}", "")
        found |= dict.fromkeys(name for name in here if not why_kept(name))
    return tuple(sorted(found))


def forget(tree: Tree, gone: Sequence[str]) -> Tree:
    """Return the vault without these secrets."""
    return _without(tree, frozenset(gone), "")


def _without(tree: Tree, gone: frozenset[str], above: str) -> Tree:
    left: Tree = {}
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            left[key] = _without(value, gone, f"{name}.")
        elif name not in gone:
            left[key] = value
    return left


def _names(tree: Tree, above: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _names(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def _is_under(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(f"{beginning}.")
