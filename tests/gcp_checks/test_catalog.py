"""The catalog of a Google Cloud project: one check a control, and a remedy that exists."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from hedgerow.catalog import CHECKS, load_catalog, whole_catalog
from hedgerow.cli import parser
from hedgerow.explaining import explain
from tests.gcp_checks.conftest import CATALOG, CONTROLS

VERBS = set(next(action for action in parser()._actions if action.choices).choices)
KINDS = {
    *("network", "subnet", "firewall", "router", "instance", "disk", "key", "key-users"),
    *("forwarding-rule", "ssl-policy", "certificate", "backend-service", "url-map", "security-policy"),
    *("snapshot-schedule", "bucket", "bucket-users", "audit", "log-bucket", "sink", "dns-policy", "alert", "operator"),
}
"""What may make a control true: the target's kinds of resources, and a person."""


def test_every_control_has_one_check():
    found: Counter[str] = Counter()
    for path in (CHECKS / "gcp").glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                (mark,) = (m for m in node.decorator_list if isinstance(m, ast.Call))
                found[ast.literal_eval(mark.args[0])] += 1
    assert found == Counter(CONTROLS)


def test_only_its_own_target_has_them():
    assert CATALOG.ids == load_catalog().ids | set(CONTROLS) <= whole_catalog().ids
    assert [control.id for control in CATALOG.concerning(("gcp",))] == CONTROLS
    assert not set(CONTROLS) & {control.id for control in CATALOG.concerning(("edge", "app", "data", "aws"))}


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_says_what_makes_it_true_and_how_it_is_mended(control):
    row = CATALOG.control(control)
    assert row.resource in KINDS
    assert set(re.findall(r"`\./installer\.py (\w+)", row.fix)) <= VERBS
    assert "`./installer.py " in row.fix
    found = explain(control, CATALOG)
    assert found.check is not None
    assert found.check.place.startswith("checks/gcp/")
    assert found.sabotage.place == "tests/gcp_checks/sabotage.py"
