"""Containers as Podman describes them: images, ports, mounts, logs, secrets, and who commands the engine."""

from __future__ import annotations

import json

import pytest

from checks import inside
from checks.on_host import program
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.sheet import UNREADABLE, Sheet

# Sockets that podman.socket, a user's own podman or another engine would listen on; 2375 and 2376 are Docker's ports.
SOCKETS = (
    "ss -Hlxn | grep -E '/(podman|docker|containerd|crio)[^ /]*\\.sock' ; ss -Hltn 'sport = :2375 or sport = :2376'"
)
UNITS = "systemctl list-unit-files --no-legend --state=enabled 'podman.socket' 'docker.socket' 'podman.service'"
SECRETS = program("secrets")


def signatures(sheet: Sheet) -> str:
    """Return the question what is asked of images before they are taken; of none where no key is declared."""
    return program("signatures") if sheet.declared.signature_key else "true"


ASK_AHEAD = (inside.INSPECT, inside.IMAGES, SECRETS, signatures, SOCKETS, UNITS)
OURS_ON_HOST = ("/etc/hedgerow/", "/var/lib/hedgerow/")
JOURNAL = ("journald", "passthrough")  # systemd's own journal takes what is passed through


@pytest.mark.control("containers.images-by-digest")
def test_images_are_named_by_their_content(finding, host, every):
    """The digest named may be that of an index; the container then has the manifest of its own platform."""
    finding.expect("every image named by @sha256:, and just that image in the container")
    known = inside.digests(finding.ask(host, inside.IMAGES).stdout)
    for each in every:
        name, _, digest = each.described["ImageName"].partition("@")
        shown = f"{each.name} runs {name}" + (f"@{digest[:19]}…" if digest else "")
        assert digest.startswith("sha256:"), f"{shown}: a tag may be moved"
        content = known.get(each.described["Image"].removeprefix("sha256:"), frozenset())
        assert digest in content, f"{shown}, and its content is {', '.join(sorted(content)) or 'not known'}"
    finding.observe(", ".join(f"{each.name} {each.described['ImageDigest'][:19]}…" for each in every))


@pytest.mark.control("containers.signatures-verified")
def test_nothing_unsigned_is_taken(host, finding, declared, sheet):
    """The rules as Podman tells them, and the key that lies where they point."""
    if not declared.signature_key:
        raise NotExercised("no key is declared (posthog.registry.signature_key)")
    if declared.signature_key == UNREADABLE:
        raise CouldNotAsk("the declared key cannot be read on this machine, so there is nothing to compare with")
    finding.expect("every repository asks for a signature by the declared key; everything else is rejected")
    told = json.loads(finding.ask(host, signatures(sheet)).stdout)
    open_, unsigned = unproven(told["policy"], told["keys"], declared.signature_key)
    signed = set(told["policy"].get("transports", {}).get("docker", {})) - set(unsigned)
    strangers = [name for name in told["running"] if name not in signed]
    finding.observe(f"signed: {', '.join(sorted(signed)) or 'none'}; not: {', '.join([*open_, *unsigned]) or 'none'}")
    assert not open_, f"taken without a signature: {', '.join(open_)}"
    assert not unsigned, f"no signature by the declared key is asked for: {', '.join(unsigned)}"
    assert not strangers, f"runs, and no signature was asked for: {', '.join(strangers)}"


def unproven(policy, keys, wanted):
    """Return what else than registries is not rejected, and the repositories that the declared key does not guard."""
    rejected = [{"type": "reject"}]
    open_ = [] if policy["default"] == rejected else ["default"]
    unsigned = []
    for transport, scopes in policy.get("transports", {}).items():
        for scope, asked in scopes.items():
            if transport != "docker":
                open_ += [] if asked == rejected else [f"{transport}:{scope}"]
            elif not any(
                each["type"] == "sigstoreSigned" and keys.get(each.get("keyPath", "")) == wanted for each in asked
            ):
                unsigned.append(scope)
    return open_, unsigned


@pytest.mark.control("containers.no-published-ports")
def test_no_port_on_the_host(finding, every):
    finding.expect("no port binding, and no container in the host's network")
    found = []
    for each in every:
        described = each.described
        bound = {**(described["HostConfig"]["PortBindings"] or {}), **(described["NetworkSettings"]["Ports"] or {})}
        found += [f"{each.name} publishes {port}" for port, places in bound.items() if places]
        found += [f"{each.name} uses the host's network"] * (described["HostConfig"]["NetworkMode"] == "host")
    finding.observe("; ".join(found) or f"{len(every)} containers, none with a port on the host")
    assert not found, "; ".join(found)


