"""The checks of SSH and of the words before login, each seen to pass and to fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from checks import test_banner as banner
from checks import test_ssh as ssh
from tests.unit.told import DECLARED, outcome

GREETING = (
    "debug1: Connecting\r\ndebug2: local client KEXINIT proposal\r\n"
    "debug2: KEX algorithms: diffie-hellman-group1-sha1\r\n"
    "debug2: peer server KEXINIT proposal\r\ndebug2: KEX algorithms: curve25519-sha256,kex-strict-s-v00@openssh.com\r\n"
    "debug2: host key algorithms: ssh-ed25519\r\ndebug2: ciphers stoc: aes256-gcm@openssh.com\r\n"
    "debug2: MACs stoc: hmac-sha2-512-etm@openssh.com\r\n"
    "This system is for authorised use; what you do is recorded.\r\n"
    "debian@127.0.0.1: Permission denied (publickey).\r\n"
)
PENALTIES = "crash:60 authfail:3 noauth:1 min:30 max:120 overflow:permissive"
SETTINGS = (
    f"persourcepenalties {PENALTIES}\npersourcepenaltyexemptlist none\n"
    "permitrootlogin no\nallowgroups hedgerow-ssh\nmaxauthtries 3\nlogingracetime 30\nmaxstartups 10:30:60\n"
    "disableforwarding yes\nallowtcpforwarding yes\nallowagentforwarding yes\nallowstreamlocalforwarding yes\n"
    "x11forwarding yes\npermittunnel no\nclientaliveinterval 300\nclientalivecountmax 2\nloglevel VERBOSE\n"
    "syslogfacility AUTH\nhostkey /k\npermituserenvironment no\npermituserrc no\nstrictmodes yes\n"
    "hostbasedauthentication no\ngssapiauthentication no\nignorerhosts yes\nacceptenv LANG\nacceptenv LC_*\n"
)
SSH = {
    "getent group hedgerow-ssh": "hedgerow-ssh:x:901:jane,debian\n",
    "ssh -vv": (255, GREETING),
    "sshd -T": SETTINGS,
    "systemctl show ssh": "StateChangeTimestamp=@1000\n",
    "sshd_config": "900.5 /etc/ssh/sshd_config\n",
    "ssh-keygen": "256 SHA256:abc root@one (ED25519)\n",
}


def greeting(old: str, new: str) -> dict[str, str | tuple[int, str]]:
    return {"ssh -vv": (255, GREETING.replace(old, new))}


def settings(old: str, new: str) -> dict[str, str | tuple[int, str]]:
    return {"sshd -T": SETTINGS.replace(old, new)}


SSH_CHECKS = [
    (ssh.test_who_keeps_guessing_is_shut_out, {}, "pass", ""),
    (ssh.test_who_keeps_guessing_is_shut_out, settings(PENALTIES, "no"), "fail", "at once, for ever"),
    (ssh.test_who_keeps_guessing_is_shut_out, settings("authfail:3", "authfail:1"), "fail", "more than 10"),
    (
        ssh.test_who_keeps_guessing_is_shut_out,
        settings("authfail:3 noauth:1 min:30", "authfail:0 min:0"),
        "fail",
        "no penalty",
    ),
    (ssh.test_who_keeps_guessing_is_shut_out, settings("list none", "list 192.0.2.0/24"), "fail", "192.0.2.0/24"),
    (ssh.test_who_keeps_guessing_is_shut_out, settings(PENALTIES, "crash:60"), "error", "authfail, min"),
    (ssh.test_who_keeps_guessing_is_shut_out, {"sshd -T": "port 22\n"}, "not-exercised", "older than 9.8"),
    (ssh.test_only_the_login_group_comes_in, {}, "pass", ""),
    (ssh.test_only_the_login_group_comes_in, {"sshd -T": "port 22\n"}, "fail", "every group"),
    (
        ssh.test_only_the_login_group_comes_in,
        {"getent group hedgerow-ssh": "hedgerow-ssh:x:901:jane,games\n"},
        "fail",
        "games",
    ),
    (ssh.test_keys_are_the_only_way_in, {}, "pass", ""),
    (ssh.test_keys_are_the_only_way_in, greeting("(publickey)", "(publickey,password)"), "fail", "publickey,password"),
    (ssh.test_keys_are_the_only_way_in, {"ssh -vv": (255, "Connection refused")}, "error", "did not come to"),
    (ssh.test_nothing_old_is_offered, {}, "pass", ""),
    (ssh.test_nothing_old_is_offered, greeting("stoc: aes256-gcm@openssh.com", "stoc: 3des-cbc"), "fail", "3des-cbc"),
    (ssh.test_nothing_old_is_offered, greeting("MACs stoc", "MACs"), "error", "names no MAC"),
    (banner.test_a_warning_comes_before_login, {}, "pass", ""),
    (banner.test_a_warning_comes_before_login, greeting("This system", "Debian 13. Welcome. "), "pass", ""),
    (banner.test_a_warning_comes_before_login, greeting("authorised", "any"), "fail", "authorised use"),
    (banner.test_a_warning_comes_before_login, greeting("recorded", "fun"), "fail", "being recorded"),
    (ssh.test_root_gets_no_session, {}, "pass", ""),
    (ssh.test_root_gets_no_session, settings("permitrootlogin no", "permitrootlogin yes"), "fail", "yes"),
    (ssh.test_root_gets_no_session, settings("permitrootlogin no\n", ""), "error", "does not know"),
    (ssh.test_root_gets_no_session, {"sshd_config": "2000.0 /etc/ssh/x.conf\n"}, "error", "changed after"),
    (ssh.test_root_gets_no_session, {"systemctl show ssh": "StateChangeTimestamp=\n"}, "error", "not running"),
    (ssh.test_a_machine_vouches_for_nobody, {}, "pass", ""),
    (
        ssh.test_a_machine_vouches_for_nobody,
        settings("hostbasedauthentication no", "hostbasedauthentication yes"),
        "fail",
        "proof",
    ),
    (
        ssh.test_a_machine_vouches_for_nobody,
        settings("gssapiauthentication no", "gssapiauthentication yes"),
        "fail",
        "proof",
    ),
    (ssh.test_a_machine_vouches_for_nobody, settings("ignorerhosts yes", "ignorerhosts no"), "fail", "trusted"),
    (ssh.test_keys_that_others_could_write_do_not_count, {}, "pass", ""),
    (
        ssh.test_keys_that_others_could_write_do_not_count,
        settings("strictmodes yes", "strictmodes no"),
        "fail",
        "believed",
    ),
    (
        ssh.test_keys_that_others_could_write_do_not_count,
        settings("permituserrc no", "permituserrc yes"),
        "fail",
        "log-in",
    ),
    (ssh.test_guessing_is_slow, {}, "pass", ""),
    (ssh.test_guessing_is_slow, settings("maxauthtries 3", "maxauthtries 6"), "fail", "6 guesses"),
    (ssh.test_guessing_is_slow, settings("logingracetime 30", "logingracetime 0"), "fail", "for ever"),
    (ssh.test_guessing_is_slow, settings("10:30:60", "10:30:100"), "fail", "100 unfinished"),
    (ssh.test_sessions_carry_no_tunnel, {}, "pass", ""),
    (ssh.test_sessions_carry_no_tunnel, settings("disableforwarding yes", "disableforwarding no"), "fail", "x11"),
    (ssh.test_sessions_carry_no_tunnel, settings("permittunnel no", "permittunnel yes"), "fail", "permittunnel"),
    (ssh.test_silent_sessions_end, {}, "pass", ""),
    (ssh.test_silent_sessions_end, settings("interval 300", "interval 0"), "fail", "stays open"),
    (ssh.test_silent_sessions_end, settings("countmax 2", "countmax 0"), "fail", "switches"),
    (ssh.test_silent_sessions_end, settings("countmax 2", "countmax 9"), "fail", "2700 s"),
    (ssh.test_logins_are_recorded_with_their_key, {}, "pass", ""),
    (ssh.test_logins_are_recorded_with_their_key, settings("VERBOSE", "INFO"), "fail", "INFO"),
    (ssh.test_the_server_proves_itself_with_strong_keys, {}, "pass", ""),
    (
        ssh.test_the_server_proves_itself_with_strong_keys,
        {"ssh-keygen": "1024 SHA256:abc root@one (RSA)\n"},
        "fail",
        "RSA 1024",
    ),
    (
        ssh.test_the_server_proves_itself_with_strong_keys,
        {"sshd -T": SETTINGS + "hostkey /w\n", "ssh-keygen -lf /w": "2048 SHA256:abc root@one (RSA)\n"},
        "fail",
        "RSA 2048",
    ),
    (
        ssh.test_the_server_proves_itself_with_strong_keys,
        greeting("host key algorithms: ssh-ed25519", "host key algorithms: ssh-rsa"),
        "fail",
        "ssh-rsa",
    ),
    (ssh.test_clients_bring_no_settings, {}, "pass", ""),
    (ssh.test_clients_bring_no_settings, settings("acceptenv LANG", "acceptenv LD_PRELOAD"), "fail", "LD_PRELOAD"),
    (ssh.test_clients_bring_no_settings, settings("userenvironment no", "userenvironment yes"), "fail", "own file"),
]


@pytest.mark.parametrize(("check", "differently", "status", "words"), SSH_CHECKS)
def test_ssh(check, differently, status, words):
    seen = outcome(check, SSH | differently, DECLARED)
    assert (seen[0], words in seen[1]) == (status, True), seen


CLIENT = (
    "user root\nhostname elsewhere.invalid\nforwardagent no\nforwardx11 no\npermitlocalcommand no\n"
    "hostbasedauthentication no\nstricthostkeychecking ask\nhashknownhosts yes\nhostkeyalgorithms ssh-ed25519\n"
    "kexalgorithms curve25519-sha256\nciphers aes256-gcm@openssh.com\nmacs hmac-sha2-256-etm@openssh.com\n"
)


@pytest.mark.parametrize(
    ("old", "new", "status", "words"),
    [
        ("", "", "pass", ""),
        ("forwardagent no", "forwardagent yes", "fail", "forwardagent"),
        ("forwardagent no", "forwardagent $SSH_AUTH_SOCK", "fail", "forwardagent"),
        ("forwardx11 no", "forwardx11 yes", "fail", "forwardx11"),
        ("checking ask", "checking false", "fail", "false"),
        ("checking ask", "checking accept-new", "fail", "accept-new"),
        ("hashknownhosts yes", "hashknownhosts no", "fail", "known_hosts"),
        ("macs ", "macs hmac-sha1,", "fail", "hmac-sha1"),
        ("hostkeyalgorithms ", "hostkeyalgorithms ssh-dss,", "fail", "ssh-dss"),
    ],
)
def test_who_goes_on_from_a_host(old, new, status, words):
    said = outcome(
        ssh.test_who_goes_on_from_here_lends_no_keys, {"ssh -G": CLIENT.replace(old, new) if old else CLIENT}
    )
    assert (said[0], words in said[1]) == (status, True), said


TOKENS = (
    "pubkeyacceptedalgorithms sk-ssh-ed25519@openssh.com\npubkeyauthoptions verify-required\n"
    "authorizedkeysfile /etc/ssh/hedgerow-keys/%u\n"
)
FACTOR = {**SSH, "sshd -T": TOKENS, "hedgerow-keys/jane": "sk-ssh-ed25519@openssh.com AAAA jane\n"}


@pytest.mark.parametrize(
    ("wanted", "changed", "status", "words"),
    [
        (True, {}, "pass", ""),
        (
            True,
            {"sshd -T": TOKENS.replace("sk-ssh", "ssh-ed25519,sk-ssh")},
            "fail",
            "jane may come in with ssh-ed25519",
        ),
        (True, {"sshd -T": TOKENS.replace("verify-required", "none")}, "fail", "PIN"),
        (True, {"sshd -T": TOKENS.replace("verify-required", "touch-required")}, "fail", "PIN"),
        (True, {"hedgerow-keys/jane": "ssh-ed25519 AAAA jane\n"}, "fail", "ssh-ed25519"),
        # Where sshd looks decides, not where keys were put.
        (
            True,
            {
                "sshd -T": TOKENS.replace("/etc/ssh/hedgerow-keys/%u", ".ssh/authorized_keys"),
                "cat ~jane/.ssh/authorized_keys": "ssh-rsa AAAA jane\n",
            },
            "fail",
            "ssh-rsa",
        ),
        (True, {"sshd -T": "port 22\n"}, "error", "does not know"),
        (False, {}, "not-exercised", "not declared"),
    ],
)
def test_a_second_factor_is_asked_of_every_person(wanted, changed, status, words) -> None:
    declared = replace(DECLARED, second_factor=wanted)
    said = outcome(ssh.test_people_show_a_token_and_know_its_pin, FACTOR | changed, declared)
    assert (said[0], words in said[1]) == (status, True), said
