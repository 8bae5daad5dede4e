"""A deploy.yml after one person more or less: every other byte as it was, and a refusal where that is not sure."""

from __future__ import annotations

import pytest

from hedgerow.declaration.editing import with_administrator, without_administrator
from hedgerow.errors import CallError

KEY = "ssh-ed25519 AAAA jane@acme.example"
BOB = {"name": "bob", "ssh_keys": ["ssh-ed25519 BBBB bob@acme.example"]}
BLOCK = f"""\
# The one file.
name: acme   # three spaces
access:
  # People first.
  administrators:
    - name: jane # on call
      ssh_keys:
        - {KEY}   # her laptop

  # And networks.
  ssh_from: [controller]
backup: {{to: /srv}}
"""
WITH_BOB = BLOCK.replace(
    "her laptop\n",
    "her laptop\n    - name: bob\n      ssh_keys:\n        - ssh-ed25519 BBBB bob@acme.example\n",
)
FLOW = f'access: {{administrators: [{{name: jane, ssh_keys: ["{KEY}"]}}], ssh_from: [controller]}} # all of it\n'
FLOW_WITH_BOB = FLOW.replace("]}], ", "]}, {name: bob, ssh_keys: [ssh-ed25519 BBBB bob@acme.example]}], ")
NOBODY = "name: acme\n"
NO_PEOPLE = "access:\n  ssh_from: [controller] # us\n"
EMPTY_FLOW = "access: {}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (BLOCK, WITH_BOB),
        (FLOW, FLOW_WITH_BOB),
        (
            NOBODY,
            "name: acme\n\naccess:\n  administrators:\n    - name: bob\n      ssh_keys:\n"
            "        - ssh-ed25519 BBBB bob@acme.example\n",
        ),
        (
            NO_PEOPLE,
            "access:\n  administrators:\n    - name: bob\n      ssh_keys:\n"
            "        - ssh-ed25519 BBBB bob@acme.example\n  ssh_from: [controller] # us\n",
        ),
        (
            EMPTY_FLOW,
            "access: {administrators: [{name: bob, ssh_keys: [ssh-ed25519 BBBB bob@acme.example]}]}\n",
        ),
        (BLOCK.rstrip("\n").partition("\n\n")[0], WITH_BOB.partition("\n\n")[0] + "\n"),
    ],
)
def test_one_more(before: str, after: str) -> None:
    assert with_administrator(before, BOB) == after


def test_what_is_said_of_a_person_is_read_as_it_was_said() -> None:
    made = with_administrator(NOBODY, {**BOB, "expires": "2026-12-31", "sudo": ["/usr/bin/id"]})
    assert made.endswith("      expires: 2026-12-31\n      sudo:\n        - /usr/bin/id\n")


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        (WITH_BOB, "bob", BLOCK),
        (
            WITH_BOB,
            "jane",
            WITH_BOB.replace(f"    - name: jane # on call\n      ssh_keys:\n        - {KEY}   # her laptop\n", ""),
        ),
        (FLOW_WITH_BOB, "bob", FLOW),
        (FLOW_WITH_BOB, "jane", FLOW_WITH_BOB.replace(f'{{name: jane, ssh_keys: ["{KEY}"]}}, ', "")),
        (FLOW, "jane", "access: {administrators: [], ssh_from: [controller]} # all of it\n"),
        (
            BLOCK,
            "jane",
            BLOCK.replace(
                f"  administrators:\n    - name: jane # on call\n      ssh_keys:\n        - {KEY}   # her laptop\n", ""
            ),
        ),
        (
            f"name: acme\naccess:\n  administrators:\n    - name: jane\n      ssh_keys: [{KEY}]\n",
            "jane",
            "name: acme\n",
        ),
    ],
)
def test_one_less(before: str, name: str, after: str) -> None:
    assert without_administrator(before, name) == after


@pytest.mark.parametrize(
    "text",
    [
        "access:\n  administrators: [{name: jane, ssh_keys: [k]}, ]\n",
        "access:\n  administrators:\n    -\n      name: jane\n      ssh_keys: [k]\n    - {name: eve, ssh_keys: [l]}\n",
    ],
)
def test_what_cannot_be_done_for_sure_is_not_done(text: str) -> None:
    with pytest.raises(CallError, match="cannot be edited for sure"):
        if "eve" in text:
            without_administrator(text, "jane")
        else:
            with_administrator(text, BOB)


def test_who_is_not_there_is_not_removed() -> None:
    with pytest.raises(CallError, match="no administrator is called bob"):
        without_administrator(BLOCK, "bob")
