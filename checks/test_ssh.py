"""SSH: asked of the server over the wire where the wire tells, and of sshd's own reading where it does not."""

from __future__ import annotations

import re
import shlex

import pytest

from checks.gathered import ask_ssh, ask_sshd, members, ssh_greeting, ssh_offers, sshd
from hedgerow.checking import CouldNotAsk, NotExercised

MODERN = {
    "key exchange": {
        "mlkem768x25519-sha256",
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256",
        # Signals, not algorithms: RFC 8308 and OpenSSH's strict key exchange.
        "ext-info-s",
        "kex-strict-s-v00@openssh.com",
    },
    "cipher": {
        "chacha20-poly1305@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-gcm@openssh.com",
        "aes256-ctr",
        "aes192-ctr",
        "aes128-ctr",
    },
    "MAC": {"hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com"},
}
HOST_KEYS = {
    "ssh-ed25519",
    "ssh-ed25519-cert-v01@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
}
LEAST_BITS = {"ED25519": 256, "ECDSA": 256, "RSA": 3072}
IDLE_SECONDS = 900
# Penalties add up, and nobody waits before they have come to `min` (sshd_config(5), PerSourcePenalties).
WAITS, GUESSES = {"authfail", "min"}, 10
TOKENS = {"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"}

ASK_AHEAD = (
    lambda sheet: ask_ssh(sheet.declared),
    lambda sheet: ask_sshd(sheet.declared.installer_account),
    ask_sshd("root"),
)


def setting(settings: dict[str, list[str]], keyword: str) -> str:
    """Return sshd's one value for a keyword. Raises CouldNotAsk where it knows none of that name."""
    if keyword not in settings:
        raise CouldNotAsk(f"sshd -T does not know {keyword}")
    return " ".join(settings[keyword])


@pytest.mark.control("ssh.no-passwords")
def test_keys_are_the_only_way_in(host, finding, declared):
    """Asked for the method "none", a server names those it would accept (RFC 4252, 5.2)."""
    finding.expect("the server accepts publickey and nothing else")
    refusal = re.search(r"Permission denied \((.+)\)", ssh_greeting(host, finding, declared))
    assert refusal, "the server let somebody in who proved nothing"
    finding.observe(f"the server accepts {refusal[1]}")
    assert refusal[1] == "publickey", f"the server also accepts {refusal[1]}"


@pytest.mark.control("ssh.no-root")
def test_root_gets_no_session(host, finding, declared):
    """Evaluated for a connection of root's, so a Match block cannot hide from it."""
    finding.expect("PermitRootLogin no")
    value = setting(sshd(host, finding, declared, user="root"), "permitrootlogin")
    finding.observe(f"PermitRootLogin {value}")
    assert value == "no", f"root may log in: PermitRootLogin {value}"


@pytest.mark.control("ssh.groups-only")
def test_only_the_login_group_comes_in(host, finding, declared):
    """The group is a door only if those in it are the ones declared."""
    wanted = {*declared.administrators, declared.installer_account}
    finding.expect(f"AllowGroups hedgerow-ssh, its members {', '.join(sorted(wanted))}")
    groups = sshd(host, finding, declared).get("allowgroups", [])
    inside = members(host, finding, "hedgerow-ssh")
    finding.observe(f"AllowGroups {' '.join(groups) or 'not set'}; members {', '.join(sorted(inside)) or 'none'}")
    assert groups == ["hedgerow-ssh"], f"the door stands open to {' '.join(groups) or 'every group'}"
    assert inside <= wanted, f"not declared: {', '.join(sorted(inside - wanted))}"


@pytest.mark.control("ssh.modern-algorithms")
def test_nothing_old_is_offered(host, finding, declared):
    """The server's own proposal (RFC 4253, 7.1), as it goes over the wire."""
    finding.expect("only forward-secret key exchange, strong ciphers, encrypt-then-MAC with SHA-2")
    offers = ssh_offers(ssh_greeting(host, finding, declared))
    old = {kind: sorted(set(offers[kind]) - modern) for kind, modern in MODERN.items()}
    said = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in old.items() if names)
    finding.observe(f"offered beyond the list: {said or 'nothing'}")
    assert not said, f"too old: {said}"


