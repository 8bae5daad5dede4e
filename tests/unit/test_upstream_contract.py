"""Our table of services against upstream's compose file: same names, same settings, same ports, same ways in.

Upstream publishes no releases, so a name that it drops or renames would be set by us and read by nobody. What upstream
declares stands in tests/data/upstream, one file a release; what we do otherwise stands here, by name, with its reason.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from hedgerow import releases
from hedgerow.services import Table, load_table, parse_table

UPSTREAM = Path(__file__).parents[1] / "data" / "upstream"


def facts_of(release: str) -> dict[str, Any]:
    """Return what upstream declares in a release."""
    found: dict[str, Any] = yaml.safe_load((UPSTREAM / f"{release}.yml").read_text(encoding="utf-8"))
    return found


FACTS = facts_of(releases.find().name)
DJANGO = ("web", "worker", "temporal-django-worker")
# Names that upstream's settings read and its compose file does not set: (services, where upstream reads it and why we
# set it). Modules are upstream's, read on 2026-11-23 and 2026-11-25.
BEYOND_COMPOSE: dict[str, tuple[tuple[str, ...], str]] = {
    "ALLOWED_HOSTS": (DJANGO, "posthog/settings/access.py; its default is any name"),
    "IS_BEHIND_PROXY": (DJANGO, "posthog/settings/access.py; the edge ends TLS"),
    "TRUST_ALL_PROXIES": (DJANGO, "posthog/settings/access.py; nobody's word but the edge's"),
    "TRUSTED_PROXIES": (DJANGO, "posthog/settings/access.py; the edge's address"),
    "DISABLE_SECURE_SSL_REDIRECT": (DJANGO, "posthog/settings/access.py; kept off"),
    "SECURE_COOKIES": (DJANGO, "posthog/settings/access.py; kept on"),
    "SESSION_COOKIE_AGE": (DJANGO, "posthog/settings/web.py; its default is fourteen days"),
    "LICENSE_SECRET_KEY": (DJANGO, "posthog/settings/web.py; its default is published"),
    "EMAIL_ENABLED": (DJANGO, "posthog/settings/dynamic_settings.py; its default is on"),
    "DATABASE_URL": (DJANGO, "posthog/settings/data_stores.py; else it is put together from parts that cannot say TLS"),
    "CLICKHOUSE_HOST": (DJANGO, "posthog/settings/data_stores.py"),
    "CLICKHOUSE_DATABASE": (DJANGO, "posthog/settings/data_stores.py"),
    "CLICKHOUSE_SECURE": (DJANGO, "posthog/settings/data_stores.py; TLS"),
    "CLICKHOUSE_VERIFY": (DJANGO, "posthog/settings/data_stores.py; the server's name is verified"),
    "CLICKHOUSE_CA": (DJANGO, "posthog/settings/data_stores.py; our CA"),
    "CLICKHOUSE_USER": (
        (*DJANGO, "recording-api"),
        "posthog/settings/data_stores.py, nodejs/src/session-replay/recording-api; its default is `default`",
    ),
    "CLICKHOUSE_PASSWORD": (
        (*DJANGO, "recording-api"),
        "posthog/settings/data_stores.py, nodejs/src/session-replay/recording-api; its default is none",
    ),
    "AWS_CA_BUNDLE": (DJANGO, "botocore/configprovider.py; the CA of the object storage's certificate"),
    "RECORDING_API_JWT_SECRET": (
        (*DJANGO, "recording-api"),
        "posthog/settings/session_replay_v2.py, nodejs/src/session-replay/recording-api/auth.ts; else anybody reads",
    ),
    "RECORDING_API_ALLOW_LEGACY_SECRET": (
        ("recording-api",),
        "nodejs/src/session-replay/recording-api/auth.ts; its default also takes a secret of all services",
    ),
    "SESSION_RECORDING_V2_S3_BUCKET": (
        ("ingestion-sessionreplay", "recording-api"),
        "nodejs/src/session-recording/config.ts; its default is the bucket of everything else",
    ),
    "NODE_EXTRA_CA_CERTS": (
        ("ingestion-general", "ingestion-sessionreplay", "recording-api", "plugins", "ingestion-error-tracking"),
        "Node.js, doc/api/cli.md; the CA of the stores' certificates",
    ),
    "REDIS_URL": (DJANGO, "posthog/settings/data_stores.py; its default is in the clear"),
    "BIND_HOST": (("property-defs-rs", "cyclotron-janitor"), "rust/*/src/config.rs; its default is IPv6's ::"),
    "BIND_PORT": (("property-defs-rs", "cyclotron-janitor"), "rust/*/src/config.rs; where its health is asked"),
    "CACHE_CAPACITY": (("property-defs-rs",), "rust/property-defs-rs/src/config.rs; a million takes too much memory"),
    "PERSONHOG_ADDR": (("property-defs-rs",), "rust/property-defs-rs/src/group_type_resolver.rs; else no groups"),
    "RUST_LOG": (("property-defs-rs",), "rust/property-defs-rs/src/main.rs, EnvFilter::from_default_env"),
    "AWS_EC2_METADATA_DISABLED": (
        ("hypercache-server",),
        "rust/common/hypercache/src/lib.rs, aws_config::defaults: its SDK's own name",
    ),
    "NODEJS_CAPABILITY_GROUPS": (("plugins",), "nodejs/src/capabilities.ts; else it does what others do as well"),
    "CYCLOTRON_DATABASE_URL": (
        ("web",),
        "rust/bin/migrate-entry, by bin/migrate; else jobs lie among PostHog's tables",
    ),
    "ERROR_TRACKING_CYMBAL_BASE_URL": (
        ("ingestion-error-tracking",),
        "nodejs/src/ingestion/error-tracking/config.ts; its default is its own loopback",
    ),
    "SSL_CERT_FILE": (("cymbal",), "rustls-native-certs, src/lib.rs; the CA of the object storage's certificate"),
    "TEMPORAL_HOST": (("web", "worker"), "posthog/settings/temporal.py; its side-car's end on the own loopback"),
    "TEMPORAL_PORT": (DJANGO, "posthog/settings/temporal.py; the door's number"),
    "TEMPORAL_TASK_QUEUE": (
        ("temporal-django-worker",),
        "posthog/settings/temporal.py; the default queue has no exports",
    ),
    "TEMPORAL_HEALTH_PORT": (("temporal-django-worker",), "posthog/settings/temporal.py; its default is none"),
    **dict.fromkeys(
        ("POSTGRES_TLS_ENABLED", "POSTGRES_TLS_DISABLE_HOST_VERIFICATION", "POSTGRES_TLS_CA_FILE"),
        (("temporal",), "temporalio/docker-builds docker/auto-setup.sh; TLS for the tool that makes the tables"),
    ),
    "POSTGRES_TLS_SERVER_NAME": (
        ("temporal",),
        "temporalio/docker-builds docker/auto-setup.sh; whose name is verified",
    ),
    "SKIP_DB_CREATE": (("temporal",), "temporalio/docker-builds docker/auto-setup.sh; its role makes no databases"),
    **dict.fromkeys(
        ("SQL_TLS_ENABLED", "SQL_CA", "SQL_HOST_VERIFICATION", "SQL_HOST_NAME"),
        (("temporal",), "temporalio/temporal docker/config_template.yaml; TLS to PostgreSQL, its name verified"),
    ),
    **dict.fromkeys(
        ("DBNAME", "VISIBILITY_DBNAME"),
        (("temporal",), "temporalio/temporal docker/config_template.yaml; its databases"),
    ),
    **dict.fromkeys(
        ("SQL_MAX_CONNS", "SQL_MAX_IDLE_CONNS", "SQL_VIS_MAX_CONNS", "SQL_VIS_MAX_IDLE_CONNS"),
        (("temporal",), "temporalio/temporal docker/config_template.yaml; its role's sessions are counted"),
    ),
    "BIND_ON_IP": (("temporal",), "temporalio/docker-builds docker/entrypoint.sh; others come in by its door"),
    "HOST": (("browserless",), "browserless/browserless src/config.ts; others come in by its door"),
    "PORT": (("browserless",), "browserless/browserless src/config.ts; its default, said"),
    "CONCURRENT": (("browserless",), "browserless/browserless src/config.ts; its default takes more than its memory"),
    "HOME": (("browserless",), "man-pages/environ(7); what the browser keeps, it keeps where it can write"),
}
# Upstream's services that the distribution's packages stand in for.
REPLACED = {
    "db": "PostgreSQL of the distribution: its security team patches it (docs: design, the stack on a host)",
    "zookeeper": "ClickHouse's own Keeper, in the same process (roles/clickhouse, keeper_server)",
    "kafka-init": "roles/eventlog, tasks/rights.yml: topics with their bounds, and rights, which upstream has none of",
    "objectstorage": (
        "seaweedfs, which upstream runs beside it: MinIO publishes no images any more, and its users are made over its"
        " API alone, where SeaweedFS reads them from a file"
    ),
    "redis7": "Valkey of the distribution, for the same reason",
}
# Upstream's services that nothing here needs.
LEFT_OUT = {
    "elasticsearch": "Temporal's index is in PostgreSQL (ENABLE_ES: false; upstream's compose runs it for nothing)",
    "temporal-ui": "shows every workflow to whoever opens it: it has no sign-in of its own",
    "temporal-admin-tools": "a shell to Temporal; the image of temporal has the same tools",
    "ingestion-logs": "nothing feeds it: capture-logs is in none of upstream's compose files",
    "ingestion-traces": "nothing feeds it, for the same reason",
    "asyncmigrationscheck": "replicas: 0 upstream; web's own start (bin/migrate) runs the same check",
}
# Upstream's services that are not deployed yet: since when we know, and what is missing meanwhile.
NOT_YET: dict[str, tuple[str, str]] = {}
# A store of ours that answers for one in REPLACED.
STORES = {"objectstorage": "seaweedfs"}
SOURCE = "./posthog/"
APART = NOT_YET.keys() | REPLACED.keys() | LEFT_OUT.keys()
# Upstream's compose names this one by a variable; its installer sets it.
IMAGES = {
    "temporalio/auto-setup": "docker.io/temporalio/auto-setup",
    "$REGISTRY_URL": "docker.io/posthog/posthog",
    "${REGISTRY_URL}-node": "docker.io/posthog/posthog-node",
    "chrislusf/seaweedfs": "docker.io/chrislusf/seaweedfs",
    "${CLICKHOUSE_SERVER_IMAGE:-clickhouse/clickhouse-server": "docker.io/clickhouse/clickhouse-server",
}


def problems(table: Table, facts: dict[str, Any]) -> Iterator[str]:
    """Yield where our table and upstream's compose file are of two minds."""
    theirs = facts["services"]
    ours = {row.name for row in table.services}
    for name in sorted(ours - theirs.keys()):
        yield f"{name}: upstream has no such service"
    for name in sorted(theirs.keys() - ours - APART):
        yield f"{name}: upstream's, and neither ours nor in NOT_YET, REPLACED nor LEFT_OUT"
    for name in sorted(APART & ours | APART - theirs.keys()):
        yield f"{name}: in NOT_YET, REPLACED or LEFT_OUT, and ours by now or gone from upstream"
    for row in table.services:
        if row.name in theirs:
            yield from _settings(table, row.name, theirs)
            image = re.sub(r":[^/]*$", "", theirs[row.name]["image"])
            if IMAGES.get(image, image) != table.images[row.image].repository:
                yield f"{row.name}: upstream's image is {image}, ours {table.images[row.image].repository}"
    yield from _mounts(table, theirs)
    yield from _ports(table, facts)
    yield from _ways(table, facts)


