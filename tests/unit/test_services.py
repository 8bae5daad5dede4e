"""The table of services: what it refuses, and with which words."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, get_args

import pytest
import yaml

from hedgerow import releases
from hedgerow.declaration.models import Feature
from hedgerow.errors import CallError
from hedgerow.services import load_table, parse_table

SMALL: dict[str, Any] = {
    "networks": {"app": "10.90.0.0/24"},
    "images": {"app": {"repository": "registry.example/app", "stand_in": "localhost/app"}},
    "secrets": {"key": "secret_key"},
    "environments": {"shared": {"SITE_URL": "https://{domain}"}},
    "services": [
        {
            "name": "web",
            "about": "The pages.",
            "image": "app",
            "environments": ["shared"],
            "environment": {"DEBUG": "0"},
            "secrets": {"SECRET_KEY": "posthog.key", "DATABASE_URL": "postgres", "REDIS_URL": "valkey"},
            "postgres": {"database": "app", "connections": 5, "owner": True},
            "valkey": {"rules": ["+@read"]},
            "ip_offset": 10,
            "port": 8000,
            "health": {"path": "/up"},
            "memory": "64m",
        },
        {
            "name": "worker",
            "about": "Tasks.",
            "image": "app",
            "ip_offset": 11,
            "health": {"command": ["true"]},
            "memory": "64m",
        },
    ],
    "routes": [{"name": "in", "to": "web", "access": "ingest", "paths": ["/e"]}],
    "default": "web",
}


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    table = copy.deepcopy(SMALL)
    change(table)
    return yaml.safe_dump(table)


def web(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda table: table["services"][0].update(values)


def worker(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda table: table["services"][1].update(values)


@pytest.mark.parametrize("release", releases.names())
def test_the_table_of_each_release_holds(release: str) -> None:
    table = load_table(release)
    assert {"web", "worker", "capture", "feature-flags", "ingestion-general", "clickhouse", "kafka"} <= {
        row.name for row in table.services
    }


def test_own_variables_win_over_shared_ones() -> None:
    table = parse_table(changed(web(environment={"SITE_URL": "http://elsewhere", "DEBUG": "1"})))
    assert table.environment(table.service("web")) == {"SITE_URL": "http://elsewhere", "DEBUG": "1"}


REFUSED = {
    "a key nobody knows": (web(colour="red"), "services.0.colour: Unexpected keyword argument"),
    "a missing key": (lambda t: t["services"][0].pop("memory"), "services.0.memory: Field required"),
    "a number for a text": (web(environment={"AGE": 8}), "services.0.environment.AGE: Input should be a valid string"),
    "no mapping at all": (lambda t: (t.clear(), t.update({"x": 1})), "x: Unexpected keyword argument"),
    "a name twice": (worker(name="web"), "services: name web is there more than once"),
    "an address twice": (worker(ip_offset=10), "services: network and ip_offset ('app', 10) is there more than once"),
    "the gateway's address": (worker(ip_offset=1), "services.worker.ip_offset: 1 is not between 2 and 254"),
    "a network nobody described": (worker(network="gone"), 'services.worker.network: there is no network "gone"'),
    "a network with too long a name": (
        lambda t: t["networks"].update(analytics="10.90.1.0/24"),
        'networks.analytics: "analytics" is not one to six small letters',
    ),
    "a network of somebody else's": (
        lambda t: t["networks"].update(log="192.0.2.0/24"),
        "networks.log: 192.0.2.0/24 is no network within 10.90.0.0/16",
    ),
    "a network within another": (
        lambda t: t["networks"].update(log="10.90.0.128/25"),
        "networks.log: 10.90.0.128/25 overlaps app",
    ),
    "a tier that is none": (worker(tier="edge"), 'services.worker.tier: "edge" is neither of app, data'),
    "use of what serves nobody": (
        worker(uses=["worker"]),
        'services.worker.uses: no other service "worker" serves others',
    ),
    "a setting that leads where there is no way": (
        worker(environment={"CDP_API_URL": "http://{web}"}),
        "services.worker: CDP_API_URL leads to web; name it in `uses`",
    ),
    "somebody on the same bridge": (
        worker(uses=["web"]),
        "services.worker.uses: web is on the same bridge; give what others ask a network of its own",
    ),
    "a feature that nothing has": (
        lambda table: table.update(features={"x": "nothing"}),
        "features.x: no service has it, so that to declare it would do nothing",
    ),
    "a feature that is none": (worker(features=["x"]), 'services.worker.features: there is no feature "x"'),
    "a store in the application tier": (
        worker(serves=[9000]),
        "services.worker.serves: only a store of the data tier is passed on to others",
    ),
    "topics without a way": (
        worker(topics={"writes": ["x"]}),
        "services.worker.topics: topics without a way to the event log",
    ),
    "a reader without a group": (
        worker(topics={"reads": ["x"]}),
        "services.worker.topics: who reads has a group, and nobody else",
    ),
    "a database that it does not enter": (
        web(secrets={"DATABASE_URL": "postgres.queue"}),
        'services.web.secrets.DATABASE_URL: the row has no database "queue"',
    ),
    "a database that nobody owns": (
        web(postgres={"database": "app", "connections": 5}),
        'services.postgres: database "app" has 0 owners (nobody), not one',
    ),
    "a database with two owners": (
        worker(postgres={"database": "jobs", "beside": ["app"], "connections": 5, "owner": True}),
        'services.postgres: database "app" has 2 owners (web, worker), not one',
    ),
    "a user without a way": (worker(clickhouse=True), "services.worker.clickhouse: a user without a way there"),
    "a user's password without a user": (
        worker(secrets={"CLICKHOUSE_PASSWORD": "clickhouse"}),
        "services.worker.secrets.CLICKHOUSE_PASSWORD: the row has no `clickhouse`",
    ),
    "data in a folder that is none": (worker(volume="data"), 'services.worker.volume: "data" is not an absolute path'),
    "an image nobody described": (web(image="gone"), 'services.web.image: there is no image "gone"'),
    "a block nobody described": (web(environments=["gone"]), 'services.web.environments: there is no block "gone"'),
    "root": (
        lambda t: t["images"]["app"].update(user="0:0"),
        'images.app.user: "0:0" is not uid:gid in numbers above 0; no container runs as root',
    ),
    "an image with a tag": (
        lambda t: t["images"]["app"].update(repository="registry.example/app:latest"),
        'images.app: "registry.example/app:latest" carries a tag or a digest',
    ),
    "a size that is none": (web(memory="lots"), 'services.web.memory: "lots" is not a size like 512m'),
    "two ways to ask for health": (
        web(health={"path": "/up", "command": ["true"]}),
        "services.web.health: one of path and command",
    ),
    "a health page without a port": (
        worker(health={"path": "/up"}),
        "services.worker.health.path: the service has no port to ask on",
    ),
    "a variable plain and secret": (
        web(environment={"SECRET_KEY": "x"}),
        "services.web.secrets.SECRET_KEY: also a plain variable",
    ),
    "a secret from nowhere": (
        worker(secrets={"TOKEN": "posthog.gone"}),
        'services.worker.secrets.TOKEN: "posthog.gone" is neither postgres, ',
    ),
    "a key to object storage without a way there": (
        worker(uses=["clickhouse", "kafka"], objects={"posthog": ["Read"]}),
        "services.worker.objects: a key without a way there",
    ),
    "a right that would make buckets": (
        worker(objects={"posthog": ["Admin"]}),
        'services.worker.objects.posthog: "Admin" is none of Read, Write, List, Tagging',
    ),
    "a bucket by a name that is none": (
        worker(objects={"posthog/exports": ["Read"]}),
        'services.worker.objects: "posthog/exports" is no name of a bucket',
    ),
    "a secret key without a bucket": (
        worker(objects={}, secrets={"TOKEN": "objects"}),
        "services.worker.secrets.TOKEN: the row has no `objects`",
    ),
    "a database URL without a database": (
        worker(secrets={"DATABASE_URL": "postgres"}),
        "services.worker.secrets.DATABASE_URL: the row has no `postgres`",
    ),
    "a kind of secret that is none": (
        lambda t: t["secrets"].update(key="lucky"),
        'secrets.key: "lucky" is no kind of secret',
    ),
    "a placeholder for nothing": (
        web(environment={"URL": "http://{address}"}),
        "services.web.environment.URL: {address} stands for nothing",
    ),
    "a dollar sign": (web(environment={"X": "a$b"}), "services.web.environment.X: a dollar sign or a line break"),
    "a lone brace": (web(environment={"X": "{"}), "services.web.environment.X: Single '{' encountered"),
    "a wait for nobody": (worker(after=["gone"]), 'services.worker.after: there is no service "gone"'),
    "a wait in a circle": (
        lambda t: (t["services"][0].update(after=["worker"]), t["services"][1].update(after=["web"])),
        "services.after: web, worker wait for one another",
    ),
    "a route to who does not listen": (
        lambda t: t["routes"][0].update(to="worker"),
        'routes.in.to: no service "worker" listens',
    ),
    "a route under no list": (
        lambda t: t["routes"][0].update(access="all"),
        'routes.in.access: "all" is neither of ingest, interface',
    ),
    "a path twice": (
        lambda t: t["routes"].append({**t["routes"][0], "name": "again"}),
        "routes: path /e is there more than once",
    ),
    "a default that does not listen": (
        lambda t: t.update(default="worker"),
        'default: no service "worker" listens',
    ),
}


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses(change: Callable[[dict[str, Any]], object], words: str) -> None:
    with pytest.raises(CallError) as refused:
        parse_table(changed(change))
    assert f"services.yml: {words}" in str(refused.value)


def test_tells_every_problem_at_once() -> None:
    def both(table: dict[str, Any]) -> None:
        web(memory="lots")(table)
        worker(image="gone")(table)

    with pytest.raises(CallError) as refused:
        parse_table(changed(both))
    assert len(str(refused.value).splitlines()) == 2


def test_refuses_what_is_not_yaml() -> None:
    with pytest.raises(CallError):
        parse_table("a: [")


def test_the_features_of_the_table_are_those_that_can_be_declared() -> None:
    assert set(load_table().features) == set(get_args(Feature))
