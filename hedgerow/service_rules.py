"""What a table of services must not say: rows that contradict themselves or lead nowhere."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import re
from collections.abc import Container, Iterator, Sequence
from string import Formatter

from hedgerow.hosts import CONTAINER_NETWORKS
from hedgerow.secrets import LENGTHS
from hedgerow.service_rows import Environment, Service, Table

PLACEHOLDERS = ("domain", "subnet", "gateway", "ca_file", "account")
STORES = ("postgres", "postgres_password", "valkey", "clickhouse", "objects")
OBJECT_ACTIONS = ("Read", "Write", "List", "Tagging")  # of SeaweedFS; nobody is its administrator
ACCESS = ("ingest", "interface")
TIERS = ("app", "data")
CONTAINERS = ipaddress.IPv4Network(CONTAINER_NETWORKS)
NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
MEMORY = re.compile(r"[1-9][0-9]*[kmg]")


def problems(table: Table) -> Iterator[str]:
    """Yield what contradicts itself or leads nowhere in a table whose types are right."""
    yield from _images(table)
    yield from _repeats([row.name for row in table.services], "services", "name")
    yield from _repeats([(row.network, row.ip_offset) for row in table.services], "services", "network and ip_offset")
    yield from _networks(table)
    yield from _repeats([path for route in table.routes for path in route.paths], "routes", "path")
    for key, kind in table.secrets.items():
        if kind not in LENGTHS:
            yield f'secrets.{key}: "{kind}" is no kind of secret; there are {", ".join(LENGTHS)}'
    for block, environment in table.environments.items():
        yield from _environment(environment, f"environments.{block}", {row.name for row in table.services})
    for name in sorted(table.features.keys() - {name for row in table.services for name in row.features}):
        yield f"features.{name}: no service has it, so that to declare it would do nothing"
    for row in table.services:
        yield from _row(table, row)
        yield from _features(table, row)
        yield from _placeholders(table, row)
    yield from _repeats([row.door for row in table.services if row.door], "services", "door")
    yield from _databases(table)
    yield from _order(table.services)
    yield from _routes(table)


def _networks(table: Table) -> Iterator[str]:
    for key, subnet in table.networks.items():
        # With "hedgerow-" before it, it is the name of an interface: 15 characters, no more.
        if not re.fullmatch(r"[a-z]{1,6}", key):
            yield f'networks.{key}: "{key}" is not one to six small letters'
        try:
            inside = ipaddress.IPv4Network(subnet).subnet_of(CONTAINERS)
        except ValueError:
            inside = False
        if not inside:
            yield f"networks.{key}: {subnet} is no network within {CONTAINERS}, which is kept for containers"
    for one, other in itertools.combinations(table.networks.items(), 2):
        with contextlib.suppress(ValueError):
            if ipaddress.IPv4Network(one[1]).overlaps(ipaddress.IPv4Network(other[1])):
                yield f"networks.{other[0]}: {other[1]} overlaps {one[0]}"


def _images(table: Table) -> Iterator[str]:
    for key, image in table.images.items():
        if not re.fullmatch(r"[1-9][0-9]*:[1-9][0-9]*", image.user):
            yield f'images.{key}.user: "{image.user}" is not uid:gid in numbers above 0; no container runs as root'
        for repository in (image.repository, image.stand_in):
            if "@" in repository or ":" in repository.rpartition("/")[2]:
                yield f'images.{key}: "{repository}" carries a tag or a digest; the image lock holds those'


def _databases(table: Table) -> Iterator[str]:
    """Yield databases whose tables nobody may make, or more than one."""
    used = [(name, row) for row in table.services if row.postgres for name in row.postgres.databases]
    for name in dict.fromkeys(name for name, _ in used):
        owners = [row.name for each, row in used if each == name and row.postgres and row.postgres.owner]
        if len(owners) != 1:
            who = ", ".join(owners) or "nobody"
            yield f'services.postgres: database "{name}" has {len(owners)} owners ({who}), not one'


def _row(table: Table, row: Service) -> Iterator[str]:
    at = f"services.{row.name}"
    if not NAME.fullmatch(row.name):
        yield f"{at}.name: small letters, digits and hyphens, beginning with a letter"
    if row.image not in table.images:
        yield f'{at}.image: there is no image "{row.image}"'
    yield from _ways(table, row, at)
    if not MEMORY.fullmatch(row.memory):
        yield f'{at}.memory: "{row.memory}" is not a size like 512m'
    if bool(row.health.path) == bool(row.health.command):
        yield f"{at}.health: one of path and command"
    if row.health.path and not row.port:
        yield f"{at}.health.path: the service has no port to ask on"
    for block in row.environments:
        if block not in table.environments:
            yield f'{at}.environments: there is no block "{block}"'
    yield from _files(table, row, at)
    if row.clickhouse and "clickhouse" not in row.uses:
        yield f"{at}.clickhouse: a user without a way there; name it in `uses`"
    yield from _objects(row, at)
    yield from _environment(row.environment, f"{at}.environment", {each.name for each in table.services})
    yield from _secrets(table, row, at)


def _files(table: Table, row: Service, at: str) -> Iterator[str]:
    mounted = (path for each in row.mounts for path in (each.source, each.target))
    borrowed = (path for each in row.from_images for path in (each.path, each.target))
    for path in (*row.tmpfs, *row.tmpfs_programs, *mounted, *borrowed):
        if not path.startswith("/") or ".." in path.split("/"):
            yield f'{at}: "{path}" is not an absolute path'
    if row.volume and not row.volume.startswith("/"):
        yield f'{at}.volume: "{row.volume}" is not an absolute path'
    for each in row.from_images:
        if each.image not in table.images:
            yield f'{at}.from_images: there is no image "{each.image}"'


def _ways(table: Table, row: Service, at: str) -> Iterator[str]:
    if row.tier not in TIERS:
        yield f'{at}.tier: "{row.tier}" is neither of {", ".join(TIERS)}'
    if row.network not in table.networks:
        yield f'{at}.network: there is no network "{row.network}"'
    for name in row.uses:
        if name not in {each.name for each in table.services if each.serves or each.door} - {row.name}:
            yield f'{at}.uses: no other service "{name}" serves others'
    for other in table.services:
        if other.name in row.uses and other.network == row.network and other.name != row.name:
            # It would answer straight, and bridges pass nothing between two of their own.
            yield f"{at}.uses: {other.name} is on the same bridge; give what others ask a network of its own"
    if row.topics and bool(row.topics.reads) != bool(row.topics.group):
        yield f"{at}.topics: who reads has a group, and nobody else"
    if row.topics and "kafka" not in row.uses:
        yield f"{at}.topics: topics without a way to the event log; name kafka in `uses`"
    if row.serves and row.tier != "data":
        yield f"{at}.serves: only a store of the data tier is passed on to others"
    if not 2 <= row.ip_offset <= 254:
        yield f"{at}.ip_offset: {row.ip_offset} is not between 2 and 254; 1 is the gateway's"
    if not 0 <= row.port <= 65535:
        yield f"{at}.port: {row.port} is no port"


def _objects(row: Service, at: str) -> Iterator[str]:
    if row.objects and "seaweedfs" not in row.uses:
        yield f"{at}.objects: a key without a way there; name seaweedfs in `uses`"
    for bucket, actions in row.objects.items():
        if not re.fullmatch(r"[a-z][a-z0-9-]{2,62}", bucket):
            yield f'{at}.objects: "{bucket}" is no name of a bucket'
        for action in sorted({*actions} - {*OBJECT_ACTIONS}):
            yield f'{at}.objects.{bucket}: "{action}" is none of {", ".join(OBJECT_ACTIONS)}'


def _secrets(table: Table, row: Service, at: str) -> Iterator[str]:
    plain = {name for block in row.environments for name in table.environments.get(block, {})} | set(row.environment)
    for variable, source in row.secrets.items():
        if not VARIABLE.fullmatch(variable):
            yield f'{at}.secrets: "{variable}" is no name of a variable'
        if variable in plain:
            yield f"{at}.secrets.{variable}: also a plain variable; one of them would win by chance"
        kind, _, database = source.partition(".")
        if kind in ("postgres", "postgres_password") and row.postgres is None:
            yield f"{at}.secrets.{variable}: the row has no `postgres`"
        elif kind == "postgres" and row.postgres and database not in ("", *row.postgres.databases):
            yield f'{at}.secrets.{variable}: the row has no database "{database}"'
        elif kind == "postgres":
            pass
        elif source == "valkey" and row.valkey is None:
            yield f"{at}.secrets.{variable}: the row has no `valkey`"
        elif source == "clickhouse" and not row.clickhouse:
            yield f"{at}.secrets.{variable}: the row has no `clickhouse`"
        elif source == "objects" and not row.objects:
            yield f"{at}.secrets.{variable}: the row has no `objects`"
        elif source not in STORES and source.removeprefix("posthog.") not in table.secrets:
            known = f"{', '.join(STORES)} nor posthog.KEY of a known secret"
            yield f'{at}.secrets.{variable}: "{source}" is neither {known}'


def _features(table: Table, row: Service) -> Iterator[str]:
    for name in row.features:
        if name not in table.features:
            yield f'services.{row.name}.features: there is no feature "{name}"'


def _placeholders(table: Table, row: Service) -> Iterator[str]:
    """Yield variables that lead to a service which the row is not declared to use: there would be no way there."""
    with contextlib.suppress(KeyError, ValueError):
        for variable, value in table.environment(row).items():
            for name in sorted(placeholders(value) - {*PLACEHOLDERS} - {*row.uses}):
                yield f"services.{row.name}: {variable} leads to {name}; name it in `uses`"


def placeholders(value: str) -> set[str]:
    """Return what stands between braces in a value. Raises ValueError where braces do not match."""
    return {name for _, name, _, _ in Formatter().parse(value) if name is not None}


def _environment(environment: Environment, at: str, services: Container[str]) -> Iterator[str]:
    for variable, value in environment.items():
        if not VARIABLE.fullmatch(variable):
            yield f'{at}: "{variable}" is no name of a variable'
        # systemd expands $ in the command line that Quadlet makes of it, and no two versions escape it alike.
        if "$" in value or "\n" in value:
            yield f"{at}.{variable}: a dollar sign or a line break does not survive a unit file"
        try:
            names = sorted(placeholders(value))
        except ValueError as wrong:
            yield f"{at}.{variable}: {wrong}; write {{{{ and }}}} for braces"
            continue
        for name in names:
            if name not in PLACEHOLDERS and name not in services:
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