@pytest.mark.control("ssh.attempts-limited")
def test_guessing_is_slow(host, finding, declared):
    """MaxStartups begins to refuse at its first number and refuses everybody at its third."""
    finding.expect("MaxAuthTries 4 or fewer, LoginGraceTime 60 s or less, MaxStartups that ends at 60 or fewer")
    settings = sshd(host, finding, declared)
    tries, grace = int(setting(settings, "maxauthtries")), int(setting(settings, "logingracetime"))
    startups = [int(part) for part in setting(settings, "maxstartups").split(":")]
    finding.observe(f"MaxAuthTries {tries}, LoginGraceTime {grace}, MaxStartups {':'.join(map(str, startups))}")
    assert tries <= 4, f"{tries} guesses a connection"
    assert 0 < grace <= 60, "a connection may wait for ever" if grace == 0 else f"{grace} seconds to log in"
    assert startups[-1] <= 60, f"{startups[-1]} unfinished connections at once"


@pytest.mark.control("ssh.guessers-wait")
def test_who_keeps_guessing_is_shut_out(host, finding, declared):
    """Nobody is exempt, the installer no more than others: the firewall lets only declared networks come this far."""
    finding.expect("PerSourcePenalties on, for failed log-ins too, ten of them before a wait at most; nobody exempt")
    settings = sshd(host, finding, declared)
    if "persourcepenalties" not in settings:
        raise NotExercised(
            "this sshd is older than 9.8 and knows no penalties; ssh.attempts-limited is what slows a guesser"
        )
    penalties = setting(settings, "persourcepenalties")
    exempt = setting(settings, "persourcepenaltyexemptlist")
    finding.observe(f"PerSourcePenalties {penalties}; exempt: {exempt}")
    assert penalties != "no", "who fails may try again at once, for ever"
    seconds = {
        name: float(value) for name, _, value in (word.partition(":") for word in penalties.split()) if name in WAITS
    }
    if seconds.keys() != WAITS:
        raise CouldNotAsk(f"sshd -T does not say {', '.join(sorted(WAITS - seconds.keys()))} of its penalties")
    assert seconds["authfail"] * GUESSES >= seconds["min"], f"more than {GUESSES} wrong log-ins before anybody waits"
    assert seconds["authfail"] > 0, "a wrong log-in earns no penalty"
    assert exempt == "none", f"may guess for ever: {exempt}"


@pytest.mark.control("ssh.no-host-trust")
def test_a_machine_vouches_for_nobody(host, finding, declared):
    """Where a way of proof was not built in, sshd does not name it."""
    finding.expect("no proof by the host one comes from, by rhosts files or by a ticket")
    settings = sshd(host, finding, declared)
    names = ("hostbasedauthentication", "gssapiauthentication", "kerberosauthentication")
    ways = {name: setting(settings, name) for name in names if name in settings}
    trusted = setting(settings, "ignorerhosts")
    finding.observe(", ".join(f"{name} {value}" for name, value in {**ways, "ignorerhosts": trusted}.items()))
    taken = [name for name, value in ways.items() if value != "no"]
    assert not taken, f"taken as proof: {', '.join(taken)}"
    assert trusted in ("yes", "shosts-only"), "a file in a home says which machines are trusted"


@pytest.mark.control("ssh.strict-modes")
def test_keys_that_others_could_write_do_not_count(host, finding, declared):
    finding.expect("StrictModes yes, PermitUserRC no")
    settings = sshd(host, finding, declared)
    modes, commands = setting(settings, "strictmodes"), setting(settings, "permituserrc")
    finding.observe(f"StrictModes {modes}, PermitUserRC {commands}")
    assert modes == "yes", "a file of keys that somebody else may write is believed"
    assert commands == "no", "a file in a home runs at each log-in"


