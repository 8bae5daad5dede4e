"""What the table means for a deployment: on one host, on two, and where PostHog is not deployed."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from hedgerow.hosts import Host
from hedgerow.services import NO_SERVICES, Table, load_table
from hedgerow.stack import LockedImage, Stack

ALL = load_table()
TABLE = ALL.only(("session-replay", "feature-flags", "live-events"))
ONE = (Host("one", "203.0.113.10", "192.0.2.10", "debian"),)
TWO = (
    Host("front", "203.0.113.10", "192.0.2.10", "debian", roles=("edge", "app")),
    Host("store", "203.0.113.11", "192.0.2.11", "debian", roles=("data",)),
)
THREE = (
    Host("edge", "203.0.113.10", "192.0.2.10", "debian", roles=("edge",)),
    Host("app", "203.0.113.11", "192.0.2.11", "debian", roles=("app",)),
    Host("store", "203.0.113.12", "192.0.2.12", "debian", roles=("data",)),
)
LAB = (Host("lab", "192.0.2.20", "192.0.2.20", "debian", machine="container"),)
DIGEST = "@sha256:" + "0" * 64
PULLED = {key: LockedImage(image.repository + DIGEST) for key, image in TABLE.images.items()}
LOADED = {key: LockedImage(image.stand_in + DIGEST, "/images.tar") for key, image in TABLE.images.items()}


def stack(hosts=ONE, table=TABLE, images=PULLED, stand_in=False) -> Stack:
    return Stack(table, "analytics.acme.example", hosts, images, stand_in)


def row(name: str, of: Stack) -> dict:
    return {each["name"]: each for host in of.hosts for each in of.posthog_services(host)}[name]


def test_every_service_runs_a_digest_as_nobody_special() -> None:
    for each in stack().posthog_services(ONE[0]):
        assert each["image"].endswith(DIGEST)
        assert int(each["user"].split(":")[0]) > 0


def test_addresses_are_of_the_network_and_nobody_s_twice() -> None:
    found = [ipaddress.ip_address(each["ip"]) for each in stack().posthog_services(ONE[0])]
    assert len(set(found)) == len(found)
    assert all(address in ipaddress.ip_network("10.90.0.0/16") for address in found)


def changed(name: str, **values) -> Table:
    """Return the table with one row changed."""
    rows = tuple(replace(each, **values) if each.name == name else each for each in TABLE.services)
    return replace(TABLE, services=rows)


def test_a_service_may_have_more_than_one_database() -> None:
    secrets = {"DATABASE_URL": "postgres", "QUEUE_URL": "postgres.cyclotron", "PASSWORD": "postgres_password"}
    made = stack(table=changed("web", secrets=secrets))
    owners = {each["name"]: each["owner"] for each in made.stores.postgres_databases}
    assert owners == {"posthog": "posthog_web", "cyclotron": "posthog_web"}
    roles = {each["name"]: each["databases"] for each in made.stores.postgres_roles}
    assert roles["posthog_web"] == ["posthog", "cyclotron"]
    assert roles["posthog_worker"] == ["posthog"]
    held = made.posthog_secrets(ONE[0])
    assert held["hedgerow-web-database-url"].startswith("postgres://posthog_web:")
    assert "/posthog?sslmode=verify-full&" in held["hedgerow-web-database-url"]
    assert "/cyclotron?sslmode=verify-full&" in held["hedgerow-web-queue-url"]
    assert held["hedgerow-web-password"] == "{{ vault.postgres.posthog_web }}"


def test_only_what_delivers_has_a_way_out() -> None:
    assert stack().ways_out == []
    assert stack(table=changed("capture", outbound=True)).ways_out == ["10.90.0.12/32"]
    assert stack(table=ALL.only(("destinations", "batch-exports"))).ways_out == ["10.90.8.30/32", "10.90.0.35/32"]
    assert stack(table=NO_SERVICES).ways_out == []


@pytest.mark.parametrize(
    ("hosts", "seen"), [(ONE, "10.90.11.36/32"), (TWO, "10.90.11.36/32"), (THREE, "192.0.2.11/32")]
)
def test_the_browser_reaches_the_edge_by_its_public_name_and_nobody_else_does(hosts, seen) -> None:
    made = stack(hosts, ALL.only(("screenshots",)), {key: LockedImage(key + DIGEST) for key in ALL.images})
    edge = next(host for host in hosts if "edge" in host.roles)
    assert made.edge_browsers(edge) == [seen]
    assert row("browserless", made)["hosts"]["analytics.acme.example"] == edge.private_address
    opened = [rule for rule in made.needs(edge).inbound if 443 in rule["ports"]]
    assert [(rule["from"], rule["interface"]) for rule in opened] == [
        ([seen], "hedgerow-draw" if seen.startswith("10.") else "")
    ]
    assert stack(hosts).edge_browsers(edge) == []
    assert "analytics.acme.example" not in row("web", made)["hosts"]


def test_what_leads_to_a_service_that_is_off_is_left_out() -> None:
    every = {key: LockedImage(key + DIGEST) for key in ALL.images}
    off, on = row("worker", stack()), row("worker", stack(table=ALL, images=every))
    assert not {"CDP_API_URL", "BROWSERLESS_CDP_URL", "HEATMAP_BROWSERLESS_URL"} & off["environment"].keys()
    assert on["environment"]["CDP_API_URL"] == "http://plugins.hedgerow.internal:18030"
    assert on["environment"]["BROWSERLESS_CDP_URL"] == "ws://browserless.hedgerow.internal:18036"
    temporal = stack(table=ALL, images=every).table.service("temporal")
    assert on["environment"]["TEMPORAL_PORT"] == str(temporal.door)


def test_hardened_settings_reach_the_web_service() -> None:
    environment = row("web", stack())["environment"]
    expected = {
        "SITE_URL": "https://analytics.acme.example",
        "ALLOWED_HOSTS": "analytics.acme.example",
        "SECURE_COOKIES": "true",
        "SESSION_COOKIE_AGE": "28800",
        "IS_BEHIND_PROXY": "true",
        "TRUST_ALL_PROXIES": "false",
        "TRUSTED_PROXIES": "127.0.0.1",
        "DISABLE_SECURE_SSL_REDIRECT": "false",
        "OPT_OUT_CAPTURE": "true",
    }
    assert {name: environment[name] for name in expected} == expected


def test_stores_are_reached_by_verified_name_and_own_account() -> None:
    secrets = stack().posthog_secrets(ONE[0])
    assert secrets["hedgerow-worker-database-url"] == (
        "postgres://posthog_worker:{{ vault.postgres.posthog_worker }}@postgres.hedgerow.internal:5432/posthog"
        "?sslmode=verify-full&sslrootcert=/etc/hedgerow/ca.crt"
    )
    assert secrets["hedgerow-worker-redis-url"] == (
        "rediss://posthog_worker:{{ vault.valkey.posthog_worker }}@valkey.hedgerow.internal:6379/0"
        "?ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs=/etc/hedgerow/ca.crt"
    )


def test_every_secret_a_service_asks_for_is_there_and_generated() -> None:
    made = stack()
    for each in made.posthog_services(ONE[0]):
        assert set(each["secrets"].values()) <= made.posthog_secrets(ONE[0]).keys()
    for value in made.posthog_secrets(ONE[0]).values():
        place = value.partition("{{ vault.")[2].partition(" }}")[0]
        assert place in made.wanted


def test_no_account_is_shared() -> None:
    made = stack()
    for accounts in (
        made.stores.postgres_roles,
        made.stores.valkey_users,
        made.stores.clickhouse_users(ONE[0]),
        made.stores.eventlog_clients,
    ):
        names = [each["name"] for each in accounts]
        assert names
        assert len(set(names)) == len(names)
        assert set(names) <= {f"posthog_{name.replace('-', '_')}" for name in made.services}
    assert "posthog_capture" not in {each["name"] for each in made.stores.postgres_roles}
    owners = {each["name"]: each["owner"] for each in made.stores.postgres_databases}
    assert owners == {"posthog": "posthog_web", "cyclotron": "posthog_web"}


FACING = ["posthog_capture", "posthog_replay_capture", "posthog_feature_flags", "posthog_hypercache_server"]


@pytest.mark.parametrize("user", FACING)
def test_what_faces_the_network_may_neither_administer_nor_listen(user: str) -> None:
    rules = {each["name"]: each["rules"] for each in stack().stores.valkey_users}[user].split()
    assert {"resetchannels", "-@admin", "-@dangerous"} <= set(rules)
    assert "&*" not in rules


def test_routes_lead_to_containers() -> None:
    made = stack()
    assert [(each["name"], each["to"], each["access"]) for each in made.edge_routes] == [
        ("capture", "capture", "ingest"),
        ("replay-capture", "replay-capture", "ingest"),
        ("feature-flags", "feature-flags", "ingest"),
        ("objects", "seaweedfs", "interface"),
        ("hypercache", "hypercache-server", "ingest"),
        ("livestream", "livestream", "interface"),
    ]
    assert {each["name"]: (each["address"], each["port"]) for each in made.edge_services(ONE[0])} == {
        "capture": ("10.90.0.12", 18012),
        "replay-capture": ("10.90.0.13", 18013),
        "feature-flags": ("10.90.4.14", 18014),
        "seaweedfs": ("10.90.3.10", 8333),
        "hypercache-server": ("10.90.0.25", 18025),
        "livestream": ("10.90.0.26", 18026),
        "web": ("10.90.0.10", 18010),
    }


def test_an_edge_of_its_own_finds_them_at_the_application_s_host() -> None:
    made = stack(THREE)
    found = {each["name"]: each["address"] for each in made.edge_services(THREE[0])}
    assert found.pop("seaweedfs") == "192.0.2.12", "a store, on its own host"
    assert {*found.values()} == {"192.0.2.11"}


def test_a_health_page_is_asked_as_the_edge_would_ask() -> None:
    program = row("web", stack())["health"]["command"][-1]
    assert "http://127.0.0.1:8000/_health" in program
    assert "'Host': 'analytics.acme.example'" in program
    assert "'X-Forwarded-Proto': 'https'" in program


def test_the_lab_runs_stand_ins_without_limits() -> None:
    made = stack(LAB, images=LOADED, stand_in=True)
    commands = {each["name"]: each["command"] for each in made.posthog_services(LAB[0])}
    assert (commands["web"], commands["capture"], commands["kafka"]) == (["web"], ["capture"], ["serve"])
    assert {each["memory"] for each in made.posthog_services(LAB[0])} == {""}
    assert made.containers_repositories(LAB[0]) == []


def test_real_hosts_have_limits_and_pull_from_declared_places() -> None:
    made = stack()
    assert row("web", made)["memory"] == "2g"
    assert made.containers_repositories(ONE[0]) == sorted(image.repository for image in TABLE.images.values())


def test_an_archive_of_several_images_is_one_row_an_image() -> None:
    rows = stack(images=LOADED).posthog_images(ONE[0])
    assert {each["archive"] for each in rows} == {"/images.tar"}
    assert len({each["reference"] for each in rows}) == len(rows) == len(LOADED)


def test_on_one_host_each_store_lets_in_its_own_clients() -> None:
    needs = stack().needs(ONE[0])
    inbound = {(port, client) for rule in needs.inbound for port in rule["ports"] for client in rule["from"]}
    assert (5432, "10.90.0.12/32") not in inbound, "capture has no business in PostgreSQL"
    assert {(6379, "10.90.0.12/32"), (6379, "10.90.4.14/32")} <= inbound
    published = {tuple(rule["ports"]): rule["from"] for rule in needs.published}
    assert "10.90.0.12/32" not in published[(8443, 9440)], "nor in ClickHouse"
    assert {"10.90.0.12/32", "10.90.1.10/32"} <= set(published[(9092,)])
    assert {rule["passed_on"] for rule in needs.forward} == {True}


def test_on_two_hosts_services_leave_for_the_stores_alone() -> None:
    made = stack(TWO)
    front, store = (made.needs(host) for host in TWO)
    assert front.inbound == []
    leaving = [rule for rule in front.forward if not rule["passed_on"]]
    assert {tuple(rule["to"]) for rule in leaving} == {("192.0.2.11/32",)}
    assert {port for rule in leaving for port in rule["ports"]} == {5432, 6379, 8443, 9440, 9092, 8333}
    assert [(rule["to"], rule["from"]) for rule in front.published] == [
        ("10.90.5.21", ["10.90.0.10/32", "10.90.0.11/32"]),
        ("10.90.4.14", ["10.90.0.10/32", "10.90.0.11/32"]),
        ("10.90.7.22", ["10.90.6.23/32"]),
        ("10.90.6.23", ["10.90.0.10/32", "10.90.0.11/32", "10.90.0.24/32"]),
    ]
    assert {(tuple(rule["from"]), rule["interface"]) for rule in store.inbound} == {(("192.0.2.10/32",), "")}
    assert row("web", made)["hosts"]["postgres.hedgerow.internal"] == "192.0.2.11"
    assert [each["name"] for each in made.posthog_services(TWO[1])] == ["seaweedfs", "kafka", "clickhouse"]


def test_the_event_log_is_reached_through_a_side_car() -> None:
    made = stack(TWO)
    assert row("capture", made)["hosts"]["kafka.hedgerow.internal"] == "127.0.0.1"
    assert row("capture", made)["sidecar"]
    front = {each["name"]: each for each in made.sidecars(TWO[0])}
    assert front["capture"]["ways"][1:] == [
        {"store": "kafka", "name": "kafka.hedgerow.internal", "address": "192.0.2.11", "port": 9092}
    ]
    assert [(each["name"], each["door"]) for each in made.sidecars(TWO[1])] == [("clickhouse", {})]
    assert "posthog_capture" in made.stores.clients
    assert row("web", made)["hosts"]["clickhouse.hedgerow.internal"] == "192.0.2.11"
    assert row("web", made)["environment"]["CLICKHOUSE_USER"] == "posthog_web"


def test_each_service_has_its_own_key_to_its_own_bucket() -> None:
    made = stack()
    found = {each["name"]: (each["secret"], each["actions"]) for each in made.stores.object_identities}
    assert found["posthog_web"] == (
        "{{ vault.objects.posthog_web }}",
        ["Read:posthog", "Write:posthog", "List:posthog", "Tagging:posthog"],
    )
    assert found["posthog_recording_api"][1] == ["Read:recordings"]
    assert not [name for name, (_, actions) in found.items() if any(action.startswith("Admin") for action in actions)]
    web = row("web", made)
    assert web["environment"]["OBJECT_STORAGE_ACCESS_KEY_ID"] == "posthog_web"
    assert made.posthog_secrets(ONE[0])[web["secrets"]["OBJECT_STORAGE_SECRET_ACCESS_KEY"]] == found["posthog_web"][0]
    assert made.wanted["objects.posthog_ingestion_sessionreplay"] == "password"


def test_object_storage_is_told_how_large_it_may_become() -> None:
    real = replace(stack(), stand_in=False, object_volumes=23)
    assert "-volume.max=23" in row("seaweedfs", real)["command"]


RUST = ("capture", "replay-capture", "feature-flags", "hypercache-server")


@pytest.mark.parametrize("name", RUST)
def test_who_knows_public_authorities_alone_reaches_valkey_through_a_side_car(name: str) -> None:
    """Upstream's Rust services cannot verify our CA there; everybody else does so herself."""
    made, user = stack(TWO), f"posthog_{name.replace('-', '_')}"
    assert made.posthog_secrets(TWO[0])[f"hedgerow-{name}-redis-url"] == (
        f"redis://{user}:{{{{ vault.valkey.{user} }}}}@valkey.hedgerow.internal:6379/0"
    )
    assert row(name, made)["hosts"]["valkey.hedgerow.internal"] == "127.0.0.1"
    ways = {each["name"]: each["ways"] for each in made.sidecars(TWO[0])}
    valkey = {"store": "valkey", "name": "valkey.hedgerow.internal", "address": "192.0.2.11", "port": 6379}
    assert valkey in ways[name]
    assert valkey not in ways["web"]
    assert row("web", made)["hosts"]["valkey.hedgerow.internal"] == "192.0.2.11"
    assert user in made.stores.clients