@pytest.mark.control("containers.no-api-socket")
def test_nobody_commands_the_engine(finding, host, listed):
    """Whoever writes to the engine's socket is root; so it does not exist, nor in any container."""
    finding.expect("no listening or enabled socket of a container engine, none mounted into a container")
    listening = finding.ask(host, SOCKETS, codes=(0, 1)).stdout.split()
    enabled = finding.ask(host, UNITS, codes=(0, 1)).stdout.split()
    mounted = [
        f"{each.name} has {mount['Source']}"
        for each in listed
        for mount in each.described["Mounts"]
        if mount.get("Source", "").endswith(".sock")
    ]
    sockets = [word for word in listening if ".sock" in word or word.endswith((":2375", ":2376"))]
    finding.observe(f"sockets: {sockets or 'none'}; enabled: {enabled[:1] or 'none'}; mounted: {mounted or 'none'}")
    assert not sockets, f"an engine listens at {sockets[0]}"
    assert not enabled, f"{enabled[0]} starts at boot"
    assert not mounted, mounted[0]


@pytest.mark.control("containers.mounts-listed")
def test_a_container_sees_what_is_made_for_it(finding, every):
    """A volume of its own may be written; what is the host's is for reading, and lies where we put it."""
    finding.expect(
        f"a volume of the service's own, and of the host only what lies in {' or '.join(OURS_ON_HOST)}, read-only"
    )
    strange = [
        f"{each.name}: {mount.get('Source') or mount.get('Name')} at {mount['Destination']}{' (rw)' * mount['RW']}"
        for each in every
        for mount in each.described["Mounts"]
        if not (
            mount.get("Name") == f"hedgerow-{each.service}"
            if mount["Type"] == "volume"
            else mount["Type"] == "bind" and mount["Source"].startswith(OURS_ON_HOST) and not mount["RW"]
        )
    ]
    count = sum(len(each.described["Mounts"]) for each in every)
    finding.observe(f"{count} mounts in {len(every)} containers, strange: {', '.join(strange) or 'none'}")
    assert not strange, "; ".join(strange)


@pytest.mark.control("containers.logs-kept")
def test_what_they_say_is_kept(finding, every):
    """In the journal it is kept as long as everything else, and out of the container's own reach."""
    finding.expect("the journal as the log of every container")
    drivers = {each.name: each.described["HostConfig"]["LogConfig"]["Type"] for each in every}
    other = [f"{name}: {driver}" for name, driver in drivers.items() if driver not in JOURNAL]
    finding.observe(f"{len(drivers)} containers, not in the journal: {', '.join(other) or 'none'}")
    assert not other, f"not in the journal: {', '.join(other)}"


@pytest.mark.control("containers.secrets-not-inspectable")
def test_looking_shows_no_secret(finding, host, every):
    """Every secret Podman keeps is looked for, on the host, in descriptions, units and command lines."""
    finding.expect("no secret's value in podman inspect, in a unit or in a command line")
    answer = json.loads(finding.ask(host, SECRETS).stdout)
    shown = [
        f"{each.name}: {entry.partition('=')[0]}"
        for each in every
        for entry in each.described["Config"]["Env"]
        if "@" in entry.partition("://")[2] and ":" in entry.partition("://")[2].partition("@")[0]
    ]
    finding.observe(
        f"{answer['secrets']} secrets looked for in {answer['places']} places: {answer['found'] or 'not found'}"
        f"; passwords in URLs: {shown or 'none'}"
    )
    if not answer["secrets"]:
        raise CouldNotAsk("Podman keeps no secret, so how the containers get theirs was not seen")
    assert not answer["found"], "; ".join(answer["found"])
    assert not shown, f"a password can be read in {', '.join(shown)}"


@pytest.mark.control("containers.no-strangers")
def test_only_declared_services_run(finding, listed, declared):
    finding.expect(f"containers of {', '.join(declared.services) or 'no service'} and no other, in any state")
    strangers = [
        f"{each.name} ({each.described['ImageName']})" for each in listed if each.service not in declared.services
    ]
    twice = len(listed) - len(strangers) > len({each.service for each in listed} & set(declared.services))
    finding.observe(f"{', '.join(each.name for each in listed) or 'none'}; strangers: {', '.join(strangers) or 'none'}")
    assert not strangers, f"not declared: {', '.join(strangers)}"
    assert not twice, "a service has two containers"