@pytest.mark.control("ssh.no-forwarding")
def test_sessions_carry_no_tunnel(host, finding, declared):
    """DisableForwarding overrides every single switch; without it each must be off."""
    finding.expect("DisableForwarding yes, or each kind off; no tunnel device")
    settings = sshd(host, finding, declared)
    kinds = ("allowtcpforwarding", "allowagentforwarding", "allowstreamlocalforwarding", "x11forwarding")
    on = [kind for kind in kinds if setting(settings, kind) != "no"]
    if setting(settings, "disableforwarding") == "yes":
        on = []
    on += ["permittunnel"] if setting(settings, "permittunnel") != "no" else []
    finding.observe(f"on: {', '.join(on) or 'none'}")
    assert not on, f"sessions may carry more than a shell: {', '.join(on)}"


@pytest.mark.control("ssh.idle-sessions-end")
def test_silent_sessions_end(host, finding, declared):
    """After interval x count seconds without an answer sshd lets go; 0 means never."""
    finding.expect(f"ClientAliveInterval x ClientAliveCountMax between 1 and {IDLE_SECONDS} s")
    settings = sshd(host, finding, declared)
    interval, count = int(setting(settings, "clientaliveinterval")), int(setting(settings, "clientalivecountmax"))
    finding.observe(f"{interval} s x {count}")
    assert interval > 0, "a session whose client is gone stays open"
    assert count > 0, "ClientAliveCountMax 0 switches the limit off"
    assert interval * count <= IDLE_SECONDS, f"a silent session lasts {interval * count} s"


@pytest.mark.control("ssh.logs-keys")
def test_logins_are_recorded_with_their_key(host, finding, declared):
    """From VERBOSE on sshd records the fingerprint of each key that is tried, not only of the one that fits."""
    finding.expect("LogLevel VERBOSE, in a facility of authentication")
    settings = sshd(host, finding, declared)
    level, facility = setting(settings, "loglevel"), setting(settings, "syslogfacility")
    finding.observe(f"LogLevel {level}, SyslogFacility {facility}")
    assert level == "VERBOSE" or level.startswith("DEBUG"), f"LogLevel {level} does not record the keys tried"
    assert facility in {"AUTH", "AUTHPRIV"}, f"logins are recorded under {facility}"


@pytest.mark.control("ssh.strong-host-keys")
def test_the_server_proves_itself_with_strong_keys(host, finding, declared):
    """What the server offers to sign with, and the length of the keys behind it."""
    finding.expect("Ed25519, ECDSA of 256 bits or RSA of 3072 bits at least; no SHA-1")
    offered = set(ssh_offers(ssh_greeting(host, finding, declared))["host key"])
    files = sshd(host, finding, declared).get("hostkey", [])
    lengths = [finding.ask(host, f"ssh-keygen -lf {path}").stdout.split() for path in files]
    keys = sorted((row[-1].strip("()"), int(row[0])) for row in lengths)
    finding.observe(", ".join(f"{kind} {bits}" for kind, bits in keys))
    assert keys, "the server names no host key"
    weak = [f"{kind} {bits}" for kind, bits in keys if bits < LEAST_BITS.get(kind, 1 << 20)]
    assert not weak, f"too weak: {', '.join(weak)}"
    assert offered <= HOST_KEYS, f"signs also with {', '.join(sorted(offered - HOST_KEYS))}"


