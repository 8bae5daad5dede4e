"""Containers, as Podman describes them and as the kernel holds them: what /proc says of a process is what is so."""

from __future__ import annotations

import json
import shlex

import pytest

from checks import inside
from checks.on_host import program
from hedgerow.checking import CouldNotAsk, NotExercised
from hedgerow.sheet import UNREADABLE, Sheet

CONTROLLERS = "cat /sys/fs/cgroup/cgroup.controllers"
# Sockets that podman.socket, a user's own podman or another engine would listen on; 2375 and 2376 are Docker's ports.
SOCKETS = (
    "ss -Hlxn | grep -E '/(podman|docker|containerd|crio)[^ /]*\\.sock' ; ss -Hltn 'sport = :2375 or sport = :2376'"
)
UNITS = "systemctl list-unit-files --no-legend --state=enabled 'podman.socket' 'docker.socket' 'podman.service'"
SECRETS = program("secrets")


def signatures(sheet: Sheet) -> str:
    """Return the question what is asked of images before they are taken; of none where no key is declared."""
    return program("signatures") if sheet.declared.signature_key else "true"


# The trial first: silence takes its time, and other questions are asked meanwhile.
SLOW = True  # the trial
ASK_AHEAD = (
    inside.trial,
    inside.INSPECT,
    inside.IMAGES,
    inside.STATUS,
    inside.NAMESPACES,
    SECRETS,
    signatures,
    SOCKETS,
    UNITS,
)


NOTHING = "0000000000000000"
OURS_ON_HOST = ("/etc/hedgerow/", "/var/lib/hedgerow/")
JOURNAL = ("journald", "passthrough")  # systemd's own journal takes what is passed through


@pytest.fixture
def listed(finding, host):
    """Return every container of the host, running or not."""
    found = inside.containers(finding.ask(host, inside.INSPECT).stdout)
    finding.observe(f"{len(found)} containers")  # not as they stand: a careless definition holds a secret
    return found


@pytest.fixture
def every(listed, declared):
    """Return every container. Without one, nothing was seen: NotExercised where none is declared, else CouldNotAsk."""
    if not listed and not declared.services:
        raise NotExercised("no service is declared, so no container runs")
    if not listed:
        raise CouldNotAsk("no container is there to be looked at")
    return listed


@pytest.fixture
def running(every):
    """Return the running ones. Raises CouldNotAsk where nothing runs that could be looked at."""
    found = [each for each in every if each.pid]
    if not found:
        raise CouldNotAsk("no container runs")
    return found


@pytest.fixture
def members(finding, host, running):
    """Return (container, process) for every process in every running container."""
    listings = (finding.ask(host, question, codes=(0, 1, 2)).stdout for question in (inside.STATUS, inside.NAMESPACES))
    found = inside.processes(*listings)
    pairs = [(each, process) for each in running for process in inside.within(each, found)]
    if {each.name for each, _ in pairs} != {each.name for each in running}:
        raise CouldNotAsk("a container's processes ended while they were looked at")
    return pairs


def judge(finding, pairs, wrong, good):
    """Observe and assert that `wrong` finds nothing in any (container, thing); it returns words or "".

    How many there are is not told: processes come and go, and each run would differ from the last.
    """
    found = sorted({f"{each.name}: {words}" for each, thing in pairs if (words := wrong(thing))})
    names = sorted({each.name for each, _ in pairs})
    finding.observe("; ".join(found) or f"{', '.join(names)}: {good}")
    assert not found, "; ".join(found)


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


@pytest.mark.control("containers.read-only")
def test_programs_cannot_be_changed(finding, host, running):
    """The kernel's own list of mounts decides; what is writable beside it is temporary memory."""
    finding.expect("root mounted ro in every container, and no program started from what is writable")
    files = " ".join(f"/proc/{each.pid}/mountinfo" for each in running)
    lines = finding.ask(host, f"grep -HE '^[0-9]+ [0-9]+ [0-9:]+ [^ ]+ / ' {files}").stdout.splitlines()
    options = {int(line.split("/")[2]): line.split()[5].split(",") for line in lines}
    judge(
        finding,
        [(each, options[each.pid]) for each in running],
        lambda flags: "" if "ro" in flags else "its root can be written to",
        "root is read-only",
    )


@pytest.mark.control("containers.no-capabilities")
def test_no_part_of_roots_powers(finding, members):
    finding.expect("permitted, effective, bounding and ambient capabilities all empty in every process")
    sets = ("CapPrm", "CapEff", "CapBnd", "CapAmb")
    judge(
        finding,
        members,
        lambda process: ", ".join(
            f"{process.name} {name} {process.status[name]}" for name in sets if process.status[name] != NOTHING
        ),
        "no capability",
    )


