"""What a host says is installed, read, kept and read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgerow import inventory
from hedgerow.errors import CallError
from hedgerow.hosts import Host
from hedgerow.inventory import Package

SAID = (
    "debian 13\ninstalled sudo 1.9.16p2-3 amd64\nconfig-files exim4-base 4.98-1 amd64\n"
    "installed adduser 3.152 all\nnot-installed telnet\n"
)
ADDUSER, SUDO = Package("debian 13", "adduser", "3.152", "all"), Package("debian 13", "sudo", "1.9.16p2-3", "amd64")


@pytest.mark.parametrize(
    ("said", "packages"), [(SAID, (ADDUSER, SUDO)), ("debian 13\n", ()), ("", ()), ("sh: dpkg-query: not found", ())]
)
def test_what_is_installed_is_read_and_nothing_else(said: str, packages: tuple[Package, ...]) -> None:
    assert inventory.read(said) == packages


def test_it_is_the_same_after_it_was_kept() -> None:
    installed = {"one": (ADDUSER, SUDO), "two": ()}
    assert inventory.from_text(inventory.text(installed)) == installed
    assert inventory.text(installed) == inventory.text(dict(reversed(installed.items())))


@pytest.mark.parametrize("said", ["", "[]", '{"one": [["too", "few"]]}', '{"one": 3}'])
def test_what_is_no_such_list_is_refused(said: str) -> None:
    with pytest.raises(CallError, match="no list of packages"):
        inventory.from_text(said)


def test_a_host_that_does_not_answer_is_left_out(tmp_path: Path) -> None:
    silent = Host("one", "127.0.0.1", "127.0.0.1", "nobody", port=9)
    assert inventory.ask([silent], tmp_path / "known_hosts") == {}