@pytest.mark.control("ssh.no-environment")
def test_clients_bring_no_settings(host, finding, declared):
    """The language of messages may come along: it is data to programs, not a path or a library."""
    finding.expect("PermitUserEnvironment no, PermitUserRC no, AcceptEnv nothing beyond LANG and LC_*")
    settings = sshd(host, finding, declared)
    accepted = set(" ".join(settings.get("acceptenv", [])).split())
    environment, script = setting(settings, "permituserenvironment"), setting(settings, "permituserrc")
    taken = " ".join(sorted(accepted)) or "nothing"
    finding.observe(f"PermitUserEnvironment {environment}, PermitUserRC {script}, AcceptEnv {taken}")
    assert environment == "no", "a user's own file may set the environment of her session"
    assert script == "no", "a user's own script runs before her session"
    assert accepted <= {"LANG", "LC_*"}, f"taken from clients: {', '.join(sorted(accepted - {'LANG', 'LC_*'}))}"


def keys_file(name: str, person: str) -> str:
    """Return where sshd looks for a person's keys, for a shell (sshd_config(5), AuthorizedKeysFile)."""
    expanded = shlex.quote(name.replace("%u", person).replace("%%", "%"))
    return expanded if name.startswith("/") else f"~{person}/{expanded}"


@pytest.mark.control("ssh.second-factor")
def test_people_show_a_token_and_know_its_pin(host, finding, declared):
    """What sshd would take of each person, and which keys she has. The installer's account is no person."""
    finding.expect("for each administrator: keys of FIDO2 tokens alone, verified by the token itself (its PIN)")
    if not declared.second_factor:
        raise NotExercised("access.second_factor: fido2 is not declared")
    if not declared.administrators:
        raise NotExercised("no administrator is declared, so nobody but the installer's account comes in")
    loose = []
    for person in declared.administrators:
        settings = sshd(host, finding, declared, user=person)
        taken = set(setting(settings, "pubkeyacceptedalgorithms").split(","))
        files = [keys_file(name, person) for name in setting(settings, "authorizedkeysfile").split()]
        lines = finding.ask(host, f"cat {' '.join(files)}").stdout.splitlines()
        kinds = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
        if other := sorted((taken | kinds) - TOKENS):
            loose.append(f"{person} may come in with {', '.join(other)}")
        if "verify-required" not in setting(settings, "pubkeyauthoptions").split():
            loose.append(f"{person}'s token is not asked for its PIN")
    finding.observe("; ".join(loose) or f"{len(declared.administrators)} administrators, each by token and PIN")
    assert not loose, "; ".join(loose)


# Put together of all files that everybody's ssh reads, for a host that none of them names; nothing is looked up.
CLIENT = "ssh -G -F /etc/ssh/ssh_config elsewhere.invalid"
CLIENT_MODERN = {"kexalgorithms": "key exchange", "ciphers": "cipher", "macs": "MAC"}
CLIENT_OFF = ("forwardagent", "forwardx11", "permitlocalcommand", "hostbasedauthentication")


@pytest.mark.control("ssh.client-strict")
def test_who_goes_on_from_here_lends_no_keys(host, finding):
    """A forwarded agent opens to root of the next host what its owner may open."""
    finding.expect("strong algorithms, no agent and no display forwarded, host keys never taken unasked, names hashed")
    settings = dict(line.partition(" ")[::2] for line in finding.ask(host, CLIENT).stdout.splitlines())
    old = {
        *(name for word, kind in CLIENT_MODERN.items() for name in set(settings[word].split(",")) - MODERN[kind]),
        *(set(settings["hostkeyalgorithms"].split(",")) - HOST_KEYS),
    }
    on = [name for name in CLIENT_OFF if settings.get(name, "no") not in {"no", "false"}]
    checking, hashed = settings["stricthostkeychecking"], settings["hashknownhosts"]
    finding.observe(f"too old: {', '.join(sorted(old)) or 'nothing'}; on: {', '.join(on) or 'nothing'}; {checking}")
    assert not old, f"too old: {', '.join(sorted(old))}"
    assert not on, f"switched on: {', '.join(on)}"
    assert checking in {"ask", "yes", "true"}, f"host keys: {checking}"
    assert hashed in {"yes", "true"}, "who reads known_hosts learns where to go next"
