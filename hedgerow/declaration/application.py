"""PostHog itself in the declaration: its images, where they are pulled from, and whom it begins with."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hedgerow.declaration.kinds import Email, File, Image, Model, Text, Yes


def _image(of: str) -> Any:
    return Field(
        default=None, description=f"The image of {of}, NAME@sha256:DIGEST or NAME:TAG. Default: upstream's, tag master."
    )


class Images(Model):
    """PostHog's images: a digest, or a tag that `images lock` resolves to one. In the lab, stand-ins by default."""

    posthog: Image | None = Field(
        default=None,
        description="The image of web and worker, NAME@sha256:DIGEST or NAME:TAG. Default: upstream's, tag latest.",
    )
    capture: Image | None = Field(
        default=None,
        description="The image of the two captures, NAME@sha256:DIGEST or NAME:TAG. Default: upstream's, tag master.",
    )
    feature_flags: Image | None = Field(
        default=None,
        description="The image of feature-flags, NAME@sha256:DIGEST or NAME:TAG. Default: upstream's, tag master.",
    )
    node: Image | None = Field(
        default=None,
        description="The image of ingestion, NAME@sha256:DIGEST or NAME:TAG. Default: upstream's, tag latest.",
    )
    clickhouse: Image | None = Field(
        default=None,
        description="The image of ClickHouse, NAME@sha256:DIGEST or NAME:TAG. Default: what upstream's compose names.",
    )
    seaweedfs: Image | None = Field(
        default=None, description="SeaweedFS, the object storage: recordings, exports and source maps."
    )
    kafka: Image | None = Field(
        default=None,
        description="The event log's image, NAME@sha256:DIGEST or NAME:TAG. Default: what upstream's compose names.",
    )
    hypercache: Image | None = _image("hypercache-server")
    livestream: Image | None = _image("livestream")
    personhog_replica: Image | None = _image("personhog-replica")
    personhog_router: Image | None = _image("personhog-router")
    property_defs: Image | None = _image("property-defs-rs")
    cyclotron_janitor: Image | None = _image("cyclotron-janitor")
    cymbal: Image | None = _image("cymbal")
    temporal: Image | None = Field(
        default=None, description="Temporal's auto-setup. Default: what upstream's compose names."
    )
    browserless: Image | None = Field(default=None, description="The browser. Default: what upstream's compose names.")


class Registry(Model):
    """A registry of yours, where `images mirror` copied the images: what hosts must know to pull from it."""

    ca_file: File | None = Field(
        default=None,
        description="The CA that signed its certificate, PEM, relative to this file. Default: the CAs hosts trust.",
    )
    signature_key: File | None = Field(
        default=None,
        description="The public key (cosign.pub) of whoever signs images there; hosts then refuse unsigned ones.",
    )


class PostHog(Model):
    """The application itself."""

    deploy: Yes = Field(
        default=True, description="false: prepare the hosts only; the edge answers with a maintenance page."
    )
    images: Images = Field(default=Images(), description="What to run. Only digests run: others are locked first.")
    registry: Registry = Field(default=Registry(), description="A mirror registry of yours: its CA, its signatures.")
    owner: Email | None = Field(default=None, description="The first user's e-mail. Default: admin@ and the domain.")
    organization: Text | None = Field(
        default=None, description="The organisation's name in PostHog. Default: the deployment's."
    )