def test_who_names_tables_has_rights_on_those_alone() -> None:
    roles = {each["name"]: each for each in stack().stores.postgres_roles}
    assert "posthog_person" in roles["posthog_personhog_replica"]["writes"]
    assert not {"posthog_user", "posthog_team"} & {
        *roles["posthog_personhog_replica"]["writes"],
        *roles["posthog_property_defs_rs"]["writes"],
        *roles["posthog_property_defs_rs"]["reads"],
    }
    assert roles["posthog_worker"].keys() == {"name", "password", "databases", "connection_limit"}


def test_persons_are_asked_for_by_way_of_the_router() -> None:
    made = stack(TWO)
    asks = {
        name: row(name, made)["environment"].get("PERSONHOG_ADDR") for name in ("web", "worker", "property-defs-rs")
    }
    assert asks == {
        "web": "personhog-router.hedgerow.internal:18023",
        "worker": "personhog-router.hedgerow.internal:18023",
        "property-defs-rs": "http://personhog-router.hedgerow.internal:18023",
    }
    doors = {each["name"]: each["door"].get("open_to") for each in made.sidecars(TWO[0])}
    assert doors["personhog-router"] == ["posthog_web", "posthog_worker", "posthog_property_defs_rs"]
    assert doors["personhog-replica"] == ["posthog_personhog_router"]


