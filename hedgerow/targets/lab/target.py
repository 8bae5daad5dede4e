"""The lab as a target: what is there, what would be done, doing it, and undoing it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network

from hedgerow.errors import CallError
from hedgerow.hosts import Change, Host, HostState, Site
from hedgerow.targets import Say
from hedgerow.targets.lab import cgroups, dress, firewall, image, machine, network, plan, preflight, reach
from hedgerow.targets.lab.commands import proxies
from hedgerow.targets.lab.kinds import KINDS, Kind
from hedgerow.targets.lab.names import (
    CANDIDATES,
    LabSpec,
    Network,
    assign_addresses,
    check_names,
    choose_subnet,
    short_name,
)
from hedgerow.targets.lab.names import network as network_of
from hedgerow.targets.lab.places import HostRecord, LabPlace, LabRecord, Machine, Places, locked

# Unpacking keeps a core and the disk busy: three hosts at once took 2.0 s on two cores, one 0.8 s.
AT_ONCE = 4


class LabTarget:
    """A lab of hosts of one kind (kinds.KINDS). `spec` may be left out by who only looks at it or removes it."""

    def __init__(self, name: str, spec: LabSpec | None = None, places: Places | None = None) -> None:
        check_names(name, spec)
        self.name = name
        self.spec = spec
        self.places = places or Places.of(os.environ)
        self.place = LabPlace(self.places.labs / name)

    # The protocol

    def preflight(self) -> list[str]:
        """Return what would make `apply` fail, one human line each; empty when nothing would."""
        if os.geteuid() != 0:
            return ["the lab boots hosts and makes a network: run this as root"]
        spec = self._wanted()
        commands = preflight.VM_COMMANDS if spec.machine == "vm" else preflight.COMMANDS
        if problems := preflight.missing_commands(commands):
            return problems
        new = [name for name, _ in spec.hosts if not self._is_made(name)]
        down = [name for name, _ in spec.hosts if machine.find(self.place.host(name)) is None]
        problems = preflight.missing_features(spec.machine) + preflight.unusable_names()
        problems += preflight.missing_memory(spec.machine, len(down))
        problems += preflight.missing_room(self.places.labs, len(new)) + preflight.unfit_disk(self.places.labs)
        record = self._record()
        problems += firewall.problems(self._by_name().bridge)
        if record is not None:
            moved = preflight.moved(self.spec, record)
            if not moved and network.bridge_addresses(self._by_name()) is None:
                # The controller was started anew, and something else may have come to use the network.
                moved = preflight.subnet_problem(str(record.subnet), self._taken())
            return problems + moved
        if network.bridge_addresses(self._by_name()) is not None:
            problems.append(
                f"there is a bridge {self._by_name().bridge} but no lab {self.name} in {self.places.labs}: "
                f"it belongs to a lab of that name kept elsewhere, or is left of one; destroying {self.name} removes it"
            )
        return problems + preflight.subnet_problem(spec.subnet, self._taken())

    def plan(self) -> list[Change]:
        """Return what `apply` would do; touch nothing."""
        spec = self._wanted()
        record = self._record()
        net = network_of(self.name, record.subnet if record else choose_subnet(spec.subnet, self._taken()))
        recipe = image.read_image(spec.suite, spec.machine)
        facts = plan.Facts(
            image=recipe.tar(self.places.cache).name,
            image_cached=recipe.tar(self.places.cache).exists(),
            bridge=network.has_bridge(net),
            table=firewall.has_table(net),
            forwarding=network.forwards(self.places),
            hosts={name: self._state(name).state for name in self.place.hosts_found()},
        )
        return plan.changes(spec, net, facts)

    def apply(self, say: Say) -> Site:
        """Make the hosts exist and reachable, and return them. Raises CallError and UnreachableError."""
        if problems := self.preflight():
            raise CallError("the lab cannot be set up here:\n" + "\n".join(problems), "Nothing was touched.")
        spec = self._wanted()
        recipe = image.read_image(spec.suite, spec.machine)
        record = self._decide(spec, recipe.key)
        self._drop_undeclared({host.name for host in record.hosts}, say)
        if any(not self._is_made(host.name) for host in record.hosts):
            image.build(recipe, self.places.cache, say)
        net = network_of(self.name, record.subnet)
        network.set_up(net, str(self.place.folder), self.places)
        key = reach.identity(self.place)
        speak = one_at_a_time(say)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda host: self._bring_up(host, net, recipe, key, speak), record.hosts))
        site = self.site()
        reach.pin(self.place, site.hosts)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._wait, site.hosts))
        return site

    def site(self) -> Site:
        """Return the hosts as the last `apply` left them. Raises CallError where there are none."""
        record = self._recorded()
        net = network_of(self.name, record.subnet)
        hosts = tuple(
            Host(
                name=host.name,
                address=host.address,
                private_address=host.address,
                user=dress.ACCOUNT,
                roles=host.roles,
                identity_file=self.place.identity,
                host_key=self.place.host(host.name).host_key.read_text().strip(),
                machine=KINDS[record.machine].KERNEL,
                patience=KINDS[record.machine].PATIENCE,
            )
            for host in record.hosts
            if self.place.host(host.name).host_key.exists()
        )
        if len(hosts) < len(record.hosts):
            raise CallError(f"the lab {self.name} is only half made", "Install it again: what is there is kept.")
        return Site(hosts, controller=net.controller, stranger=net.stranger, stand_ins=True)

    def observe(self) -> list[HostState]:
        """Look at each host now."""
        record = self._record()
        known = [host.name for host in record.hosts] if record else [name for name, _ in self._wanted().hosts]
        return [self._state(name) for name in known]

    def destroy(self, say: Say) -> list[Change]:
        """Undo everything `apply` ever set up, also after a crash, and return what was removed."""
        if os.geteuid() != 0:
            raise CallError("a lab belongs to root", "Run this as root.")
        mode = cgroups.current_mode()
        # A host whose folder somebody removed by hand still runs in the lab's cgroup.
        found = sorted({*self.place.hosts_found(), *cgroups.hosts(short_name(self.name), mode)})
        for name in found:
            say(f"{name}: removing")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._remove_host, found))
        removed = [Change("delete", "host", name) for name in found]
        cgroups.end_lab(short_name(self.name), mode)
        record = self._record()
        # Without a record there may still be a bridge or a table of ours: they are found by name.
        net = network_of(self.name, record.subnet) if record else self._by_name()
        gone = network.take_down(net, str(self.place.folder), self.places)
        removed += [Change("delete", kind, name) for kind, name in gone]
        if self.place.folder.exists():
            image.clear(self.place.folder)
            removed.append(Change("delete", "folder", str(self.place.folder)))
        return removed

    # Beyond the protocol, for tests and for who wants to see a host come back

    def stop(self, host: str) -> None:
        """Shut a host down in good order; its disk stays."""
        machine.stop(self._machine(host), self._kind.STOP_SECONDS)

    def start(self, host: str) -> None:
        """Boot a stopped host from its disk and wait until it lets us in. Raises UnreachableError."""
        known = {known.name: known for known in self.site().hosts}
        if host not in known:
            raise CallError(f"the lab {self.name} has no host {host}", f"It has: {', '.join(known)}.")
        place = self.place.host(host)
        if machine.find(place) is None:
            net = network_of(self.name, self._recorded().subnet)
            machine.start(self._machine(host), self._kind, net.bridge)
        self._wait(known[host])

    def reboot(self, host: str) -> None:
        """Shut a host down in good order, boot it again and wait for it. Raises UnreachableError."""
        self.stop(host)
        self.start(host)

    # How

    def _machine(self, host: str) -> Machine:
        return Machine(short_name(self.name), host, self.place.host(host))

    @property
    def _kind(self) -> Kind:
        return KINDS[self._wanted().machine]

    def _is_made(self, host: str) -> bool:
        return self._kind.boots_from(self.place.host(host)).exists()

    def _wait(self, host: Host) -> None:
        reach.wait(self.place, host, self.place.host(host.name), self._kind.BOOT_SECONDS)

    def _wanted(self) -> LabSpec:
        if self.spec is not None:
            return self.spec
        record = self._recorded()
        hosts = tuple((host.name, host.roles) for host in record.hosts)
        return LabSpec(hosts, str(record.subnet), machine=record.machine)

    def _record(self) -> LabRecord | None:
        return LabRecord.load(self.place.state)

    def _recorded(self) -> LabRecord:
        record = self._record()
        if record is None:
            raise CallError(f"there is no lab {self.name} here", "Install it first.")
        return record

    def _by_name(self) -> Network:
        """Return the lab's network where only its name is known; the subnet says nothing."""
        return network_of(self.name, CANDIDATES[0])

    def _taken(self) -> list[IPv4Network]:
        """Return what is in use here, the networks of other labs that are down included."""
        found = network.taken_networks()
        for path in self.places.labs.glob("*/state.json"):
            # A lab may be destroyed while we look.
            if path != self.place.state and (other := LabRecord.load(path)) is not None:
                found.append(other.subnet)
        return found

    def _decide(self, spec: LabSpec, key: str) -> LabRecord:
        """Choose the lab's network and addresses and write them down, before any of it is made."""
        with locked(self.places.labs / ".lock"):
            before = self._record()
            subnet = before.subnet if before else choose_subnet(spec.subnet, self._taken())
            recorded = {host.name: host.address for host in before.hosts} if before else {}
            addresses = assign_addresses(subnet, (name for name, _ in spec.hosts), recorded)
            hosts = tuple(HostRecord(name, roles, addresses[name]) for name, roles in spec.hosts)
            record = LabRecord(self.name, subnet, key, hosts, spec.machine)
            self.place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if record != before:
                record.save(self.place.state)
            return record

    def _drop_undeclared(self, wanted: set[str], say: Say) -> None:
        for name in self.place.hosts_found():
            if name not in wanted:
                say(f"{name}: removing, it is not declared any more")
                self._remove_host(name)

    def _bring_up(self, host: HostRecord, net: Network, recipe: image.Image, key: str, say: Say) -> None:
        place = self.place.host(host.name)
        if not self._is_made(host.name):
            say(f"{host.name}: unpacking its root file system")
            self._make_root(host, net, recipe, key)
        if machine.find(place) is None:
            say(f"{host.name}: booting ({host.address})")
            machine.start(self._machine(host.name), self._kind, net.bridge)

    def _make_root(self, host: HostRecord, net: Network, recipe: image.Image, key: str) -> None:
        place = self.place.host(host.name)
        image.clear(place.half_made)
        image.unpack(recipe.tar(self.places.cache), place.half_made)
        wear = dress.Dress(
            name=host.name,
            address=host.address,
            subnet=net.subnet,
            authorized_key=key,
            resolver=dress.resolver_file().read_text(),
            proxies=proxies(dict(os.environ)),
            limits=self._kind.limits_enforced(),
            interface=self._kind.interface(self._machine(host.name)),
        )
        place.host_key.write_text(dress.put_on(place.half_made, wear) + "\n")
        self._kind.finish(place)

    def _state(self, name: str) -> HostState:
        place = self.place.host(name)
        if machine.find(place) is not None:
            return HostState(name, "running")
        if any(kind.boots_from(place).exists() for kind in KINDS.values()):
            return HostState(name, "stopped", "its disk is there")
        return HostState(name, "missing", "half unpacked" if place.half_made.exists() else "")

    def _remove_host(self, name: str) -> None:
        gone = self._machine(name)
        machine.cut(gone)
        for kind in KINDS.values():  # the record that says which it was may be lost
            kind.sweep(gone)
        image.clear(gone.place.folder)


def one_at_a_time(say: Say) -> Say:
    """Let several threads speak without talking over one another."""
    lock = threading.Lock()

    def speak(line: str) -> None:
        with lock:
            say(line)

    return speak
