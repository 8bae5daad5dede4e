"""The catalog of a cloud's account: one check a control, and a remedy that exists."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from hedgerow.catalog import CHECKS, catalog_of, load_catalog, read_catalog, whole_catalog
from hedgerow.cli import parser
from hedgerow.errors import DeclarationError
from hedgerow.explaining import explain
from tests.cloud_checks.conftest import CONTROLS

CATALOG = catalog_of("aws")
VERBS = set(next(action for action in parser()._actions if action.choices).choices)
KINDS = {
    *("account-s3-block", "account-ebs-encryption", "account-snapshot-block", "key", "bucket", "role"),
    *("instance-profile", "vpc", "subnet", "route-table", "network-acl", "security-group", "vpc-endpoint"),
    *("log-group", "flow-log", "trail", "metric-filter", "alarm", "topic", "detector", "recorder", "instance"),
    *("vault", "backup-plan", "record", "load-balancer", "target-group", "web-acl", "operator"),
}
"""What may make a control true: the target's kinds of resources, and a person."""
GOOD = """
- id: aws.keys-rotate
  severity: medium
  role: aws
  resource: key
  hipaa: [164.312(d)]
  promise: p
  source: s
"""


def test_every_control_has_one_check():
    found: Counter[str] = Counter()
    for path in (CHECKS / "aws").glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                (mark,) = (m for m in node.decorator_list if isinstance(m, ast.Call))
                found[ast.literal_eval(mark.args[0])] += 1
    assert found == Counter(CONTROLS)


def test_only_its_own_target_has_them():
    assert not any(control.resource for control in load_catalog().controls)
    assert catalog_of("onprem").ids == load_catalog().ids
    assert CATALOG.ids == load_catalog().ids | set(CONTROLS) <= whole_catalog().ids
    assert [control.id for control in CATALOG.concerning(("aws",))] == CONTROLS
    assert not set(CONTROLS) & {control.id for control in CATALOG.concerning(("edge", "app", "data"))}


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_says_what_makes_it_true_and_how_it_is_mended(control):
    row = CATALOG.control(control)
    assert row.resource in KINDS
    assert set(re.findall(r"`\./installer\.py (\w+)", row.fix)) <= VERBS
    assert "`./installer.py " in row.fix
    found = explain(control, CATALOG)
    assert found.check is not None
    assert found.check.place.startswith("checks/aws/")
    assert found.sabotage.place == "tests/cloud_checks/sabotage.py"


@pytest.mark.parametrize(
    "wrong", [GOOD.replace("  resource: key\n", ""), GOOD.replace("aws\n", "ssh\n")], ids=["missing", "on a host"]
)
def test_the_resource_stands_where_it_belongs(wrong):
    assert read_catalog(GOOD).controls[0].resource == "key"
    with pytest.raises(DeclarationError, match="resource"):
        read_catalog(wrong)