def _settings(table: Table, name: str, theirs: dict[str, Any]) -> Iterator[str]:
    """Names that upstream sets for this service, or for another one of the same image, are known to it."""
    row = table.service(name)
    image = theirs[name]["image"]
    known = {key for each in theirs.values() if each.get("image") == image for key in each.get("environment", {})}
    for variable in sorted({*table.environment(row), *row.secrets}):
        if variable not in known and name not in BEYOND_COMPOSE.get(variable, ((), ""))[0]:
            yield f"{name}: {variable} is no name that upstream knows there"
    for variable in ("ADDRESS", "CAPTURE_MODE"):
        wanted, found = theirs[name].get("environment", {}).get(variable), table.environment(row).get(variable)
        if wanted != found:
            yield f"{name}: {variable} is {wanted} upstream, {found} with us"


def _mounts(table: Table, theirs: dict[str, Any]) -> Iterator[str]:
    """What upstream mounts out of PostHog's source tree we mount out of an image, in the same place."""
    for row in (row for row in table.services if row.name in theirs):
        pairs = [each.split(":")[:2] for each in theirs[row.name].get("volumes", []) if isinstance(each, str)]
        upstream = {target: Path(source).name for source, target in (pair for pair in pairs if len(pair) == 2)}
        out_of_tree = {target for source, target in (pair for pair in pairs if len(pair) == 2) if SOURCE in source}
        ours = {each.target: Path(each.path).name for each in row.from_images}
        for target in sorted(out_of_tree - ours.keys()):
            yield f"{row.name}: {target} comes out of upstream's source tree, and out of no image with us"
        for target, name in sorted(ours.items()):
            if upstream.get(target) not in (name, name.removeprefix("latest_")):
                yield f"{row.name}: {name} at {target}, where upstream has {upstream.get(target)}"


