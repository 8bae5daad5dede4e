#!/usr/bin/python
"""Run exactly the declared services, each as its unit, secrets and network are now, and wait until they are well."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hedgerow_quadlet_plan import (
    SUFFIXES,
    Plan,
    last_lines,
    moment,
    mounted,
    reason,
    redacted,
    secrets_of,
    unit_of,
    well,
)

DOCUMENTATION = r"""
module: hedgerow_quadlets
short_description: Runs the declared Quadlet services and no other container
description:
  - A service is restarted when its container is older than its unit file, a secret it was given or a file it mounts,
    when somebody overrode its unit, or when it does not run. That is read from the host each time, not remembered from
    the tasks before, so a run that was killed half-way is finished by the next one.
  - Units and containers beyond the declared ones are stopped and removed. Volumes and images stay.
  - In the end every service is well by its own health command, or the module fails with what the service last said.
options:
  services: {description: "Names of the services, without prefix.", type: list, elements: str, required: true}
  networks: {description: "Names of the networks they are on.", type: list, elements: str, required: true}
  sidecars: {description: "Those of the services that have a TLS side-car.", type: list, elements: str, default: []}
  exclusive:
    description: Whether what is not declared goes. Without, services are run first that others are to find at work.
    type: bool
    default: true
  prefix: {description: "What unit and container names begin with.", type: str, default: hedgerow-}
  folder: {description: "Where Quadlet looks for units.", type: path, default: /etc/containers/systemd}
  timeout: {description: "Seconds that all together have to become well.", type: int, default: 180}
author: Hedgerow
"""

RETURN = r"""
restarted: {description: "Services that were started or restarted, each with the reason.", type: dict, returned: always}
removed: {description: "Units, overrides and containers that nobody declared.", type: list, returned: always}
"""
SIDECARS = Path("/etc/hedgerow/sidecars")
# A service that ends so often while it is waited for will not become well by waiting on.
RESTARTS = 5


class Host:
    """Podman and systemd of the host, asked and changed through their command lines."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.podman = module.get_bin_path("podman")
        self.prefix = module.params["prefix"]
        self.folder = Path(module.params["folder"])

    def run(self, *words: str, fails: bool = True) -> str:
        code, out, error = self.module.run_command(list(words))
        if code != 0 and fails:
            self.module.fail_json(msg=f"{' '.join(words)}: {error.strip()[-800:]}")
        return out

    def units(self, names: list[str]) -> dict[str, dict[str, str]]:
        if not names:
            return {}
        properties = "Id,LoadState,ActiveState,SubState,Result,NRestarts,NeedDaemonReload,DropInPaths"
        blocks = self.run("systemctl", "show", "--property", properties, *names).strip().split("\n\n")
        shown = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
        return {each["Id"]: each for each in shown}

    def restarts(self, names: list[str]) -> dict[str, int]:
        """Return how often systemd has restarted each service by itself since it was last asked to start it."""
        units = self.units([f"{name}.service" for name in names])
        return {name: int(units[f"{name}.service"]["NRestarts"]) for name in names}

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return every container by name, running or not."""
        names = self.run(self.podman, "ps", "--all", "--format", "{{.Names}}").split()
        if not names:
            return {}
        # One may end between the two questions; what is left is then answered all the same.
        shown = json.loads(self.run(self.podman, "container", "inspect", *names, fails=False) or "[]")
        return {each["Name"]: each for each in shown}

    def networks(self, names: list[str]) -> dict[str, float]:
        """Return when each network was made; those that do not exist are left out."""
        there = set(self.run(self.podman, "network", "ls", "--format", "{{.Name}}").split()).intersection(names)
        if not there:
            return {}
        shown = json.loads(self.run(self.podman, "network", "inspect", *sorted(there)))
        return {each["name"]: moment(each["created"]) for each in shown}

    def secrets(self) -> dict[str, float]:
        """Return when each secret last changed."""
        names = self.run(self.podman, "secret", "ls", "--format", "{{.Name}}").split()
        shown = json.loads(self.run(self.podman, "secret", "inspect", *names)) if names else []
        return {each["Spec"]["Name"]: moment(each["UpdatedAt"]) for each in shown}

    def strangers(self, declared: set[str]) -> list[Path]:
        """Return what lies in Quadlet's folder and nobody declared. `users` is for rootless services, not ours."""
        there = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(each for each in there if each.name not in declared and each.name != "users")

    def overrides(self, units: dict[str, dict[str, str]]) -> dict[Path, str]:
        """Return drop-ins that change one of our units, each with the unit. We write none."""
        found = {}
        for name, unit in units.items():
            for path in map(Path, unit.get("DropInPaths", "").split()):
                # One for every service of the host (service.d) is not about us.
                if path.parent.name.startswith(self.prefix) and not path.is_relative_to("/usr"):
                    found[path] = name
        return found

    def healthy(self, name: str) -> bool:
        code, _, _ = self.module.run_command([self.podman, "healthcheck", "run", name])
        return code == 0

    def last_words(self, name: str, container: dict[str, Any]) -> str:
        """Return what a service said last, without secrets."""
        said = self.run("journalctl", f"_SYSTEMD_UNIT={name}.service", "--output=cat", "--lines=200", "--no-pager")
        names = list(self.secrets())
        held = json.loads(self.run(self.podman, "secret", "inspect", "--showsecret", *names)) if names else []
        return redacted(last_lines(said, container), [each["SecretData"] for each in held])


