"""The declaration as frozen values. The descriptions are the reference: editors show them through the JSON Schema.

A default is the hardened value. What is not in this release is not in these models; `problems.py` says so.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hedgerow.declaration import fields, networks, times
from hedgerow.declaration.access import Access
from hedgerow.declaration.alerts import Alerts
from hedgerow.declaration.application import PostHog
from hedgerow.declaration.backups import Backup
from hedgerow.declaration.collectors import LogCollector
from hedgerow.declaration.gcp import Gcp
from hedgerow.declaration.kinds import (
    Count,
    Day,
    Email,
    File,
    Label,
    Model,
    Port,
    Text,
    Yes,
)
from hedgerow.declaration.machines import Aws, Lab, OnPrem
from hedgerow.declaration.serving import Tls
from hedgerow.declaration.statements import Agreement, Attestation, LegalHold
from hedgerow.declaration.units import OwnUnit
from hedgerow.declaration.volumes import EncryptedVolume

Feature = Literal[
    "session-replay",
    "feature-flags",
    "error-tracking",
    "destinations",
    "batch-exports",
    "live-events",
    "screenshots",
]
"""What a deployment may have beside product analytics. The table of services says what each brings."""


Profile = Literal["hipaa", "hipaa-2025", "cis-level-1", "cis-level-2"]
"""The profiles of checks/profiles.yml; a test holds the two equal."""


class Privacy(Model):
    """What PostHog keeps of the people it watches, and shows of what they saw."""

    discard_ip: Yes = Field(default=True, description="Whether the addresses that events come from are thrown away.")
    mask_inputs: Yes = Field(default=True, description="Whether session recordings hide what people type.")
    mask_text: Yes = Field(
        default=True, description="Whether session recordings hide every text and picture too, and show layout alone."
    )
    drop_properties: tuple[Annotated[str, AfterValidator(fields.property_name)], ...] = Field(
        default=(),
        description="Properties whose values are taken out of every event, and out of what it sets of its person,"
        " before it is stored; a dot leads into an object. Needs the feature destinations.",
        examples=[["email", "$current_url", "form.birthday"]],
    )


class Mail(Model):
    """The relay by which PostHog sends mail (invitations, passwords, alerts); always by TLS. Default: no mail."""

    host: Annotated[str, AfterValidator(fields.certificate_name)] = Field(
        description="The relay's name, which its certificate carries.", examples=["smtp.acme.example"]
    )
    address: Annotated[str, AfterValidator(networks.ipv4)] = Field(
        description="Its IPv4 address: containers ask no name server, and a firewall knows no names.",
        examples=["192.0.2.25"],
    )
    port: Port = Field(default=587, description="Its TCP port.")
    encryption: Literal["starttls", "implicit"] = Field(
        default="starttls", description="starttls (587), or implicit: TLS from the first byte (465)."
    )
    user: Text = Field(description="The account to send with.", examples=["posthog"])
    password_file: File = Field(
        description="A file with its password alone, relative to this one.", examples=["mail-password"]
    )
    sender: Email = Field(
        alias="from", description="The address that mail comes from.", examples=["posthog@acme.example"]
    )


class Capacity(Model):
    """What the hosts must have room for, and for how long. Preflight holds them to it."""

    events_a_day: Count = Field(default=10_000, description="Events in a day, as you expect them.")
    keep_days: Count = Field(
        default=365,
        description="For how many days events are kept. There must be room for them; older ones are deleted.",
    )
    delete_older: Yes = Field(
        default=False,
        description="true: keep_days may delete events that are stored already. Otherwise an install stops and says how"
        " many there are.",
    )
    reserve_gib: Count = Field(
        default=2, description="GiB of disk that stay free: with less, the edge takes no events any more (503)."
    )


class ObjectStorage(Model):
    """Object storage of your own (S3) for recordings, exports and source maps, in the place of SeaweedFS."""

    endpoint: Annotated[str, AfterValidator(fields.https)] = Field(
        description="Where it is reached, over TLS with a certificate of a public authority.",
        examples=["https://s3.acme.example"],
    )
    address: Annotated[str, AfterValidator(fields.ip_address)] = Field(
        description="The IP address of that name: containers have no name service, and a firewall knows no names.",
        examples=["192.0.2.50"],
    )
    region: Text = Field(default="us-east-1", description="Its region, as requests are signed for it.")
    bucket: Text = Field(
        description="The bucket of exports and source maps; it must be there.", examples=["acme-posthog"]
    )
    recordings_bucket: Text | None = Field(
        default=None, description="The bucket of session recordings. Default: the same."
    )
    access_key_id: Text = Field(
        description="The id of a key that may read, write and list there.", examples=["AKIA..."]
    )
    secret_key_file: File = Field(description="A file with the secret key alone; kept in the vault from then on.")


class Updates(Model):
    """Security updates install themselves daily; this is about restarts."""

    reboot: Yes = Field(default=False, description="Whether a host may reboot itself when an update needs it.")
    reboot_time: Annotated[str, AfterValidator(times.clock)] = Field(default="03:30", description="When, UTC.")


class Waiver(Model):
    """An accepted exception from one control. After `until` the control fails again."""

    control: Annotated[str, AfterValidator(fields.control)] = Field(
        description="The id of the control.", examples=["ssh.idle-sessions-end"]
    )
    reason: Text = Field(description="Why, in words for an auditor.", examples=["Night shift keeps a session open"])
    who: Text = Field(description="Who accepts it.", examples=["Jane Doe, security officer"])
    until: Day = Field(description="The last day it holds, year-month-day.", examples=["2026-12-31"])

    def active(self, today: datetime.date) -> bool:
        """Tell whether the waiver still holds; its last day counts."""
        return today <= self.until


class Declaration(Model):
    """What an operator wants: deploy.yml."""

    name: Label = Field(description="The deployment's name.", examples=["acme"])
    domain: Annotated[str, AfterValidator(fields.domain)] = Field(
        description="The host name under which people open PostHog.", examples=["analytics.acme.example"]
    )
    target: Annotated[Lab | OnPrem | Aws | Gcp, Field(discriminator="kind")] = Field(
        description="Where hosts come from.", examples=[{"kind": "lab"}]
    )
    tls: Tls = Field(default=Tls(), description="The certificate that browsers see.")
    access: Access = Field(
        default=Access(), description="Who may come in, and what may be reached. All closed by default."
    )
    posthog: PostHog = Field(default=PostHog(), description="The application itself.")
    features: tuple[Feature, ...] = Field(
        default=("session-replay", "feature-flags"),
        description="What runs beside product analytics; each brings services of its own (docs/services.md).",
    )
    release: Text | None = Field(
        default=None,
        description="The release of PostHog, by its month. Default: the newest that this Hedgerow carries.",
        examples=["2026-11"],
    )
    privacy: Privacy = Field(default=Privacy(), description="What PostHog keeps of people, in every project.")
    mail: Mail | None = Field(default=None, description="The relay by which PostHog sends mail. Default: no mail.")
    alerts: Alerts = Field(default=Alerts(), description="Whom hosts tell when something is not well. Default: nobody.")
    log_collector: LogCollector | None = Field(
        default=None, description="Where a copy of each host's record goes. Default: nowhere."
    )
    capacity: Capacity = Field(default=Capacity(), description="What the hosts must have room for.")
    object_storage: ObjectStorage | None = Field(
        default=None, description="Object storage of your own. Default: SeaweedFS on the data host."
    )
    encrypted_volume: EncryptedVolume | None = Field(
        default=None,
        description="A disk of the data host that is encrypted for the stores (docs/encryption.md). Default: none; the"
        " disks are yours to encrypt.",
    )
    updates: Updates = Field(default=Updates(), description="Restarts after security updates.")
    backup: Backup | None = Field(
        default=None, description="Backups, of PostgreSQL and ClickHouse so far (docs/backup.md). Default: none."
    )
    time_servers: tuple[Annotated[str, AfterValidator(fields.server)], ...] = Field(
        default=(), description="Servers that tell the time. Default: the distribution's."
    )
    own_units: tuple[OwnUnit, ...] = Field(
        default=(),
        description="Units of yours that no package brought and that start with the hosts. An install switches off all"
        " others of that kind.",
    )
    agreements: tuple[Agreement, ...] = Field(
        default=(),
        description="Business associate agreements, for the report; a target in a cloud needs one `with` that cloud.",
    )
    attestations: tuple[Attestation, ...] = Field(
        default=(), description="Your word for paragraphs of the Security Rule, for the matrix of the report."
    )
    legal_hold: LegalHold | None = Field(
        default=None, description="While it stands here, destroy refuses. Default: none."
    )
    profile: Profile = Field(
        default="hipaa",
        description="By which of the controls the deployment is judged (checks/profiles.yml). Hosts are hardened alike"
        " whatever it is; controls outside of it are not asked, and reports say so.",
    )
    waivers: tuple[Waiver, ...] = Field(
        default=(), description="Accepted exceptions, each with reason, person and end."
    )

    @property
    def owner(self) -> str:
        """The e-mail of the first user."""
        return self.posthog.owner or f"admin@{self.domain}"

    @property
    def organization(self) -> str:
        """The organisation's name in PostHog."""
        return self.posthog.organization or self.name

    def active_waivers(self, today: datetime.date) -> tuple[Waiver, ...]:
        """Return the waivers that still hold on a day."""
        return tuple(waiver for waiver in self.waivers if waiver.active(today))