def _ports(table: Table, facts: dict[str, Any]) -> Iterator[str]:
    ports = dict(route["to"].split(":") for route in facts["routes"]) | {"web": "8000"}
    for row in table.services:
        if row.name in ports and str(row.port) != ports[row.name]:
            yield f"{row.name}: upstream's port is {ports[row.name]}, ours {row.port}"


def _ways(table: Table, facts: dict[str, Any]) -> Iterator[str]:
    """Every path leads where upstream's proxy would lead it, had it only our services."""
    ours = {row.name for row in table.services}
    upstream = [(route["to"].split(":")[0], tuple(route["paths"])) for route in facts["routes"]]
    upstream = [(STORES.get(to, to), paths) for to, paths in upstream]
    upstream = [(to, paths) for to, paths in upstream if to in ours]
    here = [(route.to, route.paths) for route in table.routes]
    paths = {path for _, paths in (*upstream, *here) for path in paths}
    paths |= {path for route in facts["routes"] for path in route["paths"]}
    for path in sorted(paths):
        for probe in (path, f"{path}/", f"{path}/x"):
            wanted, found = _first(upstream, probe) or "web", _first(here, probe) or table.default
            if wanted != found:
                yield f"{probe} goes to {wanted} upstream, to {found} with us"
    ways = {route["to"].split(":")[0]: route for route in facts["routes"]}
    for route in table.routes:
        # Exports are not kept at the edge, not even for a moment: nginx would write what it buffers to its disk.
        if route.name == "objects":
            continue
        for key, ours_says in (("strip_prefix", route.strip_prefix), ("streaming", route.streaming)):
            wanted = ways.get(route.to, {}).get(key, type(ours_says)())
            if wanted != ours_says:
                yield f"{route.name}: {key} is {wanted!r} upstream, {ours_says!r} with us"


