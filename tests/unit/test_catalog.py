"""The catalog: what it refuses, and that controls and checks are one to one."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from hedgerow.catalog import CHECKS, EVERY_HOST, load_catalog, read_catalog
from hedgerow.errors import DeclarationError

GOOD = """
- id: ssh.no-passwords
  role: ssh
  hipaa: [164.312(d)]
  promise: A password opens no session.
  source: sshd_config(5)
- id: postgres.tls-only
  role: postgres
  hipaa: [164.312(e)(1), 164.312(e)(2)(ii)]
  promise: Nobody talks in clear.
  source: PostgreSQL manual
- id: outside.data-tier-closed
  role: firewall
  hosts: [data]
  hipaa: [164.312(a)(1)]
  promise: Closed.
  source: connect(2)
"""

REFUSED = [
    ("id: ssh.no-passwords", "id: NoPasswords", 2, "id", "concern.promise"),
    ("role: ssh", "role: shh", 2, "role", 'no role "shh"'),
    ("hipaa: [164.312(d)]", "hipaa: []", 2, "hipaa", "no paragraph"),
    ("hipaa: [164.312(d)]", "hipaa: [164.512(d)]", 2, "hipaa", "no paragraph of the Security Rule"),
    ("promise: A password opens no session.", "promise: ''", 2, "promise", "missing"),
    ("source: sshd_config(5)", "sauce: sshd_config(5)", 2, "sauce", "unknown key"),
    ("source: sshd_config(5)", "source: s\n  never_waived: ' '", 2, "never_waived", "not a text"),
    ("hosts: [data]", "hosts: [database]", 12, "hosts", "not a list out of"),
    ("hosts: [data]", "on: [data]", 12, "True", "unknown key"),
    ("id: postgres.tls-only", "id: ssh.no-passwords", 7, "id", "already at line 2"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "key", "words"), REFUSED)
def test_a_wrong_catalog_is_refused_by_line_and_key(right, wrong, line, key, words):
    with pytest.raises(DeclarationError) as refusal:
        read_catalog(GOOD.replace(right, wrong))
    problem = next(p for p in refusal.value.problems if p.key == key)
    assert (problem.line, words in problem.message) == (line, True)


def test_every_problem_is_reported_at_once():
    with pytest.raises(DeclarationError) as refusal:
        read_catalog(GOOD.replace("role: ssh", "role: shh").replace("hosts: [data]", "hosts: []"))
    assert len(refusal.value.problems) == 2


@pytest.mark.parametrize("text", ["", "ids: [ssh.no-root]", "- ssh.no-root"])
def test_what_is_no_list_of_controls_is_refused(text):
    with pytest.raises(DeclarationError):
        read_catalog(text)


CONCERNED = [
    (("edge",), (), ["ssh.no-passwords"]),
    (("data",), (), ["ssh.no-passwords", "postgres.tls-only", "outside.data-tier-closed"]),
    (EVERY_HOST, ("postgres",), ["postgres.tls-only"]),
    (EVERY_HOST, ("ssh.no-passwords", "outside"), ["ssh.no-passwords", "outside.data-tier-closed"]),
    (("app",), ("postgres.tls-only",), []),
]


@pytest.mark.parametrize(("roles", "only", "ids"), CONCERNED)
def test_a_host_shows_what_concerns_its_roles(roles, only, ids):
    assert [control.id for control in read_catalog(GOOD).concerning(roles, only)] == ids


def test_an_unknown_control_is_not_found():
    with pytest.raises(KeyError):
        read_catalog(GOOD).control("ssh.nothing")


def answered() -> Counter[str]:
    """Return how many checks answer each control, by the marks in checks/."""
    found: Counter[str] = Counter()
    for path in CHECKS.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                marks = [
                    m
                    for m in node.decorator_list
                    if isinstance(m, ast.Call) and ast.unparse(m.func).endswith(".control")
                ]
                assert len(marks) == 1, f"{path.name}: {node.name} names {len(marks)} controls"
                found[ast.literal_eval(marks[0].args[0])] += 1
    return found


def test_every_control_has_one_check_and_every_check_a_control():
    assert answered() == Counter(load_catalog().ids)


def test_every_concern_has_a_module_of_its_own_name():
    """Or two, where one would be too long: test_edge.py and test_edge_tls.py."""
    for path in CHECKS.glob("test_*.py"):
        marks = {
            line.split('"')[1] for line in path.read_text().splitlines() if line.startswith("@pytest.mark.control(")
        }
        assert {mark.partition(".")[0] for mark in marks} == {path.stem.removeprefix("test_").partition("_")[0]}


def test_what_cannot_be_waived_says_why_and_leaves_room_for_judgement():
    catalog = load_catalog()
    assert {"sudo.logged", "postgres.tls-only", "ca.key-absent"} <= catalog.never_waived.keys() < catalog.ids
    assert all(len(why) > 30 and why.endswith(".") for why in catalog.never_waived.values())