def sources_of(path: Path, container: dict[str, Any] | None, secrets: dict[str, float]) -> dict[str, float]:
    """Return what a container was made from and when each last changed: unit file, mounted files, secrets."""
    files = [path, *(mounted(container) if container else [])]
    given = secrets_of(container) if container else []
    # A folder is one that is replaced as a whole (hedgerow_from_images): its own time tells.
    changed = {str(each): each.stat().st_ctime for each in files if each.is_file() or each.is_dir()}
    return changed | {name: secrets[name] for name in given if name in secrets}


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def beside(host: Host, name: str) -> str:
    """Return the unit of a service's side-car."""
    return f"{host.prefix}sidecar-{name.removeprefix(host.prefix)}.service"


def sidecar_files(host: Host, name: str) -> list[Path]:
    """Return what a side-car was started with."""
    parts = [SIDECARS / f"{name.removeprefix(host.prefix)}.{kind}" for kind in ("conf", "crt", "key")]
    return [*parts, Path("/etc/systemd/system", beside(host, name))]


def make_plan(host: Host, names: list[str], networks: list[str], sidecars: list[str], exclusive: bool = True) -> Plan:
    """Compare what runs with what is declared; change nothing. Not `exclusive`, it leaves everything else alone."""
    files = {name: host.folder / f"{name}.container" for name in names}
    plans = {name: host.folder / f"{name}.network" for name in networks}
    strangers = host.strangers({path.name for path in (*files.values(), *plans.values())}) if exclusive else []
    companions = {name: beside(host, name) for name in sidecars}
    units = host.units([*(unit_of(path) for path in (*files.values(), *plans.values())), *companions.values()])
    overrides = host.overrides(units)
    overridden = any(path.suffix == ".d" for path in strangers)
    containers = host.containers()
    made, secrets = host.networks(networks), host.secrets()
    remade = [name for name, path in plans.items() if path.exists() and made.get(name, 0) < path.stat().st_ctime]
    restarted = {}
    for name, path in files.items():
        unit, container = units[f"{name}.service"], containers.get(name)
        sources = sources_of(path, container, secrets)
        if name in companions:
            sources |= {str(each): each.stat().st_ctime for each in sidecar_files(host, name) if each.is_file()}
        why = reason(unit, container, sources, units[companions[name]] if name in companions else None)
        if remade:
            why = why or f"network {', '.join(remade)} changed"
        if overridden or unit["Id"] in overrides.values():
            why = "somebody overrode its unit"
        if why:
            restarted[name] = why
    return Plan(
        strangers=strangers,
        overrides=list(overrides),
        others=sorted(containers.keys() - set(names)) if exclusive else [],
        remade=remade,
        restarted=restarted,
        reload=any(unit["NeedDaemonReload"] == "yes" or unit["LoadState"] != "loaded" for unit in units.values()),
        ill=[name for name in names if name in containers and not well(containers[name])],
    )