def _first(routes: list[tuple[str, tuple[str, ...]]], asked: str) -> str:
    """Return where the first route that matches leads, as both proxies match: a path itself and all below it."""
    return next((to for to, paths in routes for path in paths if asked == path or asked.startswith(f"{path}/")), "")


@pytest.mark.parametrize("release", releases.names())
def test_the_table_of_each_release_keeps_to_upstream(release: str) -> None:
    assert list(problems(load_table(release), facts_of(release))) == []


def test_no_facts_are_left_of_a_release_that_is_gone() -> None:
    assert sorted(path.stem for path in UPSTREAM.iterdir()) == sorted(releases.names())


def test_every_topic_that_upstream_makes_beforehand_is_made_here() -> None:
    """Its combined ingestion looks for each at start and ends without (its analytics/outputs/registry.ts)."""
    script = FACTS["services"]["kafka-init"]["command"][-1]
    theirs = set(re.findall(r"[\w-]+", re.search(r'TOPICS="([^"]+)"', script)[1]))
    assert "clickhouse_events_json" in theirs
    assert theirs <= set(load_table().topics)


def test_every_exception_says_since_when_and_why_and_is_still_needed() -> None:
    table = load_table()
    for name, (since, why) in NOT_YET.items():
        assert date.fromisoformat(since) <= date.today(), name
        assert why, name
    for variable, (services, source) in BEYOND_COMPOSE.items():
        assert "/" in source, variable
        for name in services:
            row = table.service(name)
            assert variable in {*table.environment(row), *row.secrets}, f"{variable} is not set for {name} any more"


def rows(raw: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in raw["services"] if row["name"] == name)


