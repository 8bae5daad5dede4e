#!/usr/bin/python
"""Have PostgreSQL's cluster run, with data checksums, and with its configuration as it is on disk."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: hedgerow_postgres_server
short_description: Have PostgreSQL's cluster run, with data checksums and its present configuration
description:
  - Asks the running server when it read its files and what it could not take up without a restart; so it also catches
    up with files that an earlier run wrote and was killed before it could announce.
  - Reloads where that is enough, for sessions stay open then; restarts where it is not.
  - Debian creates its clusters without data checksums. They are switched on with the server stopped, which reads and
    writes every page once - a blink on a new cluster, about a minute for each 10 GB of an old one. Killed half-way,
    the cluster is as before, without checksums, and the next run begins again.
  - In check mode a cluster that does not exist yet is taken as promised.
options:
  version: {type: str, required: true, description: "The major version, as in the package's name."}
  cluster: {type: str, default: main, description: "The cluster, as Debian names them."}
  files: {type: list, elements: path, default: [], description: "What a reload reads again."}
  unit_files: {type: list, elements: path, default: [], description: "Drop-ins of the unit, which a restart takes up."}
"""

RETURN = r"""
done: {description: "What was done, or would be.", type: list, elements: str, returned: always}
"""

# pending_restart is set by a reload that met a setting which only a restart can change.
STATE = """
select json_build_object(
  'checksums', current_setting('data_checksums') = 'on',
  'started', extract(epoch from pg_postmaster_start_time()),
  'loaded', extract(epoch from pg_conf_load_time()),
  'pending', (select coalesce(json_agg(name), '[]') from pg_settings where pending_restart))
"""
RULES = """
select coalesce(string_agg(format('%s line %s: %s', file_name, line_number, error), E'\\n'), '') from (
  select file_name, line_number, error from pg_hba_file_rules
  union all select file_name, line_number, error from pg_ident_file_mappings) f where error is not null
"""
AT_BOOT = Path("/etc/systemd/system/multi-user.target.wants/postgresql.service")  # starts every cluster of the host
PATIENCE = 60.0  # seconds for the server to answer after a start; recovery after a crash may need them


class RefusedError(Exception):
    """The server cannot be brought to run as it should."""


def changed_at(paths: list[str]) -> float:
    """When the newest of the files changed."""
    return max((path.stat().st_ctime for path in map(Path, paths) if path.exists()), default=0.0)


def needed(state: dict[str, Any] | None, files: float, unit_files: float) -> list[str]:
    """What brings a server there, in this order; `state` is None for one that does not answer.

    "checksums" is a step of ours, the others are systemd's.
    """
    if state is None:
        return ["start"]
    if not state["checksums"]:
        return ["stop", "checksums", "start"]
    if unit_files > state["started"]:
        return ["restart"]
    if files > state["loaded"]:
        return ["reload"]  # first: what waits for a restart may have been taken back
    return ["restart"] if state["pending"] else []


class Server:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        version, cluster = module.params["version"], module.params["cluster"]
        self.unit = f"postgresql@{version}-{cluster}.service"
        self.programs = Path("/usr/lib/postgresql") / version / "bin"
        self.data = Path("/var/lib/postgresql") / version / cluster
        self.configuration = Path("/etc/postgresql") / version / cluster / "postgresql.conf"
        self.done: list[str] = []

    @property
    def exists(self) -> bool:
        return (self.data / "PG_VERSION").exists() and (self.programs / "postgres").exists()

    def command(self, command: list[str]) -> tuple[int, str, str]:
        return self.module.run_command(command, cwd="/")

    def must(self, *command: str) -> str:
        code, out, err = self.command(list(command))
        if code != 0:
            raise RefusedError(f"`{' '.join(command)}` failed: {(out + err).strip()}")
        return out

    def as_postgres(self, *command: str) -> str:
        return self.must("runuser", "-u", "postgres", "--", *command)

    def state(self) -> dict[str, Any] | None:
        """What the server says of itself; None if there is nobody to ask."""
        code, out, _ = self.command(["runuser", "-u", "postgres", "--", "psql", "-XAtqwc", STATE])
        return json.loads(out) if code == 0 else None

    def answering(self, since: float = 0.0) -> dict[str, Any]:
        """Wait for the server to answer, having read its files after `since`."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            state = self.state()
            if state and state["loaded"] > since:
                return state
            time.sleep(0.1)
        said = self.command(["journalctl", "-q", "-b", "-t", "postgres", "-n", "10", "-o", "cat", "--no-pager"])[1]
        raise RefusedError(f"{self.unit} does not answer on its socket.\n{said.strip()}")

    def check_settings(self) -> None:
        """Ask whether the settings hold together, before the server is made to read them."""
        option = f"--config-file={self.configuration}"
        self.as_postgres(str(self.programs / "postgres"), "-C", "data_directory", option)

    def check_rules(self) -> None:
        """A server that runs keeps its old rules when it cannot read the new ones; it can only be asked afterwards."""
        if wrong := self.as_postgres("psql", "-XAtqwc", RULES).strip():
            raise RefusedError(f"{self.unit} goes on with the rules that it had; {wrong}")

    def carry_out(self, steps: list[str]) -> None:
        for step in steps:
            if step == "checksums":
                self.as_postgres(str(self.programs / "pg_checksums"), "--enable", "-D", str(self.data))
            else:
                self.must("systemctl", step, self.unit)
            self.done.append(step)

    def bring_up(self) -> None:
        files, unit_files = self.module.params["files"], self.module.params["unit_files"]
        if not self.exists:
            if not self.module.check_mode:
                raise RefusedError(f"there is no cluster in {self.data}; is its package installed?")
            self.done = ["start", "stop", "checksums", "start"]
            return
        steps = needed(self.state(), changed_at(files), changed_at(unit_files))
        if not AT_BOOT.exists():
            self.done.append("enable")
            if not self.module.check_mode:
                self.must("systemctl", "enable", AT_BOOT.name)
        if self.module.check_mode or not steps:
            self.done += steps
            return
        self.check_settings()
        if "reload" not in steps:
            self.must("systemctl", "daemon-reload")  # a drop-in may be new
        began = changed_at(files)
        self.carry_out(steps)
        state = self.answering(began)
        # A start reveals missing checksums, a reload what it could not take up; the second round ends either.
        if steps := needed(state, changed_at(files), changed_at(unit_files)):
            self.carry_out(steps)
            state = self.answering()
        self.check_rules()
        if not state["checksums"] or state["pending"]:
            raise RefusedError(f"{self.unit} runs, but not as it should: {state}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "cluster": {"type": "str", "default": "main"},
            "files": {"type": "list", "elements": "path", "default": []},
            "unit_files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    server = Server(module)
    try:
        server.bring_up()
    except RefusedError as problem:
        module.fail_json(msg=str(problem), done=server.done)
    diff = {"before": "", "after": "".join(f"{step} {server.unit}\n" for step in server.done)}
    module.exit_json(changed=bool(server.done), done=server.done, diff=diff)


if __name__ == "__main__":
    main()
