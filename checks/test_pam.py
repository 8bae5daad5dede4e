"""How one proves who one is on the host: what PAM does for those who ask it, and what a password must be."""

from __future__ import annotations

import pytest

from checks.pam_stack import QUESTION, conf, files, place, steps
from hedgerow.checking import ANY, CouldNotAsk

DOORS = ("login", "su", "sudo", "sshd")
LOCK_OUT = "cat /etc/security/faillock.conf"
HISTORY = "cat /etc/security/pwhistory.conf"
QUALITY = "cat /etc/security/pwquality.conf /etc/security/pwquality.conf.d/*.conf"
# The library that PAM asks, with what it is set to. The first is long enough and nothing else; then one that is short,
# one out of a dictionary, one that repeats itself.
GOOD = "glove-Tundra-88-violin-oak"
BAD = ("kV7-qLx2!w", "administrators", "aaaaaaaaaaaaaaaaaa")


def scores(length: int) -> str:
    """Return the question which of some passwords are taken; the last is one character short of the least."""
    words = " ".join(f"'{word}'" for word in (GOOD, *BAD, GOOD[: length - 1]))
    return f'for word in {words}; do echo "$word" | pwscore >/dev/null 2>&1; echo $?; done'


ASK_AHEAD = (QUESTION, LOCK_OUT, HISTORY, QUALITY, lambda sheet: scores(sheet.declared.password_length))

MOST_ATTEMPTS = 5
LEAST_SECONDS = 900
LEAST_REMEMBERED = 24


@pytest.mark.control("pam.lock-out")
def test_guessing_shuts_an_account(host, finding):
    """Asked before the password, counted after it; where a service does only one of them, nothing is ever locked."""
    finding.expect(
        f"for {', '.join(DOORS)}: pam_faillock around pam_unix, at most {MOST_ATTEMPTS} attempts, root's too,"
        f" {LEAST_SECONDS} seconds or more"
    )
    lines = files(host, finding)
    open_ones = []
    for service in DOORS:
        auth = steps(lines, service, "auth")
        first, password = place(auth, "pam_faillock.so", "preauth"), place(auth, "pam_unix.so")
        last = place(auth, "pam_faillock.so", "authfail")
        if password < 0:
            raise CouldNotAsk(f"{service} asks for no password of the host's")
        if not (0 <= first < password < last) or place(steps(lines, service, "account"), "pam_faillock.so") < 0:
            open_ones.append(service)
    said = conf(finding.ask(host, LOCK_OUT).stdout)
    attempts, seconds = int(said.get("deny", "3")), int(said.get("unlock_time", "600"))
    root = "even_deny_root" in said
    finding.observe(
        f"{attempts} attempts, {seconds} s, root {'too' if root else 'not'}; not for: {open_ones or 'none'}"
    )
    assert not open_ones, f"passwords can be guessed without end by {', '.join(open_ones)}"
    assert 0 < attempts <= MOST_ATTEMPTS, f"{attempts} wrong passwords are let through"
    assert seconds == 0 or seconds >= LEAST_SECONDS, f"an account opens again after {seconds} seconds"
    assert root, "root's password can be guessed without end"


@pytest.mark.control("pam.password-quality")
def test_weak_passwords_are_refused(host, finding, declared):
    """Tried with the library itself: it refuses what is short, known or repeated, and takes what is long."""
    finding.expect(
        "passwd asks pam_pwquality before it sets one, root too; weak ones refused, among them one shorter than"
        f" {declared.password_length} characters; a strong one taken"
    )
    answers = finding.ask(host, scores(declared.password_length), codes=ANY).stdout.split()
    if len(answers) != 2 + len(BAD) or "127" in answers:
        raise CouldNotAsk("pwscore did not answer")
    if answers[0] != "0":
        raise CouldNotAsk("pwscore refuses even a strong password: it says nothing about weak ones")
    taken = sum(answer == "0" for answer in answers[1:])
    password = steps(files(host, finding), "passwd", "password")
    asked, sets = place(password, "pam_pwquality.so"), place(password, "pam_unix.so")
    loose = asked >= 0 and bool({word.partition("=")[0] for word in password[asked].arguments} - {"retry"})
    said = conf(finding.ask(host, QUALITY).stdout)
    finding.observe(
        f"{taken} of {1 + len(BAD)} weak passwords taken; asked {'before' if 0 <= asked < sets else 'not before'}"
    )
    assert taken == 0, f"{taken} of {1 + len(BAD)} weak passwords would be taken"
    assert 0 <= asked < sets, "passwd sets a password that nobody looked at"
    assert password[asked].control in {"requisite", "required"}, "a refused password is set all the same"
    assert not loose, f"PAM asks with settings of its own: {' '.join(password[asked].arguments)}"
    assert "enforce_for_root" in said, "root may set any password"
    assert said.get("enforcing", "1") == "1", "a weak password only brings a warning"


@pytest.mark.control("pam.password-history")
def test_no_password_is_taken_twice(host, finding):
    """Between the look at the new password and the setting of it."""
    finding.expect(f"passwd asks pam_pwhistory before it sets one; {LEAST_REMEMBERED} or more remembered, root's too")
    password = steps(files(host, finding), "passwd", "password")
    asked, sets = place(password, "pam_pwhistory.so"), place(password, "pam_unix.so")
    said = conf(finding.ask(host, HISTORY).stdout)
    remembered = (password[asked].setting("remember") if asked >= 0 else None) or said.get("remember", "10")
    finding.observe(f"asked {'before' if 0 <= asked < sets else 'not before'}; {remembered} remembered")
    assert 0 <= asked < sets, "nobody looks at former passwords"
    assert password[asked].control in {"requisite", "required"}, "a former password is set all the same"
    assert int(remembered) >= LEAST_REMEMBERED, f"only {remembered} former passwords are remembered"
    assert "enforce_for_root" in said, "root may set a former password"


@pytest.mark.control("pam.su-restricted")
def test_only_administrators_become_others(host, finding):
    """pam_wheel before any password is asked for; root itself is let through ahead of it."""
    finding.expect("su: pam_rootok, then pam_wheel with use_uid and a group of declared people, before pam_unix")
    auth = steps(files(host, finding), "su", "auth")
    wheel, password = place(auth, "pam_wheel.so"), place(auth, "pam_unix.so")
    restricted = 0 <= wheel < password and auth[wheel].control in {"requisite", "required"}
    group = (auth[wheel].setting("group") or "wheel") if restricted else ""
    ahead = sorted({step.module for step in auth[: max(wheel, 0)]} - {"pam_rootok.so"})
    finding.observe(f"members of {group}" if restricted else "everybody may try")
    assert restricted, "everybody may try to become somebody else"
    assert not ahead, f"asked ahead of it: {', '.join(ahead)}"
    assert auth[wheel].setting("use_uid") is not None, "it goes by the log-in name, which su changes"
    assert auth[wheel].setting("deny") is None and auth[wheel].setting("trust") is None, "it is turned around"
    assert group == "hedgerow-admins", f"the members of {group} may, who are not the declared people"