OURS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a plain name that upstream does not know": (
        lambda t: rows(t, "capture")["environment"].update(CAPTURE_KIND="events"),
        "capture: CAPTURE_KIND is no name that upstream knows there",
    ),
    "a secret name that upstream does not know": (
        lambda t: rows(t, "feature-flags")["secrets"].update(DATABASE_URL="postgres"),
        "feature-flags: DATABASE_URL is no name that upstream knows there",
    ),
    "a shared name that upstream does not know": (
        lambda t: t["environments"]["django"].update(ALLOWED_HOST="x"),
        "web: ALLOWED_HOST is no name that upstream knows there",
    ),
    "an allowed name at another service": (
        lambda t: rows(t, "capture")["environment"].update(SECURE_COOKIES="true"),
        "capture: SECURE_COOKIES is no name that upstream knows there",
    ),
    "another mode": (
        lambda t: rows(t, "replay-capture")["environment"].update(CAPTURE_MODE="events"),
        "replay-capture: CAPTURE_MODE is recordings upstream, events with us",
    ),
    "another port": (
        lambda t: rows(t, "feature-flags").update(port=3002),
        "feature-flags: upstream's port is 3001, ours 3002",
    ),
    "another image": (
        lambda t: t["images"]["feature_flags"].update(repository="ghcr.io/posthog/posthog/flags"),
        "feature-flags: upstream's image is ghcr.io/posthog/posthog/feature-flags",
    ),
    "a mount in another place": (
        lambda t: rows(t, "clickhouse")["from_images"][0].update(target="/scripts"),
        "clickhouse: /var/lib/clickhouse/user_scripts comes out of upstream's source tree",
    ),
    "a mount that upstream has not": (
        lambda t: rows(t, "clickhouse")["from_images"][1].update(path="/code/posthog/other"),
        "clickhouse: other at /idl, where upstream has idl",
    ),
    "another name": (
        lambda t: (rows(t, "replay-capture").update(name="recordings"), t["routes"][1].update(to="recordings")),
        "recordings: upstream has no such service",
    ),
    "a path that leads elsewhere": (
        lambda t: t["routes"][2].update(to="capture"),
        "/flags goes to feature-flags upstream, to capture with us",
    ),
    "a path that is missing": (
        lambda t: t["routes"][2].update(paths=["/flags"]),
        "/api/feature_flag/local_evaluation goes to feature-flags upstream, to web with us",
    ),
    "a prefix that is not taken off": (
        lambda t: t["routes"][-1].pop("strip_prefix"),
        "livestream: strip_prefix is '/livestream' upstream, '' with us",
    ),
    "a stream that is held back": (
        lambda t: t["routes"][-1].pop("streaming"),
        "livestream: streaming is True upstream, False with us",
    ),
    "a wider path before a narrower one": (
        lambda t: t["routes"].insert(0, {"name": "a", "to": "web", "access": "ingest", "paths": ["/i"]}),
        "/i/v0 goes to capture upstream, to web with us",
    ),
}


@pytest.mark.parametrize("case", OURS)
def test_a_table_that_leaves_upstream_is_told(case: str) -> None:
    change, says = OURS[case]
    raw = yaml.safe_load(releases.find().table.read_text(encoding="utf-8"))
    raw = copy.deepcopy(raw)  # the YAML anchor shares one mapping between web and worker
    change(raw)
    found = list(problems(parse_table(yaml.safe_dump(raw)), FACTS))
    assert any(line.startswith(says) for line in found), found


THEIRS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a new service": (
        lambda f: f["services"].update({"flags-writer": {"image": "x"}}),
        "flags-writer: upstream's, and neither ours",
    ),
    "a service that is gone": (lambda f: f["services"].pop("zookeeper"), "zookeeper: in NOT_YET, REPLACED or LEFT_OUT"),
    "a renamed setting": (
        lambda f: f["services"]["feature-flags"]["environment"].pop("READ_DATABASE_URL"),
        "feature-flags: READ_DATABASE_URL is no name",
    ),
    "a path that moved": (
        lambda f: f["routes"][3].update(to="capture:3000"),
        "/s goes to capture upstream, to replay-capture with us",
    ),
}


@pytest.mark.parametrize("case", THEIRS)
def test_what_upstream_changes_is_told(case: str) -> None:
    change, says = THEIRS[case]
    facts = copy.deepcopy(FACTS)
    change(facts)
    found = list(problems(load_table(), facts))
    assert any(line.startswith(says) for line in found), found
