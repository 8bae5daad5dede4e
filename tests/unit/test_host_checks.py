"""The checks of a host's own concerns, each seen to pass and to fail, on answers as real hosts gave them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from checks import test_accounts as accounts
from checks import test_banner as banner
from checks import test_files as files
from checks import test_firewall as firewall
from checks import test_journal as journal
from checks import test_kernel as kernel
from checks import test_packages as packages
from checks import test_ssh as ssh
from checks import test_sudo as sudo
from checks import test_time as clock
from checks import test_updates as updates
from checks.nftables import within
from hedgerow.checking import Answer, Finder
from hedgerow.verify_plugin import verdict
from tests.unit.test_verify import sheet_of

DECLARED = replace(
    sheet_of().declared, administrators=("jane",), installer_account="debian", ssh_from=("192.0.2.0/28",)
)


@dataclass
class Told:
    """A host that answers what it was told: the longest key that a command contains decides."""

    answers: dict[str, str | tuple[int, str]]
    asked: list[str] = field(default_factory=list)

    @property
    def backend(self) -> Told:
        return self

    def question(self, command: str, _seconds: float, _fresh: bool) -> Answer:
        self.asked.append(command)
        keys = sorted((key for key in self.answers if key in command), key=len)
        assert keys, f"nobody told what to answer to: {command}"
        said = self.answers[keys[-1]]
        code, text = said if isinstance(said, tuple) else (0, said)
        return Answer(command, code, text, text if "ssh -vv" in command else "", 0.0)


def outcome(check, answers, *extra) -> tuple[str, str]:
    """Return status and reason of a check on a host that answers so."""
    finder = Finder()
    try:
        check(Told(answers), finder, *extra)
        problem = None
    except Exception as error:
        problem = error
    return verdict(problem, finder.as_fields)


PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534::/bin:/bin/sync\ngames:x:5:60::/usr/games:/usr/sbin/nologin\n"
    "debian:x:1000:1000::/home/debian:/bin/bash\njane:x:1001:1001::/home/jane:/bin/bash\n"
    "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
)
SHELLS = "# /etc/shells\n/bin/sh\n/bin/bash\n"
STATES = "root L 2026-01-01 0\nsync L 2026-01-01 0\ngames L 2026-01-01 0\ndebian L 2026-01-01 0\njane L 2026-01-01 0\n"
PEOPLE = {
    "getent passwd": PASSWD,
    "/etc/shells": SHELLS,
    "passwd --status": STATES,
    "getent group": (2, ""),
    "getent group hedgerow-admins": "hedgerow-admins:x:900:jane\n",
    "getent group hedgerow-ssh": "hedgerow-ssh:x:901:jane,debian\n",
}

ACCOUNTS = [
    (accounts.test_root_has_no_password, {}, "pass", ""),
    (accounts.test_root_has_no_password, {"passwd --status": "root P x\n"}, "fail", "root has a password"),
    (accounts.test_root_has_no_password, {"passwd --status": "root NP x\n"}, "fail", "needs no password"),
    (accounts.test_no_account_opens_without_a_secret, {}, "pass", ""),
    (accounts.test_no_account_opens_without_a_secret, {"passwd --status": "hole NP x\n"}, "fail", "hole"),
    (accounts.test_one_account_is_root, {}, "pass", ""),
    (accounts.test_one_account_is_root, {"getent passwd": PASSWD + "toor:x:0:0::/:/bin/sh\n"}, "fail", "toor"),
    (accounts.test_accounts_of_software_are_closed, {}, "pass", ""),
    (
        accounts.test_accounts_of_software_are_closed,
        {"getent passwd": PASSWD.replace("/usr/games:/usr/sbin/nologin", "/usr/games:/bin/bash")},
        "fail",
        "games",
    ),
    (
        accounts.test_accounts_of_software_are_closed,
        {"passwd --status": STATES.replace("games L", "games P")},
        "fail",
        "games",
    ),
]
PEOPLE_CHECKS = [
    (accounts.test_people_are_those_declared, {}, "pass", ""),
    (
        accounts.test_people_are_those_declared,
        {"getent passwd": PASSWD + "mallory:x:1002:1002::/home/mallory:/bin/bash\n"},
        "fail",
        "not declared: mallory",
    ),
    (accounts.test_people_are_those_declared, {"getent group hedgerow-admins": "g:x:9:jane,games\n"}, "fail", "games"),
    (accounts.test_people_are_those_declared, {"getent group hedgerow-admins": (2, "")}, "fail", "not there"),
    (ssh.test_only_the_login_group_comes_in, {}, "pass", ""),
    (ssh.test_only_the_login_group_comes_in, {"sshd -T": "port 22\n"}, "fail", "every group"),
    (
        ssh.test_only_the_login_group_comes_in,
        {"getent group hedgerow-ssh": "hedgerow-ssh:x:901:jane,games\n"},
        "fail",
        "games",
    ),
]
APT = {"apt-config": "", "grep": (1, ""), "find": "d_InRelease\ne_Release\ne_Release.gpg\n"}
SESSIONS = [
    (accounts.test_new_files_are_closed_to_others, {accounts.UMASK: "0027\n"}, "pass", ""),
    (accounts.test_new_files_are_closed_to_others, {accounts.UMASK: "0077\n"}, "pass", ""),
    (accounts.test_new_files_are_closed_to_others, {accounts.UMASK: "0022\n"}, "fail", "0022"),
    (accounts.test_new_files_are_closed_to_others, {accounts.UMASK: "This account is closed.\n"}, "error", "answered"),
    (accounts.test_a_shell_left_alone_ends, {accounts.TIMEOUT: 'declare -rx TMOUT="900"\n'}, "pass", ""),
    (accounts.test_a_shell_left_alone_ends, {accounts.TIMEOUT: 'declare -x TMOUT="900"\n'}, "fail", "not read-only"),
    (accounts.test_a_shell_left_alone_ends, {accounts.TIMEOUT: 'declare -r TMOUT="0"\n'}, "fail", "0 seconds"),
    (accounts.test_a_shell_left_alone_ends, {accounts.TIMEOUT: 'declare -r TMOUT="7200"\n'}, "fail", "7200"),
    (accounts.test_a_shell_left_alone_ends, {accounts.TIMEOUT: "none\n"}, "fail", "no TMOUT"),
    (clock.test_records_carry_one_zone, {"date": "UTC +0000\n"}, "pass", ""),
    (clock.test_records_carry_one_zone, {"date": "CET +0100\n"}, "fail", "CET"),
    (clock.test_the_kernel_says_the_clock_is_disciplined, {"detect-virt": "lxc\n"}, "not-exercised", "lxc"),
    (
        clock.test_the_kernel_says_the_clock_is_disciplined,
        {"detect-virt": (1, "none\n"), "timedatectl": "NTPSynchronized=no\n"},
        "fail",
        "not disciplined",
    ),
    (
        clock.test_the_kernel_says_the_clock_is_disciplined,
        {"detect-virt": (1, "none\n"), "timedatectl": "NTPSynchronized=yes\n"},
        "pass",
        "",
    ),
    (kernel.test_a_crash_leaves_no_copy_of_memory, {"DefaultLimitCORE": "0\n", "ulimit": "0\n"}, "pass", ""),
    (
        kernel.test_a_crash_leaves_no_copy_of_memory,
        {"DefaultLimitCORE": "0\n", "ulimit": "unlimited\n"},
        "fail",
        "session",
    ),
    (
        kernel.test_a_crash_leaves_no_copy_of_memory,
        {"DefaultLimitCORE": "infinity\n", "ulimit": "0\n"},
        "fail",
        "service",
    ),
    (kernel.test_programs_cannot_read_each_other, {"detect-virt": "systemd-nspawn\n"}, "not-exercised", "shares"),
    (
        kernel.test_programs_cannot_read_each_other,
        {"detect-virt": (1, "none"), "sysctl": "".join(f"{k} = {min(v)}\n" for k, v in kernel.MEMORY.items())},
        "pass",
        "",
    ),
    (
        kernel.test_programs_cannot_read_each_other,
        {"detect-virt": (1, "none"), "sysctl": "kernel.randomize_va_space = 0\n"},
        "fail",
        "randomize_va_space=0",
    ),
    (files.test_homes_are_closed_to_others, {files.HOMES: "700 /root\n750 /home/jane\n"}, "pass", ""),
    (files.test_homes_are_closed_to_others, {files.HOMES: "700 /root\n755 /home/jane\n"}, "fail", "/home/jane (755)"),
    (files.test_nobody_changes_what_is_not_hers, {"find": ""}, "pass", ""),
    (files.test_nobody_changes_what_is_not_hers, {"find": "/etc/x\n"}, "fail", "/etc/x"),
    (files.test_nobody_changes_what_is_not_hers, {"find": (1, "")}, "error", "exit code 1"),
    (files.test_temporary_files_carry_no_rights, {"/tmp": "/tmp rw,nosuid,nodev\n"}, "pass", ""),
    (files.test_temporary_files_carry_no_rights, {"/tmp": "/tmp rw,nosuid\n"}, "fail", "nodev"),
    (files.test_temporary_files_carry_no_rights, {"/tmp": (1, "")}, "fail", "root file system"),
    (packages.test_nothing_superfluous, {"dpkg-query": "installed nginx\nconfig-files telnetd\n"}, "pass", ""),
    (packages.test_nothing_superfluous, {"dpkg-query": "installed nginx\ninstalled telnetd\n"}, "fail", "telnetd"),
    (packages.test_only_signed_sources, APT, "pass", ""),
    (packages.test_only_signed_sources, APT | {"grep": "/etc/apt/x.list:deb [trusted=yes] …\n"}, "fail", "x.list"),
    (packages.test_only_signed_sources, APT | {"find": "d_InRelease\ne_Release\n"}, "fail", "e_Release"),
    (
        packages.test_only_signed_sources,
        APT | {"apt-config": 'APT::Get::AllowUnauthenticated "true";\n'},
        "fail",
        "AllowUnauthenticated",
    ),
    (updates.test_the_release_is_supported, {"os-release": 'ID=debian\nVERSION_ID="13"\n'}, "pass", ""),
    (updates.test_the_release_is_supported, {"os-release": 'ID=debian\nVERSION_ID="11"\n'}, "fail", "debian 11"),
]

GREETING = (
    "debug1: Connecting\r\ndebug2: local client KEXINIT proposal\r\n"
    "debug2: KEX algorithms: diffie-hellman-group1-sha1\r\n"
    "debug2: peer server KEXINIT proposal\r\ndebug2: KEX algorithms: curve25519-sha256,kex-strict-s-v00@openssh.com\r\n"
    "debug2: host key algorithms: ssh-ed25519\r\ndebug2: ciphers stoc: aes256-gcm@openssh.com\r\n"
    "debug2: MACs stoc: hmac-sha2-512-etm@openssh.com\r\n"
    "This system is for authorised use; what you do is recorded.\r\n"
    "debian@127.0.0.1: Permission denied (publickey).\r\n"
)
SETTINGS = (
    "permitrootlogin no\nallowgroups hedgerow-ssh\nmaxauthtries 3\nlogingracetime 30\nmaxstartups 10:30:60\n"
    "disableforwarding yes\nallowtcpforwarding yes\nallowagentforwarding yes\nallowstreamlocalforwarding yes\n"
    "x11forwarding yes\npermittunnel no\nclientaliveinterval 300\nclientalivecountmax 2\nloglevel VERBOSE\n"
    "syslogfacility AUTH\nhostkey /k\npermituserenvironment no\npermituserrc no\nacceptenv LANG\nacceptenv LC_*\n"
)
SSH = {
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

POLICY = (
    '{"User_Specs": [{"User_List": [{"username": "root"}, {"usergroup": "hedgerow-admins"}, {"username": "debian"}]}]}'
)
DEFAULTS = "Matching Defaults entries for debian on one:\n    env_reset,\n    use_pty\n\nUser debian may run\n"
JOURNALD = "[Journal]\n#Storage=auto\nMaxRetentionSec=7y\nSystemMaxUse=4G\nRateLimitIntervalSec=0\n"
RECORD = {
    "systemctl show systemd-journald": "StateChangeTimestamp=@1000\n",
    "find": "900.1 /etc/systemd/journald.conf\n",
    "cat-config": JOURNALD,
    "timespan '7y'": "Original: 7y\n      μs: 220903200000000\n",
    "timespan '1month'": "Original: 1month\n      μs: 2629800000000\n",
    "timespan '0'": "Original: 0\n      μs: 0\n",
    "timespan '30s'": "Original: 30s\n      μs: 30000000\n",
}
RECORD_CHECKS = [
    (journal.test_the_journal_is_kept, {}, "pass", ""),
    (journal.test_the_journal_is_kept, {"cat-config": "[Journal]\n"}, "fail", "nothing states"),
    (journal.test_the_journal_is_kept, {"cat-config": JOURNALD.replace("7y", "1month")}, "fail", "30 days"),
    (journal.test_the_journal_is_kept, {"cat-config": JOURNALD.replace("SystemMaxUse=4G\n", "")}, "fail", "chance"),
    (journal.test_the_journal_is_kept, {"find": "1001.0 /etc/systemd/journald.conf.d/x.conf\n"}, "error", "changed"),
    (journal.test_bursts_are_not_dropped, {}, "pass", ""),
    (
        journal.test_bursts_are_not_dropped,
        {"cat-config": "RateLimitIntervalSec=30s\nRateLimitBurst=200\n"},
        "fail",
        "more than 200",
    ),
    (
        journal.test_the_journal_is_written_to_disk,
        {journal.WRITTEN: "9 -> /var/log/journal/a/system.journal\n"},
        "pass",
        "",
    ),
    (
        journal.test_the_journal_is_written_to_disk,
        {journal.WRITTEN: "9 -> /run/log/journal/a/system.journal\n"},
        "fail",
        "gone",
    ),
    (journal.test_the_journal_is_written_to_disk, {journal.WRITTEN: "9 -> /dev/null\n"}, "fail", "no journal open"),
]
SUDO_CHECKS = [
    (sudo.test_commands_get_a_terminal_of_their_own, {"sudo -l": DEFAULTS}, (DECLARED,), "pass", ""),
    (
        sudo.test_commands_get_a_terminal_of_their_own,
        {"sudo -l": DEFAULTS.replace("use_pty", "use_pty, !use_pty")},
        (DECLARED,),
        "fail",
        "caller's terminal",
    ),
    (
        sudo.test_our_own_call_is_on_record,
        {"journalctl": "x ; USER=root ; COMMAND=y mark-1\n"},
        ("mark-1",),
        "pass",
        "",
    ),
    (sudo.test_our_own_call_is_on_record, {"journalctl": "USER=root mark-0\n"}, ("mark-1",), "fail", "no record"),
    (sudo.test_no_other_rule_gives_power, {"cvtsudoers": POLICY}, (DECLARED,), "pass", ""),
    (
        sudo.test_no_other_rule_gives_power,
        {"cvtsudoers": POLICY.replace('"username": "root"', '"usergroup": "sudo"')},
        (DECLARED,),
        "fail",
        "%sudo",
    ),
    (
        sudo.test_no_other_rule_gives_power,
        {"cvtsudoers": POLICY.replace('"username": "debian"', '"userid": 1005')},
        (DECLARED,),
        "fail",
        "#1005",
    ),
    (sudo.test_no_other_rule_gives_power, {"cvtsudoers": "syntax error"}, (DECLARED,), "error", "no JSON"),
]


@pytest.mark.parametrize(("check", "differently", "status", "words"), [*ACCOUNTS, *SESSIONS])
def test_what_a_host_says_of_itself(check, differently, status, words):
    seen = outcome(check, PEOPLE | differently)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("check", "differently", "status", "words"), [*PEOPLE_CHECKS, *SSH_CHECKS])
def test_people_and_ssh(check, differently, status, words):
    seen = outcome(check, PEOPLE | SSH | differently, DECLARED)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("check", "differently", "status", "words"), RECORD_CHECKS)
def test_the_record(check, differently, status, words):
    seen = outcome(check, RECORD | differently)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("check", "answers", "extra", "status", "words"), SUDO_CHECKS)
def test_sudo(check, answers, extra, status, words):
    seen = outcome(check, answers, *extra)
    assert (seen[0], words in seen[1]) == (status, True), seen


# --- The firewall: a closed one in nft's JSON, and ways to open it.


def match(protocol: str, key: str, right: object, op: str = "==") -> dict[str, object]:
    return {"match": {"op": op, "left": {"payload": {"protocol": protocol, "field": key}}, "right": right}}


ANSWERS = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
LOOPBACK = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}
ACCEPT, DROP, LOG = {"accept": None}, {"drop": None}, {"log": {"prefix": "drop "}}
SSH_FROM_OFFICE = [
    match("ip", "saddr", {"prefix": {"addr": "192.0.2.0", "len": 28}}),
    match("tcp", "dport", 22),
    ACCEPT,
]


def table(
    hooks: dict[str, list[list[dict[str, object]]]], policy: str = "drop", family: str = "inet", named: object = ()
) -> str:
    """Return a ruleset as `nft -j` prints it: one table, a chain a hook."""
    place = {"family": family, "table": "wall"}
    chains = [
        {"chain": {**place, "name": hook, "type": "filter", "hook": hook, "prio": 0, "policy": policy}}
        for hook in hooks
    ]
    rules = [{"rule": {**place, "chain": hook, "expr": expr}} for hook, rows in hooks.items() for expr in rows]
    sets = [{"set": {**place, "name": "office", "elem": list(named)}}]
    return json.dumps({"nftables": [{"metainfo": {}}, *chains, *rules, *sets]})


def wall(*more: list[dict[str, object]], policy: str = "drop", family: str = "inet", hook: str = "input") -> str:
    """Return a good ruleset with more rules at one hook."""
    base = [[ANSWERS, ACCEPT], [LOOPBACK, ACCEPT], [LOG]]
    hooks = {name: [*base, *(more if name == hook else ())] for name in firewall.HOOKS}
    hooks["input"] = [SSH_FROM_OFFICE, *hooks["input"]]
    return table(hooks, policy, family)


IPV6 = {"match": {"op": "==", "left": {"meta": {"key": "nfproto"}}, "right": "ipv6"}}
BY_SET = [match("ip", "saddr", "@office"), match("tcp", "dport", {"set": [22, 2222]}), ACCEPT]
FIREWALLS = [
    (firewall.test_nothing_undeclared_comes_in, wall(), "pass", ""),
    (firewall.test_nothing_undeclared_comes_in, table({}), "fail", "nothing drops"),
    (firewall.test_nothing_undeclared_comes_in, wall(policy="accept"), "fail", "nothing drops"),
    (firewall.test_nothing_undeclared_comes_in, wall(family="ip6"), "fail", "nothing drops"),
    (firewall.test_nothing_undeclared_comes_in, wall([ACCEPT]), "fail", "without naming a purpose"),
    (firewall.test_nothing_undeclared_comes_in, wall([match("ip", "saddr", "192.0.2.9"), ACCEPT]), "fail", "ip saddr"),
    (firewall.test_nothing_undeclared_comes_in, wall([match("tcp", "dport", 443), ACCEPT]), "pass", ""),
    (
        firewall.test_nothing_undeclared_comes_in,
        wall([{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["new"]}}, ACCEPT]),
        "fail",
        "ct state",
    ),
    (firewall.test_nothing_undeclared_goes_out, wall([ACCEPT], hook="output"), "fail", "purpose"),
    (firewall.test_nothing_undeclared_goes_out, wall(), "pass", ""),
    (firewall.test_nothing_undeclared_passes_through, wall([ACCEPT], hook="forward"), "fail", "purpose"),
    (firewall.test_nothing_undeclared_passes_through, wall(), "pass", ""),
    (firewall.test_drops_are_recorded, wall(), "pass", ""),
    (firewall.test_drops_are_recorded, table({hook: [] for hook in firewall.HOOKS}), "fail", "input, forward, output"),
    (firewall.test_ipv6_is_no_side_door, wall(), "pass", ""),
    (firewall.test_ipv6_is_no_side_door, wall(family="ip"), "fail", "not filtered as IPv4"),
    (firewall.test_ipv6_is_no_side_door, table({}), "fail", "not filtered as IPv4"),
    (firewall.test_ipv6_is_no_side_door, wall([IPV6, ACCEPT]), "fail", "rules let IPv6"),
    (firewall.test_ipv6_is_no_side_door, wall([match("ip6", "saddr", "fe80::1"), ACCEPT]), "fail", "rules let IPv6"),
    (firewall.test_ipv6_is_no_side_door, wall([match("icmpv6", "type", "nd-neighbor-solicit"), ACCEPT]), "pass", ""),
]
SSH_SOURCES = [
    (wall(), "pass", ""),
    (wall([match("tcp", "dport", 22), ACCEPT]), "fail", "to everybody"),
    (wall([match("ip", "saddr", "198.51.100.7"), match("tcp", "dport", 22), ACCEPT]), "fail", "198.51.100.7"),
    (wall([match("tcp", "dport", {"set": [{"range": [20, 30]}]}), ACCEPT]), "fail", "to everybody"),
    (table({"input": [BY_SET]}, named=["192.0.2.3", {"prefix": {"addr": "192.0.2.8", "len": 29}}]), "pass", ""),
    (table({"input": [BY_SET]}, named=["192.0.2.3", "203.0.113.1"]), "fail", "203.0.113.1"),
    (table({}), "fail", "nothing filters"),
]


@pytest.mark.parametrize(("check", "rules", "status", "words"), FIREWALLS)
def test_the_firewall(check, rules, status, words):
    seen = outcome(check, {"nft": rules})
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("rules", "status", "words"), SSH_SOURCES)
def test_sources_of_ssh(rules, status, words):
    seen = outcome(firewall.test_ssh_opens_for_declared_networks, {"nft": rules}, DECLARED)
    assert (seen[0], words in seen[1]) == (status, True), seen


UNIT = "UnitFileState=enabled\nActiveState=active\nBefore=network-pre.target\nExecStart={ path=/usr/sbin/nft }\n"
BOOT = [
    ({}, "pass", ""),
    ({"systemctl": UNIT.replace("enabled", "disabled")}, "fail", "disabled"),
    ({"systemctl": UNIT.replace("network-pre.target", "")}, "fail", "after the network"),
    ({"systemctl": "UnitFileState=\nActiveState=inactive\nBefore=\n"}, "error", "does not exist"),
    ({"unshare": (1, "")}, "fail", "refused"),
    ({"unshare": table({"input": [], "output": []})}, "fail", "forward"),
]


@pytest.mark.parametrize(("differently", "status", "words"), BOOT)
def test_after_a_restart(differently, status, words):
    good = {"systemctl": UNIT, "unshare": wall()}
    seen = outcome(firewall.test_the_same_walls_stand_after_a_restart, good | differently)
    assert (seen[0], words in seen[1]) == (status, True), seen


INSIDE = [
    ("192.0.2.9", ("192.0.2.0/28",), True),
    ("192.0.2.9", ("192.0.2.9",), True),
    ("192.0.2.99", ("192.0.2.0/28", "198.51.100.0/24"), False),
    ("192.0.2.9", (), False),
    ("192.0.2.9", ("any",), True),
    ({"range": ["192.0.2.0", "192.0.2.255"]}, ("192.0.2.0/28",), False),
    ("2001:db8::1", ("any",), True),
]


@pytest.mark.parametrize(("inner", "outer", "inside"), INSIDE)
def test_networks_within_networks(inner, outer, inside):
    assert within(inner, outer) is inside
