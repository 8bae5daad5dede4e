"""Write a deployment folder: the same declaration, hosts and credentials give the same bytes.

No clock, no randomness, no network, and no secret in clear: variables name places in the vault.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hedgerow import __version__, ssh
from hedgerow.deployment import REPOSITORY, write_file
from hedgerow.hosts import Host, Site
from hedgerow.variables import Variables

COPIED = ("roles", "plugins")
"""Shipped with Hedgerow and copied as they are, so that the folder stands alone."""
RENDERED = ("group_vars", "host_vars")
"""Folders that hold nothing but what is rendered and the vault."""
KEPT = "group_vars/all/secrets.yml"
VAULT_PLACE = re.compile(r"\{\{ vault\.[a-z0-9_.]+ \}\}")


def files(name: str, site: Site, variables: Variables, *, key_file: str) -> dict[str, str]:
    """Return every rendered file of the deployment: relative path -> text."""
    facts = {
        "name": name,
        "version": __version__,
        "hosts": site.hosts,
        "stand_ins": site.stand_ins,
        "key_file": key_file,
    }
    rendered = {
        "ansible.cfg": _template("ansible.cfg.j2", facts),
        "README.md": _template("README.md.j2", facts),
        "inventory.yml": _yaml(_inventory(site)),
        "site.yml": (REPOSITORY / "playbooks" / "site.yml").read_text(),
        "known_hosts": "".join(known_hosts_line(host) for host in site.hosts),
    }
    for (scope, role), values in sorted(variables.items()):
        rendered[f"{scope}/{role}.yml"] = _template(
            "variables.yml.j2", {"role": role, "body": _yaml(dict(sorted(values.items())))}
        )
    return rendered


def write(folder: Path, rendered: Mapping[str, str]) -> None:
    """Make the folder say just this: rendered files, our roles and plugins, and no leftover of an earlier render."""
    write_only(folder, rendered)
    for top in COPIED:
        _mirror(REPOSITORY / top, folder / top)


def write_only(folder: Path, rendered: Mapping[str, str]) -> None:
    """Write the rendered files; those that say the same already are not touched."""
    for relative, text in rendered.items():
        write_changed(folder / relative, text)
    for top in RENDERED:
        for path in sorted((folder / top).rglob("*.yml")):
            if str(path.relative_to(folder)) not in {*rendered, KEPT}:
                path.unlink()


def write_changed(path: Path, text: str) -> None:
    """Write a file, unless it says just that already."""
    if not path.exists() or path.read_text() != text:
        write_file(path, text)


def known_hosts_line(host: Host) -> str:
    """Return the line that pins a host's key, as ssh looks it up."""
    return f"{ssh.place(host)} {host.host_key}\n"


def _inventory(site: Site) -> dict[str, Any]:
    groups = sorted({role for host in site.hosts for role in host.roles})
    return {
        "all": {
            "hosts": {host.name: _connection(host) for host in site.hosts},
            "children": {
                group: {"hosts": {host.name: {} for host in site.hosts if group in host.roles}} for group in groups
            },
        }
    }


def _connection(host: Host) -> dict[str, Any]:
    values: dict[str, Any] = {
        "ansible_host": host.address,
        "ansible_user": host.user,
        "ansible_port": host.port,
    }
    if host.identity_file is not None:
        values["ansible_ssh_private_key_file"] = str(host.identity_file)
    if host.proxy:
        values["ansible_ssh_common_args"] = f"-o ProxyCommand={shlex.quote(host.proxy)}"
    return values


def _mirror(source: Path, target: Path) -> None:
    """Make `target` hold just what `source` holds; unchanged files are not touched."""
    wanted = {
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    for path in sorted(target.rglob("*"), reverse=True) if target.exists() else ():
        if path.is_file() and path.relative_to(target) not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    for relative in sorted(wanted):
        data = (source / relative).read_bytes()
        place = target / relative
        if not place.exists() or place.read_bytes() != data:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_file(place, data)


def _template(name: str, facts: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader(REPOSITORY / "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 (what is rendered is YAML and Markdown for people, not HTML)
    )
    return environment.get_template(name).render(**facts)


class _Dumper(yaml.SafeDumper):
    """Text over several lines as a block; what an operator wrote never becomes a template."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # The only templates of ours name places in the vault; any other braces are somebody's text.
    rest = VAULT_PLACE.sub("", value)
    tag = "!unsafe" if any(mark in rest for mark in ("{{", "{%", "{#")) else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(tuple, lambda dumper, value: dumper.represent_list(value))


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
