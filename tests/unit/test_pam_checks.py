"""The checks of passwords, each seen to pass and to fail, on PAM's files as Debian's tool puts them together."""

from __future__ import annotations

import pytest

from checks import test_pam as pam
from checks.pam_stack import place, steps
from hedgerow.checking import CouldNotAsk
from tests.unit.told import DECLARED, outcome

PAM = """\
./common-auth:auth	requisite	pam_faillock.so preauth
./common-auth:auth	[success=2 default=ignore]	pam_unix.so nullok try_first_pass
./common-auth:auth	[default=die]	pam_faillock.so authfail
./common-auth:auth	requisite			pam_deny.so
./common-account:account	required	pam_faillock.so
./common-account:account	[success=1 new_authtok_reqd=done default=ignore]	pam_unix.so
./common-password:password	requisite			pam_pwquality.so retry=3
./common-password:password	requisite	pam_pwhistory.so use_authtok
./common-password:password	[success=1 default=ignore]	pam_unix.so obscure use_authtok yescrypt
./login:auth       optional   pam_faildelay.so  delay=3000000
./login:@include common-auth
./login:@include common-account
./sshd:@include common-auth
./sshd:account    required     pam_nologin.so
./sshd:@include common-account
./sudo:@include common-auth
./sudo:@include common-account
./passwd:@include common-password
./su:auth       sufficient pam_rootok.so
./su:auth       requisite  pam_wheel.so use_uid group=hedgerow-admins
./su:@include common-auth
./su:@include common-account
./su-l:auth		include		su
"""
QUALITY = "minlen = 14\nenforcing = 1\nenforce_for_root # too\n"
ANSWERS = {
    "/etc/pam.d": PAM,
    "faillock.conf": "# read at each login\ndeny = 5\nunlock_time = 900\neven_deny_root\n",
    "pwhistory.conf": "remember = 24\nenforce_for_root\n",
    "pwquality.conf": QUALITY,
    "pwscore": "0\n1\n1\n1\n1\n",
}


def but(line: str, instead: str = "") -> dict[str, str]:
    """Return PAM's files with some words replaced, or without the lines that hold them."""
    if instead:
        return {"/etc/pam.d": PAM.replace(line, instead)}
    return {"/etc/pam.d": "".join(row for row in PAM.splitlines(keepends=True) if line not in row)}


LOCK_OUT = pam.test_guessing_shuts_an_account
QUALITY_CHECK = pam.test_weak_passwords_are_refused
HISTORY = pam.test_no_password_is_taken_twice
SU = pam.test_only_administrators_become_others
CASES = [
    (LOCK_OUT, {}, "pass", ""),
    (LOCK_OUT, but("preauth"), "fail", "login, su, sudo, sshd"),
    (LOCK_OUT, but("authfail"), "fail", "without end"),
    (LOCK_OUT, but("account	required	pam_faillock.so"), "fail", "without end"),
    (LOCK_OUT, but("sudo:@include common-account"), "fail", "by sudo"),
    (LOCK_OUT, but("./login:"), "error", "no login"),
    (LOCK_OUT, but("pam_unix.so nullok"), "error", "no password"),
    (LOCK_OUT, {"faillock.conf": "deny = 9\nunlock_time = 900\neven_deny_root"}, "fail", "9 wrong"),
    (LOCK_OUT, {"faillock.conf": "deny = 0\nunlock_time = 900\neven_deny_root"}, "fail", "0 wrong"),
    (LOCK_OUT, {"faillock.conf": "deny = 5\neven_deny_root"}, "fail", "600 seconds"),
    (LOCK_OUT, {"faillock.conf": "deny = 5\nunlock_time = 0\neven_deny_root"}, "pass", ""),
    (LOCK_OUT, {"faillock.conf": "deny = 5\nunlock_time = 900"}, "fail", "root"),
    (QUALITY_CHECK, {}, "pass", ""),
    (QUALITY_CHECK, {"pwscore": "0\n0\n1\n1\n1\n"}, "fail", "1 of 4"),
    (QUALITY_CHECK, {"pwscore": "1\n1\n1\n1\n1\n"}, "error", "strong"),
    (QUALITY_CHECK, {"pwscore": "127\n127\n127\n127\n127\n"}, "error", "did not answer"),
    (QUALITY_CHECK, {"pwscore": "0\n1\n1\n1\n0\n"}, "fail", "1 of 4"),
    (QUALITY_CHECK, but("pam_pwquality"), "fail", "nobody looked"),
    (
        QUALITY_CHECK,
        but("requisite			pam_pwquality", "optional			pam_pwquality"),
        "fail",
        "all the same",
    ),
    (QUALITY_CHECK, but("retry=3", "retry=3 minlen=4"), "fail", "minlen=4"),
    (QUALITY_CHECK, {"pwquality.conf": "minlen = 14"}, "fail", "root"),
    (QUALITY_CHECK, {"pwquality.conf": f"{QUALITY}enforcing = 0"}, "fail", "warning"),
    (HISTORY, {}, "pass", ""),
    (HISTORY, but("pam_pwhistory"), "fail", "nobody looks"),
    (HISTORY, but("pam_pwhistory.so", "pam_pwhistory.so remember=2"), "fail", "only 2"),
    (HISTORY, but("requisite	pam_pwhistory", "optional	pam_pwhistory"), "fail", "all the same"),
    (HISTORY, {"pwhistory.conf": "remember = 5\nenforce_for_root"}, "fail", "only 5"),
    (HISTORY, {"pwhistory.conf": "remember = 24"}, "fail", "root"),
    (SU, {}, "pass", ""),
    (SU, but("pam_wheel"), "fail", "everybody"),
    (SU, but("requisite  pam_wheel", "optional  pam_wheel"), "fail", "everybody"),
    (SU, but("use_uid ", "debug "), "fail", "log-in name"),
    (SU, but("pam_wheel.so", "pam_wheel.so deny"), "fail", "turned around"),
    (SU, but("group=hedgerow-admins", "group=users"), "fail", "users"),
    (SU, but("pam_rootok.so", "pam_permit.so"), "fail", "pam_permit.so"),
]


@pytest.mark.parametrize(("check", "told", "status", "words"), CASES)
def test_what_a_check_says(check, told, status, words):
    said = outcome(check, ANSWERS | told, *([DECLARED] if check is QUALITY_CHECK else []))
    assert (said[0], words in said[1]) == (status, True), said


def test_what_a_file_includes_is_asked_in_its_place():
    lines = {
        "a": ["auth required x.so", "auth substack b", "auth required z.so q=1"],
        "b": ["-auth sufficient /lib/y.so"],
    }
    found = steps(lines, "a", "auth")
    assert [step.module for step in found] == ["x.so", "y.so", "z.so"]
    assert (place(found, "z.so", "q=1"), place(found, "z.so", "r"), found[2].setting("q")) == (2, -1, "1")
    with pytest.raises(CouldNotAsk):
        steps({"a": ["@include c"]}, "a", "auth")
