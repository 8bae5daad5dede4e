"""The rows of the table of services: which services the stack has, and what each is given.

Frozen values; service_rules.py says what a table must not say, stack.py what it means for one deployment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field, replace

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

KNOWN_KEYS = ConfigDict(extra="forbid")

Environment = Mapping[str, str]

DOORS = 18000
"""Where the ports of side-cars begin: beyond those of the stores, below those that the kernel gives to clients."""


@dataclass(frozen=True, config=KNOWN_KEYS)
class Image:
    """Where an image comes from: upstream's repository, and what takes its place in the lab.

    `tag` is what `images lock` resolves where the declaration names nothing; it is never run.
    `idempotent` says that its producers ask the event log for an id first, which is a right of its own there.
    `size` is our estimate of what it takes on disk unpacked. `user` is "uid:gid": containers share the host's user ids,
    so it is one that no account of a host should have. `processor` is what it was built to find in one, by machine
    (`uname -m`), in the words of /proc/cpuinfo: without that it ends as it starts.
    """

    repository: str
    stand_in: str
    tag: str = "latest"
    size: str = "512m"
    user: str = "10001:10001"
    idempotent: bool = False
    processor: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
    """The database a service's role may enter, and those `beside` it that it needs as well.

    The `owner` makes and changes the tables in all of them; others use them: all of them, or in `database` just those
    that it `reads` and `writes`.
    """

    database: str
    connections: int
    owner: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    @property
    def databases(self) -> tuple[str, ...]:
        """Every database that the role may enter."""
        return (self.database, *self.beside)


@dataclass(frozen=True, config=KNOWN_KEYS)
class Valkey:
    """What a service's user may do, as Valkey's ACL rules for commands (`ACL SETUSER`).

    `sidecar` says that the service cannot verify a private CA, and that its side-car speaks TLS for it.
    """

    rules: tuple[str, ...]
    keys: tuple[str, ...] = ("~*",)
    channels: tuple[str, ...] = ("&*",)
    sidecar: bool = False


@dataclass(frozen=True, config=KNOWN_KEYS)
class Topics:
    """Topics of the event log that a service appends to and reads; its consumer groups' names begin with `group`."""

    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, config=KNOWN_KEYS)
class Mount:
    """A file or folder of the host that a container reads, and where it sees it."""

    source: str
    target: str


@dataclass(frozen=True, config=KNOWN_KEYS)
class FromImage:
    """A file or folder that another image carries, and where a container sees it. A start needs no source tree.

    `unversioned`: a file that declares executable functions, and is seen with their names without a version.
    """

    image: str
    path: str
    target: str
    unversioned: bool = False


@dataclass(frozen=True, config=KNOWN_KEYS)
class Service:
    """One row. `about` says what it holds or does, for docs/services.md. `stand_in_command` is what the lab's image is
    started with; `port` is 0 where nothing listens.

    `tier` says which hosts run it. Others may use the ports that a store `serves`, or the `door` of a service of the
    application that has a port, and say so by its name in `uses`; no other way between two services is open. `volume`
    is the one folder where it keeps data; `clickhouse` gives it a user of its own there, `objects` a key of its own in
    object storage: bucket -> what it may do there. A store with `certificates` knows its clients by those: a side-car
    shows them, and `topics` are what a client may do there. Only an `outbound` service connects to what the declaration
    names in access.outbound_to: it is what carries data out. One that `opens_pages` connects to the edge. With
    `features` it runs where one of them is declared, without them always. Of what is writable, programs may run from
    `tmpfs_programs` alone.
    """

    name: str
    about: str
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
    tier: str = "app"
    network: str = "app"
    uses: tuple[str, ...] = ()
    serves: tuple[int, ...] = ()
    tmpfs: tuple[str, ...] = ()
    tmpfs_programs: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    from_images: tuple[FromImage, ...] = ()
    volume: str = ""
    clickhouse: bool = False
    certificates: bool = False
    outbound: bool = False
    opens_pages: bool = False
    topics: Topics | None = None
    objects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @property
    def door(self) -> int:
        """The port on which its side-car lets others in, the same inside and at the host; 0 where nothing listens."""
        return DOORS + self.ip_offset if self.port and self.tier == "app" else 0


@dataclass(frozen=True, config=KNOWN_KEYS)
class Route:
    """Paths that the edge sends to a service, and the allow-list they are under.

    What comes by one that `stores` is kept, and so is refused where there is no room for it.
    """

    name: str
    to: str
    access: str
    paths: tuple[str, ...]
    strip_prefix: str = ""
    streaming: bool = False
    stores: bool = False


@dataclass(frozen=True, config=KNOWN_KEYS)
class Table:
    """The whole table. `environments` are blocks that rows share by name; `default` takes what no route takes.

    `networks` are the bridges between containers and their host, each with its subnet. Containers on one do not see
    each other: the bridge leads to the host alone. `features` are what may be declared, and what each is.
    """

    networks: Mapping[str, str]
    images: Mapping[str, Image]
    secrets: Environment
    environments: Mapping[str, Environment]
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    default: str
    features: Mapping[str, str] = field(default_factory=dict)

    def service(self, name: str) -> Service:
        """Return a row by name. Raises KeyError."""
        return {row.name: row for row in self.services}[name]

    def subnets(self, tier: str) -> list[str]:
        """Return the networks of a tier's services."""
        return [self.networks[name] for name in dict.fromkeys(row.network for row in self.services if row.tier == tier)]

    @property
    def topics(self) -> list[str]:
        """Every topic of the event log that a service writes or reads."""
        told = (row.topics for row in self.services if row.topics)
        return sorted({name for topics in told for name in (*topics.writes, *topics.reads)})

    def environment(self, row: Service) -> dict[str, str]:
        """Return all plain variables of a row, its own last: they win over shared ones."""
        merged: dict[str, str] = {}
        for block in row.environments:
            merged.update(self.environments[block])
        return {**merged, **row.environment}

    def only(self, features: Collection[str]) -> Table:
        """Return the table of a deployment with these features: other rows are gone, and what led to them."""
        rows = [row for row in self.services if not row.features or {*row.features} & {*features}]
        names = {row.name for row in rows}
        kept = tuple(
            replace(
                row,
                uses=tuple(name for name in row.uses if name in names),
                after=tuple(name for name in row.after if name in names),
            )
            for row in rows
        )
        needed = {*(row.image for row in kept), *(each.image for row in kept for each in row.from_images)}
        return replace(
            self,
            images={key: image for key, image in self.images.items() if key in needed},
            services=kept,
            routes=tuple(route for route in self.routes if route.to in names),
        )
