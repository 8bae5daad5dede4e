"""The checks of a host's own concerns, each seen to pass and to fail, on answers as real hosts gave them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from checks import test_accounts as accounts
from checks import test_ca as authority
from checks import test_files as files
from checks import test_journal as journal
from checks import test_kernel as kernel
from checks import test_packages as packages
from checks import test_sudo as sudo
from checks import test_time as clock
from checks import test_updates as updates
from hedgerow import pki
from tests.unit.told import DECLARED, outcome

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

SESSION = '{"__REALTIME_TIMESTAMP":"1800000000000000","USER_ID":"safe"}\n'

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
    (accounts.test_accounts_end_when_declared, {"getent shadow": "jane:\ngames:1\n"}, "pass", ""),
    (accounts.test_accounts_end_when_declared, {"getent shadow": "jane:24106\n"}, "fail", "another day than declared"),
    (accounts.test_accounts_end_when_declared, {"getent shadow": "games:\n"}, "fail", "jane"),
    (accounts.test_accounts_end_when_declared, {"getent shadow": "jane:soon\n"}, "error", "no number of days"),
]
APT = {"apt-config": "", "grep": (1, ""), "find": "d_InRelease\ne_Release\ne_Release.gpg\n"}
DENIED = {
    "detect-virt": (1, "none\n"),
    "showconfig": "".join(f"install {name.replace('_', '-')} /bin/false\n" for name in kernel.DENIED),
    "/proc/modules": "ext4\n",
}

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
    (files.test_nothing_in_shared_memory_runs, {"/dev/shm": "rw,nosuid,nodev,noexec\n"}, "pass", ""),
    (files.test_nothing_in_shared_memory_runs, {"/dev/shm": "rw,nosuid,nodev\n"}, "fail", "noexec"),
    (files.test_nothing_in_shared_memory_runs, {"/dev/shm": (1, "")}, "fail", "no mount"),
    (files.test_lasting_temporary_files_lend_nothing, {"/var/tmp": "rw,nosuid,nodev,relatime\n"}, "pass", ""),
    (files.test_lasting_temporary_files_lend_nothing, {"/var/tmp": "rw,nosuid\n"}, "fail", "nodev"),
    (files.test_lasting_temporary_files_lend_nothing, {"/var/tmp": (1, "")}, "fail", "no mount"),
    (accounts.test_nobody_works_while_she_is_away, {"linger": "looked\n"}, "pass", ""),
    (accounts.test_nobody_works_while_she_is_away, {"linger": "stays: root\nlooked\n"}, "pass", ""),
    (accounts.test_nobody_works_while_she_is_away, {"linger": "stays: jane\nlooked\n"}, "fail", "stays: jane"),
    (accounts.test_nobody_works_while_she_is_away, {"linger": "waits: /var/spool/x\nlooked\n"}, "fail", "waits"),
    (
        accounts.test_nobody_works_while_she_is_away,
        {"linger": "crontab: You (nobody) are not allowed to use this program (crontab)\nlooked\n"},
        "pass",
        "",
    ),
    (
        accounts.test_nobody_works_while_she_is_away,
        {"linger": "crontab: no crontab for nobody\nlooked\n"},
        "fail",
        "no crontab",
    ),
    (accounts.test_nobody_works_while_she_is_away, {"linger": "atq: \nlooked\n"}, "fail", "atq"),
    (accounts.test_nobody_works_while_she_is_away, {"linger": ""}, "error", "could not be looked at"),
    (packages.test_programs_are_as_they_were_packaged, {"dpkg --verify": ""}, "pass", ""),
    (
        packages.test_programs_are_as_they_were_packaged,
        {"dpkg --verify": (1, "??5?????? c /etc/sudoers\nmissing     /usr/bin/x\n??5??????   /usr/share/y\n")},
        "pass",
        "",
    ),
    (
        packages.test_programs_are_as_they_were_packaged,
        {"dpkg --verify": (1, "??5??????   /usr/bin/watch\n??5??????   /lib/z.so\n")},
        "fail",
        "/usr/bin/watch, /lib/z.so",
    ),
    (packages.test_programs_are_as_they_were_packaged, {"dpkg --verify": (2, "")}, "error", "exit code 2"),
    (packages.test_nothing_compiles, {"compgen": (1, "")}, "pass", ""),
    (packages.test_nothing_compiles, {"compgen": "x86_64-linux-gnu-gcc-14\n"}, "fail", "gcc-14"),
    (kernel.test_what_nobody_needs_is_not_loaded, {"detect-virt": "systemd-nspawn\n"}, "not-exercised", "shares"),
    (kernel.test_what_nobody_needs_is_not_loaded, DENIED, "pass", ""),
    (kernel.test_what_nobody_needs_is_not_loaded, DENIED | {"/proc/modules": "ext4\ntipc\n"}, "fail", "already: tipc"),
    (kernel.test_what_nobody_needs_is_not_loaded, DENIED | {"showconfig": "blacklist tipc\n"}, "fail", "tipc"),
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
LIMITED = replace(DECLARED, sudo_scopes=(("jane", ("/usr/bin/id", "/usr/bin/systemctl restart x")),))
NONE_IS_ADMIN = {"getent group": (2, "")}


def rules(*commands: str) -> dict[str, str]:
    given = [{"Commands": [{"command": command} for command in commands]}]
    return {"cvtsudoers": json.dumps({"User_Specs": [{"User_List": [{"username": "jane"}], "Cmnd_Specs": given}]})}


SUDO_CHECKS = [
    (sudo.test_each_has_the_power_declared, PEOPLE | {"cvtsudoers": POLICY}, (DECLARED,), "pass", ""),
    (
        sudo.test_each_has_the_power_declared,
        NONE_IS_ADMIN | rules('/usr/bin/id ""', "/usr/bin/systemctl restart x"),
        (LIMITED,),
        "pass",
        "",
    ),
    (
        sudo.test_each_has_the_power_declared,
        NONE_IS_ADMIN | rules("/usr/bin/id", "/usr/bin/systemctl restart x"),
        (LIMITED,),
        "fail",
        "not those declared",
    ),
    (sudo.test_each_has_the_power_declared, NONE_IS_ADMIN | rules("ALL"), (LIMITED,), "fail", "not those declared"),
    (sudo.test_each_has_the_power_declared, PEOPLE | rules(), (LIMITED,), "fail", "has all power"),
    (sudo.test_each_has_the_power_declared, NONE_IS_ADMIN | rules(), (DECLARED,), "fail", "lacks all power"),
    (sudo.test_each_has_the_power_declared, PEOPLE | rules("/usr/bin/id"), (DECLARED,), "fail", "not those declared"),
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


@pytest.mark.parametrize(("check", "differently", "status", "words"), PEOPLE_CHECKS)
def test_people(check, differently, status, words):
    seen = outcome(check, PEOPLE | differently, DECLARED)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("check", "differently", "status", "words"), RECORD_CHECKS)
def test_the_record(check, differently, status, words):
    seen = outcome(check, RECORD | differently)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("check", "answers", "extra", "status", "words"), SUDO_CHECKS)
def test_sudo(check, answers, extra, status, words):
    seen = outcome(check, answers, *extra)
    assert (seen[0], words in seen[1]) == (status, True), seen


NETWORK = (
    "net.ipv4.conf.all.accept_redirects = 0\nnet.ipv4.conf.eth0.secure_redirects = 0\n"
    "net.ipv4.conf.all.log_martians = 1\nnet.ipv4.conf.all.rp_filter = 1\nnet.ipv4.icmp_echo_ignore_broadcasts = 1\n"
    "net.ipv4.icmp_ignore_bogus_error_responses = 1\nnet.ipv4.tcp_syncookies = 1\n"
    "net.ipv6.conf.eth0.accept_redirects = 0\n"
)
WITHOUT_IPV6 = "".join(line for line in NETWORK.splitlines(keepends=True) if "ipv6" not in line)
AUTOMATIC = {
    "apt-config": (
        'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
        'Unattended-Upgrade::Origins-Pattern:: "origin=Debian,label=Debian-Security";\n'
    ),
    "is-active": "active\nactive\n",
}
NOW = int(time.time())
WAITING = {
    updates.LISTS: "deb_InRelease\n",
    updates.FETCHED: f"{NOW - 100}\n{NOW - 900000}\n",
    updates.WAITING: "Listing...\na/stable 2 all [upgradable from: 1]\n",
    updates.RESTART: "",
}
KEYS = {
    "grep -lsE": "/etc/hedgerow/tls/edge.key\n",
    "stat -c '%a %U %G %n' /etc/shadow": "640 root shadow /etc/shadow\n",
    "stat -c '%a %U %G %n' /etc/hedgerow": "640 root www-data /etc/hedgerow/tls/edge.key\n",
}
HOST_CHECKS = [
    (kernel.test_routing_hints_are_neither_believed_nor_sent, {"sysctl": NETWORK}, "pass", ""),
    (kernel.test_routing_hints_are_neither_believed_nor_sent, {"sysctl": WITHOUT_IPV6}, "pass", ""),
    (
        kernel.test_routing_hints_are_neither_believed_nor_sent,
        {"sysctl": NETWORK.replace("eth0.secure_redirects = 0", "eth0.secure_redirects = 1")},
        "fail",
        "eth0.secure_redirects=1",
    ),
    (kernel.test_routing_hints_are_neither_believed_nor_sent, {"sysctl": "net.ipv4.x = 1\n"}, "fail", "has no"),
    (updates.test_security_updates_install_themselves, AUTOMATIC, "pass", ""),
    (
        updates.test_security_updates_install_themselves,
        AUTOMATIC | {"is-active": (3, "active\ninactive\n")},
        "fail",
        "timers",
    ),
    (updates.test_security_updates_install_themselves, AUTOMATIC | {"apt-config": ""}, "fail", "not renewed daily"),
    (
        updates.test_security_updates_install_themselves,
        AUTOMATIC | {"apt-config": str(AUTOMATIC["apt-config"]).replace("Security", "Backports")},
        "fail",
        "no origin",
    ),
    (updates.test_no_security_update_waits, WAITING, "pass", ""),
    (
        updates.test_no_security_update_waits,
        WAITING | {updates.WAITING: "Listing...\nopenssl/stable,stable-security 2 amd64 [upgradable from: 1]\n"},
        "fail",
        "openssl",
    ),
    (updates.test_no_security_update_waits, WAITING | {updates.FETCHED: f"{NOW - 864000}\n"}, "fail", "10 days old"),
    (updates.test_no_security_update_waits, WAITING | {updates.RESTART: f"{NOW - 864000}.5\n"}, "fail", "10 days"),
    (updates.test_no_security_update_waits, WAITING | {updates.RESTART: f"{NOW - 60}.5\n"}, "pass", ""),
    (updates.test_no_security_update_waits, WAITING | {updates.LISTS: ""}, "error", "no package lists"),
    (files.test_secrets_are_closed_to_others, KEYS, "pass", ""),
    (
        files.test_secrets_are_closed_to_others,
        KEYS | {"stat -c '%a %U %G %n' /etc/hedgerow": "644 root root /etc/hedgerow/tls/edge.key\n"},
        "fail",
        "edge.key (644 root:root)",
    ),
    (files.test_secrets_are_closed_to_others, KEYS | {"grep -lsE": (123, "")}, "pass", ""),
    (files.test_secrets_are_closed_to_others, KEYS | {"grep -lsE": (1, "")}, "error", "exit code 1"),
]
READERS = PEOPLE | {journal.AS_NOBODY: (1, "")}
PRIVATE = [
    ({}, "pass", ""),
    ({journal.AS_NOBODY: "a record\n"}, "fail", "everybody"),
    ({"getent group adm": "adm:x:4:mallory\n"}, "fail", "mallory"),
    ({"getent group adm": "adm:x:4:jane,games\n"}, "pass", ""),
]


@pytest.mark.parametrize(("check", "answers", "status", "words"), HOST_CHECKS)
def test_the_rest_of_the_host(check, answers, status, words):
    seen = outcome(check, answers)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.mark.parametrize(("differently", "status", "words"), PRIVATE)
def test_readers_of_the_record(differently, status, words):
    seen = outcome(journal.test_only_administrators_read_the_journal, READERS | differently, DECLARED)
    assert (seen[0], words in seen[1]) == (status, True), seen


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """An authority, its certificate where the declaration says, its fingerprint, and its key's public half."""
    made = pki.new_authority("acme", datetime(2026, 1, 1, tzinfo=UTC))
    path = tmp_path_factory.mktemp("authority") / "ca.crt"
    path.write_text(made.certificate)
    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    half = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    print_ = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return replace(DECLARED, ca_file=str(path)), print_, hashlib.sha256(half).hexdigest()


