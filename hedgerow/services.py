"""The table of services (services.yml): which services the stack has, and what each is given.

Pure: text in, a whole valid table or every problem of it out. What a table means for one deployment is in stack.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from string import Formatter

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from hedgerow.errors import CallError
from hedgerow.secrets import LENGTHS

TABLE = Path(__file__).with_name("services.yml")
PLACEHOLDERS = ("domain", "subnet", "gateway", "ca_file")
ACCESS = ("ingest", "interface")
NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
MEMORY = re.compile(r"[1-9][0-9]*[kmg]")

KNOWN_KEYS = ConfigDict(extra="forbid")

Environment = Mapping[str, str]


@dataclass(frozen=True, config=KNOWN_KEYS)
class Image:
    """Where an image comes from: upstream's repository, and what takes its place in the lab.

    `tag` is what `images lock` resolves where the declaration names nothing; it is never run.
    `user` is "uid:gid". Containers share the host's user ids, so it is one that no account of a host should have.
    """

    repository: str
    stand_in: str
    tag: str = "latest"
    user: str = "10001:10001"


@dataclass(frozen=True, config=KNOWN_KEYS)
class Health:
    """How a container is asked whether it is well: by HTTP on its own port (`path`), or by a command inside it.

    Times are seconds; failures in the first `start` of them do not count.
    """

    path: str = ""
    command: tuple[str, ...] = ()
    stand_in_command: tuple[str, ...] = ()
    interval: int = 30
    retries: int = 3
    start: int = 60


@dataclass(frozen=True, config=KNOWN_KEYS)
class Postgres:
    """The database a service's role may enter. The `owner` makes and changes its tables; others use them."""

    database: str
    connections: int
    owner: bool = False


@dataclass(frozen=True, config=KNOWN_KEYS)
class Valkey:
    """What a service's user may do, as Valkey's ACL rules for commands (`ACL SETUSER`)."""

    rules: tuple[str, ...]
    keys: tuple[str, ...] = ("~*",)
    channels: tuple[str, ...] = ("&*",)


@dataclass(frozen=True, config=KNOWN_KEYS)
class Service:
    """One row. `stand_in_command` is what the lab's image is started with; `port` is 0 where nothing listens."""

    name: str
    image: str
    ip_offset: int
    memory: str
    health: Health
    command: tuple[str, ...] = ()
    stand_in_command: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    environment: Environment = field(default_factory=dict)
    secrets: Environment = field(default_factory=dict)
    postgres: Postgres | None = None
    valkey: Valkey | None = None
    port: int = 0
    tmpfs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, config=KNOWN_KEYS)
class Route:
    """Paths that the edge sends to a service, and the allow-list they are under."""

    name: str
    to: str
    access: str
    paths: tuple[str, ...]
    strip_prefix: str = ""
    streaming: bool = False


@dataclass(frozen=True, config=KNOWN_KEYS)
class Table:
    """The whole table. `environments` are blocks that rows share by name; `default` takes what no route takes."""

    images: Mapping[str, Image]
    secrets: Environment
    environments: Mapping[str, Environment]
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    default: str

    def service(self, name: str) -> Service:
        """Return a row by name. Raises KeyError."""
        return {row.name: row for row in self.services}[name]

    def environment(self, row: Service) -> dict[str, str]:
        """Return all plain variables of a row, its own last: they win over shared ones."""
        merged: dict[str, str] = {}
        for block in row.environments:
            merged.update(self.environments[block])
        return {**merged, **row.environment}


def load_table(path: Path = TABLE) -> Table:
    """Read and check the table. Raises CallError with every problem at once."""
    return parse_table(path.read_text(encoding="utf-8"), path.name)


def parse_table(text: str, name: str = "services.yml") -> Table:
    """Return the table a text says. Raises CallError with every problem at once."""
    try:
        table = TypeAdapter(Table).validate_python(yaml.safe_load(text))
    except yaml.YAMLError as wrong:
        raise CallError(f"{name}: {wrong}", "Mend the YAML.") from wrong
    except ValidationError as wrong:
        found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong.errors()]
        raise _refused(name, found) from wrong
    found = list(problems(table))
    if found:
        raise _refused(name, found)
    return table


def _refused(name: str, found: Sequence[str]) -> CallError:
    return CallError("\n".join(f"{name}: {problem}" for problem in found), "Mend these rows of the table.")


def problems(table: Table) -> Iterator[str]:
    """Yield what contradicts itself or leads nowhere in a table whose types are right."""
    yield from _images(table)
    yield from _repeats([row.name for row in table.services], "services", "name")
    yield from _repeats([row.ip_offset for row in table.services], "services", "ip_offset")
    yield from _repeats([path for route in table.routes for path in route.paths], "routes", "path")
    for key, kind in table.secrets.items():
        if kind not in LENGTHS:
            yield f'secrets.{key}: "{kind}" is no kind of secret; there are {", ".join(LENGTHS)}'
    for block, environment in table.environments.items():
        yield from _environment(environment, f"environments.{block}")
    for row in table.services:
        yield from _row(table, row)
    yield from _order(table.services)
    yield from _routes(table)


