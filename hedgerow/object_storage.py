"""Object storage of the operator's own in the place of SeaweedFS: what the table of services is then.

Pure. The services are told another endpoint, bucket and key; nobody else is, and SeaweedFS does not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from hedgerow.declaration import Declaration
from hedgerow.service_rows import Service, Table

OURS = "seaweedfs"
SECRET = "object_storage_key"  # noqa: S105 - its name among the secrets that the operator brought
GENERAL, RECORDINGS = "OBJECT_STORAGE", "SESSION_RECORDING_V2_S3"
OWN_CAS = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")


@dataclass(frozen=True)
class OutsideStore:
    """Where it is, what the services are told of it, and which variables say so."""

    name: str
    address: str
    port: int
    settings: Mapping[str, str]

    def told(self, row: Service, table: Table) -> dict[str, str]:
        """Return the variables of a service that uses it."""
        plain = table.environment(row)
        return {name: value for name, value in self.settings.items() if f"{_way(name)}_ENDPOINT" in plain}


def outside_store(declaration: Declaration) -> OutsideStore | None:
    """Return the store that is declared; None where ours runs."""
    told = declaration.object_storage
    if told is None:
        return None
    place = urlsplit(told.endpoint)
    settings = {
        f"{way}_{key}": value.replace("{", "{{").replace("}", "}}")
        for way, bucket in ((GENERAL, told.bucket), (RECORDINGS, told.recordings_bucket or told.bucket))
        for key, value in (
            ("ENDPOINT", told.endpoint),
            ("REGION", told.region),
            ("BUCKET", bucket),
            ("ACCESS_KEY_ID", told.access_key_id),
        )
    }
    settings[f"{GENERAL}_PUBLIC_ENDPOINT"] = settings[f"{GENERAL}_ENDPOINT"]
    return OutsideStore(place.hostname or "", told.address, place.port or 443, settings)


def with_outside_store(table: Table, store: OutsideStore | None) -> Table:
    """Return the table with an outside store in the place of ours; as it is where none is declared."""
    if store is None:
        return table
    # Its certificate is a public authority's: boto3 and cymbal are not told of ours alone any more.
    blocks = {key: _without_ours(block) for key, block in table.environments.items()}
    rows = tuple(
        replace(
            row,
            uses=tuple(name for name in row.uses if name != OURS),
            environment={**_without_ours(row.environment), **(store.told(row, table) if row.objects else {})},
        )
        for row in table.services
        if row.name != OURS
    )
    return replace(
        table,
        environments=blocks,
        images={key: image for key, image in table.images.items() if key != OURS},
        services=rows,
        routes=tuple(route for route in table.routes if route.to != OURS),
    )


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OWN_CAS}


def _way(name: str) -> str:
    return GENERAL if name.startswith(GENERAL) else RECORDINGS
