"""The checks of the kernel's record, each seen to pass and to fail, on rules as auditctl tells them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks import test_audit as audit
from checks.auditing import LAYERS, read_rules, unrecorded
from hedgerow.checking import CouldNotAsk
from tests.unit.test_verify import sheet_of
from tests.unit.told import outcome

HERE = replace(sheet_of().host, roles=("edge", "data"))
STATE = "enabled 2\nfailure 1\npid 312\nrate_limit 0\nbacklog_limit 8192\nlost 0\nbacklog 0\n"
CALLS = {
    "time": "adjtimex,settimeofday,clock_settime",
    "network": "sethostname,setdomainname",
    "deletion": "unlinkat,renameat,renameat2",
    "permissions": ",".join(("fchmod", "fchmodat", "fchown", "fchownat", *audit.XATTRS)),
    "modules": "init_module,finit_module,delete_module,mount,umount2",
}
PATHS = [
    *audit.IDENTITY,
    *audit.PRIVILEGE,
    *audit.NETWORK,
    *audit.STACK,
    "/etc/localtime",
    "/etc/chrony",
    "/etc/modprobe.d",
]
PATHS += [path for role in HERE.roles for path in audit.STACK_BY_ROLE[role]]


def told(arch: str) -> list[str]:
    """Return the rules for one kind of program, in the words of auditctl -l."""
    person = "-F auid>=1000 -F auid!=-1"
    start = f"-a always,exit -F arch={arch}"
    return [
        *(f"{start} -S all -F path={path} -F perm=wa -F key=watched" for path in dict.fromkeys(PATHS)),
        *(f"{start} -S {calls} {person} -F key={key}" for key, calls in CALLS.items()),
        f"{start} -S execve,execveat -C uid!=euid -F auid!=-1 -F key=privilege",
        *(
            f"{start} -S truncate,ftruncate,openat -F exit={code} {person} -F key=refusals"
            for code in ("-EACCES", "-EPERM")
        ),
    ]


RULES = told("b64") + told("b32")
ANSWERS = {
    "systemd-detect-virt": (1, "none\n"),
    "auditctl -s": STATE,
    "auditctl -l": "\n".join(RULES),
    "augenrules": "/usr/sbin/augenrules: No change\n",
    "find": "700 0 /var/log/audit\n600 0 /var/log/audit/audit.log\n400 0 /var/log/audit/audit.log.1\n",
}


def but(word: str, instead: str = "") -> dict[str, str]:
    """Return the rules with one word replaced, or without the lines that hold it."""
    lines = [line.replace(word, instead) if instead else line for line in RULES if instead or word not in line]
    return {"auditctl -l": "\n".join(lines)}


CASES = [
    (audit.test_the_record_is_kept, {}, "pass", ""),
    (
        audit.test_the_record_is_kept,
        {"auditctl -s": STATE.replace("enabled 2", "enabled 0")},
        "fail",
        "records nothing",
    ),
    (audit.test_the_record_is_kept, {"auditctl -s": STATE.replace("pid 312", "pid 0")}, "fail", "no daemon"),
    (audit.test_the_record_is_kept, {"auditctl -s": STATE.replace("8192", "64")}, "fail", "only 64"),
    (audit.test_the_record_is_kept, {"auditctl -s": STATE.replace("failure 1", "failure 0")}, "fail", "without a word"),
    (audit.test_nobody_changes_the_rules, {}, "pass", ""),
    (audit.test_nobody_changes_the_rules, {"auditctl -s": STATE.replace("enabled 2", "enabled 1")}, "fail", "root"),
    (audit.test_nobody_changes_the_rules, {"augenrules": "Rules have changed and should be updated"}, "fail", "wait"),
    (audit.test_the_record_is_roots_alone, {}, "pass", ""),
    (audit.test_the_record_is_roots_alone, {"find": ANSWERS["find"].replace("600", "640")}, "fail", "audit.log"),
    (audit.test_the_record_is_roots_alone, {"find": ANSWERS["find"].replace("600 0", "600 7")}, "fail", "audit.log"),
    (audit.test_the_record_is_roots_alone, {"find": "700 0 /var/log/audit\n"}, "error", "no record"),
    (audit.test_changes_of_accounts_are_recorded, {}, "pass", ""),
    (audit.test_changes_of_accounts_are_recorded, {"auditctl -l": "No rules\n"}, "fail", "/etc/shadow"),
    (audit.test_changes_of_accounts_are_recorded, but("path=/etc/shadow "), "fail", "/etc/shadow"),
    (audit.test_changes_of_accounts_are_recorded, but("perm=wa", "perm=a"), "fail", "/etc/passwd"),
    (audit.test_changes_of_accounts_are_recorded, but("perm=wa", "perm=wa -F uid=33"), "fail", "/etc/passwd"),
    (audit.test_the_use_of_power_is_recorded, {}, "pass", ""),
    (audit.test_the_use_of_power_is_recorded, but("execve,execveat", "execveat"), "fail", "execve"),
    (audit.test_who_sets_the_clock_is_recorded, {}, "pass", ""),
    (audit.test_who_sets_the_clock_is_recorded, but("key=time"), "fail", "clock_settime"),
    (audit.test_changes_of_the_network_are_recorded, {}, "pass", ""),
    (audit.test_changes_of_the_network_are_recorded, but("key=network"), "fail", "sethostname"),
    (audit.test_changes_of_rights_are_recorded, {}, "pass", ""),
    (audit.test_changes_of_rights_are_recorded, but("key=permissions"), "fail", "fchmodat"),
    (audit.test_refused_access_is_recorded, {}, "pass", ""),
    (audit.test_refused_access_is_recorded, but("exit=-EPERM"), "fail", "openat refused by EPERM"),
    (audit.test_deletion_is_recorded, {}, "pass", ""),
    (audit.test_deletion_is_recorded, but("arch=b32 -S unlinkat"), "fail", "unlinkat"),
    (audit.test_changes_of_the_kernel_are_recorded, {}, "pass", ""),
    (audit.test_changes_of_the_kernel_are_recorded, but("key=modules"), "fail", "finit_module"),
]
EVERY_CHECK = sorted({case[0] for case in CASES}, key=lambda check: check.__name__)


@pytest.mark.parametrize(("check", "told", "status", "words"), CASES)
def test_what_a_check_says(check, told, status, words):
    assert outcome(check, ANSWERS | told)[0] == status
    assert words in outcome(check, ANSWERS | told)[1]


@pytest.mark.parametrize(
    ("told", "status"), [({}, "pass"), (but("path=/etc/nginx "), "fail"), (but("path=/var/lib/postgresql "), "fail")]
)
def test_the_stack_is_what_this_host_has_of_it(told, status):
    assert outcome(audit.test_changes_of_the_stack_are_recorded, ANSWERS | told, HERE)[0] == status


@pytest.mark.parametrize("check", EVERY_CHECK)
def test_a_shared_kernel_shows_nothing(check):
    status, reason = outcome(check, ANSWERS | {"systemd-detect-virt": "systemd-nspawn\n"})
    assert (status, "shares its host's kernel" in reason) == ("not-exercised", True)


READ = [
    ("-w /etc/passwd -p wa -k identity", ["/etc/passwd"], [], []),
    ("-w /etc/passwd -p a -k identity", ["/etc/passwd"], [], ["/etc/passwd"]),
    ("-w /etc/ssh/ -p wa", ["/etc/ssh"], [], []),
    ("-a always,exit -F arch=b64 -S mount -F key=m", [], ["mount"], ["mount"]),
    ("-a exit,always -S mount -F key=m", [], ["mount"], []),
    ("-a exit,always -F arch=x86_64 -S mount\n-a exit,always -F arch=i386 -S mount", [], ["mount"], []),
    ("-a always,exit -S mount -F exit=-13", [], ["mount"], ["mount"]),
    ("-a always,exit -S mount -F uid=0", [], ["mount"], ["mount"]),
    ("-a always,exit -S mount -C uid!=euid", [], ["mount"], ["mount"]),
    ("-a always,exit -F dir=/srv -F perm=wa -S all", [], ["mount"], ["mount"]),
    ("-a never,exit -F auid=1000\n-w /etc/passwd -p wa", ["/etc/passwd"], [], ["/etc/passwd"]),
    ("-w /etc/passwd -p wa\n-a never,exit -F auid=1000", ["/etc/passwd"], [], []),
    (f"-a never,exit -F arch=b64 -S unlinkat,chmod -F dir={LAYERS}\n-w /etc/passwd -p wa", ["/etc/passwd"], [], []),
    (f"-a never,exit -S renameat -F dir={LAYERS}\n-w /etc/passwd -p wa", ["/etc/passwd"], [], ["/etc/passwd"]),
    ("-a never,exit -S unlinkat -F dir=/srv\n-w /etc/passwd -p wa", ["/etc/passwd"], [], ["/etc/passwd"]),
    (f"-a never,exit -S unlinkat -F dir={LAYERS}", [], ["unlinkat"], ["unlinkat"]),
    ("-a never,task\n-w /etc/passwd -p wa", ["/etc/passwd"], [], ["/etc/passwd"]),
]


@pytest.mark.parametrize(("text", "paths", "calls", "missing"), READ)
def test_rules_are_read_as_auditctl_tells_them(text, paths, calls, missing):
    assert unrecorded(read_rules(text), paths, calls) == missing


def test_what_is_no_rule_is_no_answer():
    with pytest.raises(CouldNotAsk):
        read_rules("You must be root to run this program.")
