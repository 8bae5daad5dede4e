"""The record of an end: what was removed, what was left and why, and what went after an answer that said no."""

from __future__ import annotations

import json
from pathlib import Path

from hedgerow import disposal
from hedgerow.hosts import Change

REFUSED = Change("failed", "instance", "analytics-1", "AWS refused it")
KEPT = Change("keep", "bucket", "backup", "locked")


def ends(folder: Path) -> list[dict[str, object]]:
    return json.loads((folder / disposal.FILE).read_text())


def test_what_could_not_be_removed_and_is_gone_is_told_once(tmp_path: Path) -> None:
    assert disposal.gone_since(tmp_path, ()) == []
    disposal.write(tmp_path, "acme", [], [REFUSED, KEPT], [])
    assert disposal.gone_since(tmp_path, ("instance/analytics-1",)) == []
    (late,) = disposal.gone_since(tmp_path, ("bucket/backup",))
    assert (late.kind, late.name, late.detail) == ("instance", "analytics-1", disposal.GONE)
    disposal.write(tmp_path, "acme", [late], [KEPT], [])
    assert ends(tmp_path)[-1]["removed"] == [{"kind": "instance", "name": "analytics-1", "how": disposal.GONE}]
    assert disposal.gone_since(tmp_path, ()) == [], "what is kept for its own reason is nothing that failed"


def test_a_beginning_is_no_end(tmp_path: Path) -> None:
    """One that was killed says what it set out to remove, and the next adds its own."""
    disposal.begin(tmp_path, "acme", [REFUSED])
    disposal.begin(tmp_path, "acme", [KEPT])
    disposal.write(tmp_path, "acme", [Change("delete", "bucket", "log")], [], ["a note"])
    assert [row.get("begun") for row in ends(tmp_path)] == [[{"kind": "instance", "name": "analytics-1"}], None]