def test_without_posthog_nothing_is_asked_for() -> None:
    made = stack(table=NO_SERVICES, images={})
    needs = made.needs(ONE[0])
    assert (made.services, made.wanted, made.posthog_services(ONE[0]), made.posthog_secrets(ONE[0])) == ([], {}, [], {})
    assert (made.containers_networks(ONE[0]), made.edge_routes, made.edge_services(ONE[0])) == ([], [], [])
    assert made.posthog_bootstrap("jane@acme.example", "acme") == {}
    assert (needs.inbound, needs.outbound, needs.forward, needs.published) == ([], [], [], [])


@pytest.mark.parametrize("hosts", [ONE, TWO, LAB], ids=["one", "two", "lab"])
def test_the_same_input_gives_the_same_values(hosts: tuple[Host, ...]) -> None:
    assert stack(hosts).posthog_services(hosts[0]) == stack(hosts).posthog_services(hosts[0])


def test_a_service_is_entered_by_its_door_alone_and_by_those_that_may() -> None:
    made = stack()
    found = {each["name"]: each["door"] for each in made.sidecars(ONE[0])}
    assert found["feature-flags"] == {
        "address": "10.90.4.14",
        "port": 18014,
        "to": 3001,
        "open_to": ["hedgerow_edge", "posthog_web", "posthog_worker"],
    }
    assert found["capture"]["open_to"] == ["hedgerow_edge"]
    assert found["worker"] == {}


