"""The catalog: what it refuses, and that controls and checks are one to one."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest
import yaml

from hedgerow import standards
from hedgerow.catalog import CHECKS, EVERY_HOST, REMEDIES, load_catalog, read_catalog
from hedgerow.cli import parser
from hedgerow.declaration.models import Declaration
from hedgerow.declaration.problems import all_keys
from hedgerow.errors import DeclarationError

KEYS_OF_A_DECLARATION = set(all_keys(Declaration)) | {"target.hosts"}
VERBS = set(next(action for action in parser()._actions if action.choices).choices)

GOOD = """
- id: ssh.no-passwords
  severity: critical
  role: ssh
  hipaa: [164.312(d)]
  promise: A password opens no session.
  source: sshd_config(5)
- id: postgres.tls-only
  severity: high
  role: postgres
  hipaa: [164.312(e)(1), 164.312(e)(2)(ii)]
  promise: Nobody talks in clear.
  source: PostgreSQL manual
- id: outside.data-tier-closed
  severity: high
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
    ("hipaa: [164.312(d)]", "hipaa: [164.312(d)(9)]", 2, "hipaa", "no paragraph of the Security Rule"),
    ("hipaa: [164.312(d)]", "hipaa: [164.306(a)(1)]", 2, "hipaa", "no paragraph of the Security Rule"),
    ("severity: critical", "severity: dire", 2, "severity", "no severity"),
    ("  severity: critical\n", "", 2, "severity", "missing"),
    ("hipaa: [164.312(d)]", "hipaa: [164.312(d)]\n  nist_800_53r5: [AC6]", 2, "nist_800_53r5", "no control"),
    ("hipaa: [164.312(d)]", 'hipaa: [164.312(d)]\n  cis: {debian11: ["1"]}', 2, "cis", "no edition"),
    ("promise: A password opens no session.", "promise: ''", 2, "promise", "missing"),
    ("source: sshd_config(5)", "sauce: sshd_config(5)", 2, "sauce", "unknown key"),
    ("source: sshd_config(5)", "source: s\n  never_waived: ' '", 2, "never_waived", "not a text"),
    ("source: sshd_config(5)", "source: s\n  own_kernel: false", 2, "own_kernel", "not true"),
    ("hosts: [data]", "hosts: [database]", 14, "hosts", "not a list out of"),
    ("hosts: [data]", "on: [data]", 14, "True", "unknown key"),
    ("id: postgres.tls-only", "id: ssh.no-passwords", 8, "id", "already at line 2"),
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


def test_a_remedy_is_found_by_control_and_else_by_concern():
    remedies = {"ssh": "for all", "postgres": "for all", "postgres.tls-only": "for one", "outside": "for all"}
    fixes = [control.fix for control in read_catalog(GOOD, remedies=remedies).controls]
    assert fixes == ["for all", "for one", "for all"]


@pytest.mark.parametrize("control", load_catalog().controls, ids=lambda control: control.id)
def test_every_control_says_how_it_is_fixed_by_a_key_or_a_command_that_exists(control):
    quoted = re.findall(r"`([^`]+)`", control.fix)
    commands = [words.split()[1] for words in quoted if words.startswith("./installer.py ")]
    keys = [words for words in quoted if words in KEYS_OF_A_DECLARATION]
    assert commands or keys, control.fix
    assert set(commands) <= VERBS
    dotted = [words for words in quoted if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", words)]
    assert set(dotted) <= KEYS_OF_A_DECLARATION


def test_a_remedy_that_no_control_would_show_is_noticed():
    catalog = load_catalog()
    known = catalog.ids | {control.concern for control in catalog.controls}
    shown = {control.fix for control in catalog.controls}
    remedies = yaml.safe_load(REMEDIES.read_text())
    assert set(remedies) <= known
    assert shown == set(remedies.values())


def test_a_control_says_what_else_asks_for_it():
    references = load_catalog().control("ssh.no-root").references
    assert "NIST SP 800-53r5 AC-6(2)" in references
    assert "NIST SP 800-66r2 164.312(a) key activity 3" in references
    assert "CIS Debian Linux 12 Benchmark v1.1.0 5.1.20" in references


def test_standards_are_those_of_the_rule():
    """The rule has 22 standards; 164.308(b)(2) is counted on its own here."""
    kinds = Counter(each.kind for each in standards.standards())
    assert kinds == {"standard": 23, "required": 26, "addressable": 22}
    assert [each.section for each in standards.standards()] == sorted(each.section for each in standards.standards())


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("kind: required", "kind: optional", "kind is one of"),
        ("answered_by: [controls]", "answered_by: []", "answered_by lists"),
        ("answered_by: [controls]", "answered_by: [hope]", "answered_by lists"),
        ("164.312(b)", "164.312(d)", "listed twice"),
    ],
)
def test_a_standard_that_is_not_whole_is_refused(right, wrong, words):
    row = "- {{paragraph: {}, kind: required, title: t, asks: a, answered_by: [controls]}}\n"
    text = "standards:\n" + row.format("164.312(b)") + row.format("164.312(d)")
    with pytest.raises(ValueError, match=words):
        standards.read(text.replace(right, wrong, 1))


def test_what_cannot_be_waived_says_why_and_leaves_room_for_judgement():
    catalog = load_catalog()
    assert {"sudo.logged", "postgres.tls-only", "ca.key-absent"} <= catalog.never_waived.keys() < catalog.ids
    assert all(len(why) > 30 and why.endswith(".") for why in catalog.never_waived.values())