def test_trust_in_the_authority(pair):
    declared, fingerprint, _ = pair
    good = {authority.FINGERPRINT: f"sha256 Fingerprint={fingerprint}\n", authority.TRUSTED: "OK\n"}
    check = authority.test_the_host_trusts_our_authority
    assert outcome(check, good, declared) == ("pass", "")
    assert outcome(check, good | {authority.TRUSTED: (2, "")}, declared)[1].startswith("the system's trust store")
    assert "not the controller's" in outcome(check, good | {authority.FINGERPRINT: "x=AA:BB\n"}, declared)[1]
    assert "has no certificate" in outcome(check, good | {authority.FINGERPRINT: (1, "")}, declared)[1]
    assert outcome(check, good, replace(declared, ca_file="/nowhere"))[0] == "error"


def test_the_authority_s_key_anywhere(pair):
    declared, _, half = pair
    check = authority.test_the_authority_s_key_is_not_here
    other = f"{'0' * 64} /etc/hedgerow/tls/edge.key\nopenssh /etc/ssh/ssh_host_ed25519_key\n"
    assert outcome(check, {"find": other}, declared) == ("pass", "")
    assert outcome(check, {"find": (123, "")}, declared) == ("pass", "")
    found = outcome(check, {"find": f"{other}{half} /root/copy.pem\nsealed /root/x\n"}, declared)
    assert found[0] == "fail"
    assert found[1].startswith("the authority's private key lies in /root/copy.pem")
    assert outcome(check, {"find": f"{other}sealed /root/x\n"}, declared)[0] == "error"