def test_a_service_that_uses_another_is_told_where_its_own_side_car_leads() -> None:
    web = row("web", stack(TWO))
    assert web["environment"]["FEATURE_FLAGS_SERVICE_URL"] == "http://feature-flags.hedgerow.internal:18014"
    assert web["hosts"]["feature-flags.hedgerow.internal"] == "127.0.0.1"


def test_without_a_feature_its_services_are_gone_and_all_that_led_to_them() -> None:
    made = stack(table=TABLE.only(["session-replay"]))
    assert "feature-flags" not in made.services
    assert "replay-capture" in made.services
    assert "FEATURE_FLAGS_SERVICE_URL" not in row("web", made)["environment"]
    assert "posthog_feature_flags" not in {each["name"] for each in made.stores.valkey_users}
    assert "feature-flags" not in {each["to"] for each in made.edge_routes}
    assert "feature_flags" not in TABLE.only([]).images


def test_a_data_host_has_the_image_whose_files_it_mounts() -> None:
    """It runs none of PostHog, and still fetches the image: ClickHouse runs programs out of it."""
    made = stack(TWO)
    posthog = PULLED["posthog"].reference
    assert posthog in [each["reference"] for each in made.posthog_images(TWO[1])]
    assert posthog.partition("@")[0] in made.containers_repositories(TWO[1])
    wanted = made.posthog_from_images(TWO[1])
    assert {"reference": posthog, "path": "/code/posthog/user_scripts", "unversioned": False} in wanted
    mounts = {each["target"]: each["source"] for each in row("clickhouse", made)["mounts"]}
    folder = f"/var/lib/hedgerow/from-images/{posthog.rpartition(':')[2]}"
    assert mounts["/var/lib/clickhouse/user_scripts"] == f"{folder}/code/posthog/user_scripts"
    declared = mounts["/etc/clickhouse-server/user_defined_function.xml"]
    assert declared == f"{folder}/unversioned/code/posthog/user_scripts/latest_user_defined_function.xml"
    assert made.posthog_from_images(TWO[0]) == []