def apply(host: Host, plan: Plan) -> None:
    """Bring the host to the plan: first what must go, then networks, then services, each restarted once."""
    going = [unit_of(path) for path in plan.strangers if path.suffix in SUFFIXES]
    services = [f"{name}.service" for name in plan.restarted]
    if going:
        host.run("systemctl", "stop", *going, fails=False)
    for path in (*plan.strangers, *plan.overrides):
        remove(path)
    if plan.others:
        # No pod is ever declared, and one cannot be taken apart container by container.
        host.run(host.podman, "pod", "rm", "--force", "--all")
        host.run(host.podman, "rm", "--force", "--ignore", *plan.others)
    if plan.reload or plan.strangers or plan.overrides:
        host.run("systemctl", "daemon-reload")
    if plan.remade:
        host.run("systemctl", "stop", *services, fails=False)
        # Fails where the network never was, which is what is wanted.
        host.run(host.podman, "network", "rm", "--force", *plan.remade, fails=False)
        host.run("systemctl", "restart", *(f"{name}-network.service" for name in plan.remade))
    if services:
        # One call: systemd orders them by their own After= and restarts each once. It is not waited for: what does not
        # become well is noticed sooner, and with its last words, by asking.
        host.run("systemctl", "restart", "--no-block", *services)


def wait_until_well(host: Host, waiting: list[str], timeout: int) -> None:
    """Ask each service's own health command until all are well. Fails with what the others last said."""
    started = time.monotonic()
    before = host.restarts(waiting)
    while waiting := [name for name in waiting if not host.healthy(name)]:
        now = host.restarts(waiting)
        if time.monotonic() - started > timeout or any(now[name] - before[name] >= RESTARTS for name in waiting):
            break
        time.sleep(0.5)
    if not waiting:
        return
    told = []
    containers = host.containers()
    for name in waiting:
        unit = host.units([f"{name}.service"])[f"{name}.service"]
        told.append(f"{name}: {unit['ActiveState']}, {unit['SubState']}, {unit['Result']}. It last said:")
        told.append(host.last_words(name, containers.get(name, {})))
    passed = time.monotonic() - started
    host.module.fail_json(msg=f"not well after {passed:.0f} s: {', '.join(waiting)}\n" + "\n".join(told))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "services": {"type": "list", "elements": "str", "required": True},
            "networks": {"type": "list", "elements": "str", "required": True},
            "sidecars": {"type": "list", "elements": "str", "default": []},
            "exclusive": {"type": "bool", "default": True},
            "prefix": {"type": "str", "default": "hedgerow-"},
            "folder": {"type": "path", "default": "/etc/containers/systemd"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    host = Host(module)
    names = [module.params["prefix"] + each for each in module.params["services"]]
    if host.podman:
        sidecars = [module.params["prefix"] + each for each in module.params["sidecars"]]
        plan = make_plan(host, names, module.params["networks"], sidecars, module.params["exclusive"])
    elif module.check_mode:
        # Before a first converge Podman is only promised, and so is every service.
        plan = Plan([], [], [], [], dict.fromkeys(names, "is new"), False, [])
    else:
        module.fail_json(msg="podman is not installed")
    if not module.check_mode:
        apply(host, plan)
        wait_until_well(host, sorted({*plan.restarted, *plan.ill}), module.params["timeout"])
    module.exit_json(
        changed=bool(plan.restarted or plan.removed), restarted=plan.restarted, removed=plan.removed, diff=plan.diff
    )


if __name__ == "__main__":
    main()