def test_an_account_ends_on_the_day_declared():
    declared = replace(DECLARED, expiries=(("jane", "2036-01-01"),))
    assert outcome(accounts.test_accounts_end_when_declared, {"getent shadow": "jane:24106\n"}, declared)[0] == "pass"
    assert outcome(accounts.test_accounts_end_when_declared, {"getent shadow": "jane:24107\n"}, declared)[0] == "fail"
    assert outcome(accounts.test_accounts_end_when_declared, {"getent shadow": "jane:\n"}, declared)[0] == "fail"


def test_who_has_less_power_is_no_member_of_the_group_that_has_all():
    limited = replace(DECLARED, sudo_scopes=(("jane", ()),))
    assert outcome(accounts.test_people_are_those_declared, PEOPLE, limited)[1].startswith("more power than declared")
    without = PEOPLE | {"getent group hedgerow-admins": (2, "")}
    assert outcome(accounts.test_people_are_those_declared, without, limited)[0] == "pass"


@pytest.mark.parametrize(
    ("sealed", "said", "status", "reason"),
    [
        ((), "", "not exercised", "no account for emergencies"),
        ((("safe", 1_700_000_000),), "", "pass", ""),
        ((("safe", 1_700_000_000),), SESSION, "fail", "safe at 2027-01-15T08:00:00Z"),
        ((("safe", 1_700_000_000), ("vault", 5)), SESSION, "fail", "vault at 2027"),
    ],
)
def test_an_envelope_that_was_opened(sealed, said, status, reason):
    declared = replace(DECLARED, sealed=sealed)
    found = outcome(accounts.test_nobody_has_opened_the_envelope, {"journalctl": said}, declared)
    assert (found[0].replace("_", " ").replace("-", " "), reason in found[1]) == (status, True), found