@pytest.mark.control("containers.no-new-privileges")
def test_no_rights_beyond_the_first(finding, members):
    finding.expect("NoNewPrivs 1 and a seccomp filter (2) in every process")
    judge(
        finding,
        members,
        lambda process: (
            ""
            if (process.status["NoNewPrivs"], process.status["Seccomp"]) == ("1", "2")
            else f"{process.name} NoNewPrivs {process.status['NoNewPrivs']}, Seccomp {process.status['Seccomp']}"
        ),
        "no new privileges, filtered system calls",
    )


@pytest.mark.control("containers.not-root")
def test_nothing_runs_as_root(finding, members):
    """All four of a process's user ids count (proc_pid_status(5)): a saved 0 can be taken up again."""
    finding.expect("no user id 0 in any process")
    judge(
        finding,
        members,
        lambda process: f"{process.name} runs as root" if "0" in process.status["Uid"].split() else "",
        "user ids above 0",
    )


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


@pytest.mark.control("containers.memory-bounded")
def test_memory_and_processes_end_somewhere(finding, host, running):
    """The limit that holds is the smallest on the way up, so the container's unit may carry it as well."""
    finding.expect("a limit of memory and of processes over every container")
    available = finding.ask(host, CONTROLLERS).stdout.split()
    if "memory" not in available or "pids" not in available:
        raise NotExercised("this host's kernel was given no memory or pids controller (cgroup.controllers)")
    found = {}
    for each in running:
        above = shlex.quote(each.described["State"]["CgroupPath"])
        walk = (
            f"cd /sys/fs/cgroup{above} && while [ $PWD != /sys/fs/cgroup ];"
            " do cat memory.max; echo p$(cat pids.max); cd ..; done"
        )
        limits = finding.ask(host, walk).stdout.split()
        found[each.name] = (
            [int(limit) for limit in limits if limit.isdigit()],
            [int(limit[1:]) for limit in limits if limit[0] == "p" and limit[1:].isdigit()],
        )
    finding.observe(
        "; ".join(f"{n}: {min(m, default='no')} bytes, {min(p, default='no')} tasks" for n, (m, p) in found.items())
    )
    for name, (memory, tasks) in found.items():
        assert memory, f"{name} may take all memory"
        assert tasks, f"{name} may start processes without end"


@pytest.mark.control("containers.own-namespaces")
def test_the_host_is_out_of_sight(finding, host, running):
    finding.expect("processes, network, mounts, names and cgroups of its own for every container")
    listings = (finding.ask(host, question, codes=(0, 1, 2)).stdout for question in (inside.STATUS, inside.NAMESPACES))
    found = inside.processes(*listings)
    if not {1, *(each.pid for each in running)} <= found.keys():
        raise CouldNotAsk("a container's first process ended while it was looked at")
    judge(
        finding,
        [(each, each) for each in running],
        lambda each: ", ".join(f"shares {kind}" for kind in inside.shared_namespaces(each, running, found)),
        "namespaces of their own",
    )


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


@pytest.mark.control("containers.no-egress")
def test_data_cannot_be_carried_away(finding, host, sheet, running):
    """The declared way, to the stores, must be open from the same place: else silence would prove nothing."""
    finding.expect(
        "from every container the stores answer; nothing else does, and nothing is sent elsewhere,"
        f" but to what is declared, and from {', '.join(sheet.declared.outbound_services) or 'no service'} alone"
    )
    answer = json.loads(finding.ask(host, inside.trial(sheet)).stdout)
    stores = tuple(f"{address}:{port}" for address, port in inside.stores(sheet.declared))
    open_ways = inside.to_the_relay(sheet.declared)
    seen = {way: how for way, how in answer["seen"].items() if way not in open_ways}
    reached = [f"{way} {how}" for way, how in seen.items() if how != "silent" and not way.endswith(stores)]
    known = [f"{way} {how}" for way, how in seen.items() if way.endswith(stores)]
    tried = f"{len(seen) - len(known)} ways tried in {len(running)} containers"
    declared = [f"{way} {how}, as declared" for way, how in answer["outside"].items()]
    finding.observe("; ".join((*reached, *declared)) if reached else "; ".join((tried, *declared)))
    assert not reached, f"reached from a container: {', '.join(reached)}"
    # "refused" is an answer: the way there and back is open, and whoever should listen does not.
    if not all(words.endswith(("open", "refused")) for words in known):
        raise CouldNotAsk(f"not even the stores can be reached: {', '.join(known)}")


@pytest.mark.control("containers.kept-apart")
def test_services_are_strangers_to_one_another(finding, host, sheet, running):
    """From each container, what every other one listens on and the stores that only others use."""
    finding.expect("no container reaches another, nor a store that it is not declared to use")
    between = json.loads(finding.ask(host, inside.trial(sheet)).stdout)["between"]
    reached = [f"{way} {how}" for way, how in between.items() if how != "silent"]
    finding.observe("; ".join(reached) or f"{len(between)} ways tried between {len(running)} containers and the stores")
    assert not reached, f"reached from a container: {', '.join(reached)}"
    if not between:
        raise NotExercised("one container alone, and no store but its own: there is nobody to keep it apart from")