def _images(table: Table) -> Iterator[str]:
    for key, image in table.images.items():
        if not re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", image.user):
            yield f'images.{key}.user: "{image.user}" is not uid:gid in numbers above 0; no container runs as root'
        for repository in (image.repository, image.stand_in):
            if "@" in repository or ":" in repository.rpartition("/")[2]:
                yield f'images.{key}: "{repository}" carries a tag or a digest; the image lock holds those'


def _row(table: Table, row: Service) -> Iterator[str]:
    at = f"services.{row.name}"
    if not NAME.fullmatch(row.name):
        yield f"{at}.name: small letters, digits and hyphens, beginning with a letter"
    if row.image not in table.images:
        yield f'{at}.image: there is no image "{row.image}"'
    if not 2 <= row.ip_offset <= 254:
        yield f"{at}.ip_offset: {row.ip_offset} is not between 2 and 254; 1 is the gateway's"
    if not MEMORY.fullmatch(row.memory):
        yield f'{at}.memory: "{row.memory}" is not a size like 512m'
    if not 0 <= row.port <= 65535:
        yield f"{at}.port: {row.port} is no port"
    if bool(row.health.path) == bool(row.health.command):
        yield f"{at}.health: one of path and command"
    if row.health.path and not row.port:
        yield f"{at}.health.path: the service has no port to ask on"
    for block in row.environments:
        if block not in table.environments:
            yield f'{at}.environments: there is no block "{block}"'
    for mount in row.tmpfs:
        if not mount.startswith("/"):
            yield f'{at}.tmpfs: "{mount}" is not an absolute path'
    yield from _environment(row.environment, f"{at}.environment")
    yield from _secrets(table, row, at)


def _secrets(table: Table, row: Service, at: str) -> Iterator[str]:
    plain = {name for block in row.environments for name in table.environments.get(block, {})} | set(row.environment)
    for variable, source in row.secrets.items():
        if not VARIABLE.fullmatch(variable):
            yield f'{at}.secrets: "{variable}" is no name of a variable'
        if variable in plain:
            yield f"{at}.secrets.{variable}: also a plain variable; one of them would win by chance"
        if source == "postgres" and row.postgres is None:
            yield f"{at}.secrets.{variable}: the row has no `postgres`"
        elif source == "valkey" and row.valkey is None:
            yield f"{at}.secrets.{variable}: the row has no `valkey`"
        elif source not in ("postgres", "valkey") and source.removeprefix("posthog.") not in table.secrets:
            yield f'{at}.secrets.{variable}: "{source}" is neither postgres, valkey nor posthog.KEY of a known secret'


def _environment(environment: Environment, at: str) -> Iterator[str]:
    for variable, value in environment.items():
        if not VARIABLE.fullmatch(variable):
            yield f'{at}: "{variable}" is no name of a variable'
        # systemd expands $ in the command line that Quadlet makes of it, and no two versions escape it alike.
        if "$" in value or "\n" in value:
            yield f"{at}.{variable}: a dollar sign or a line break does not survive a unit file"
        try:
            names = [name for _, name, _, _ in Formatter().parse(value) if name is not None]
        except ValueError as wrong:
            yield f"{at}.{variable}: {wrong}; write {{{{ and }}}} for braces"
            continue
        for name in names:
            if name not in PLACEHOLDERS:
                yield f"{at}.{variable}: {{{name}}} stands for nothing; there are {', '.join(PLACEHOLDERS)}"


def _order(rows: Sequence[Service]) -> Iterator[str]:
    names = {row.name for row in rows}
    for row in rows:
        for other in sorted({*row.after} - names):
            yield f'services.{row.name}.after: there is no service "{other}"'
    waiting = {row.name: names.intersection(row.after) for row in rows}
    while ready := [name for name, others in waiting.items() if not others & waiting.keys()]:
        for name in ready:
            del waiting[name]
    if waiting:
        yield f"services.after: {', '.join(sorted(waiting))} wait for one another"


def _routes(table: Table) -> Iterator[str]:
    listening = {row.name for row in table.services if row.port}
    if table.default not in listening:
        yield f'default: no service "{table.default}" listens'
    for route in table.routes:
        if route.to not in listening:
            yield f'routes.{route.name}.to: no service "{route.to}" listens'
        if route.access not in ACCESS:
            yield f'routes.{route.name}.access: "{route.access}" is neither of {", ".join(ACCESS)}'
        for path in route.paths:
            if not path.startswith("/"):
                yield f'routes.{route.name}.paths: "{path}" does not begin with a slash'


def _repeats(values: Sequence[object], at: str, key: str) -> Iterator[str]:
    for value in sorted({str(value) for value in values if values.count(value) > 1}):
        yield f"{at}: {key} {value} is there more than once"
