"""Who may reach a deployment, and what it may reach: the keys below `access`."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from hedgerow.declaration import fields, networks
from hedgerow.declaration.kinds import (
    Day,
    File,
    Model,
    Moment,
    Port,
    PublicKey,
    Source,
    SourceOrAny,
    Yes,
    form,
)


class Administrator(Model):
    """A person with an account of her own on every host."""

    name: Annotated[str, AfterValidator(fields.account), form(r"^[a-z][a-z0-9-]{0,30}$")] = Field(
        description="The person's account.", examples=["jane"]
    )
    ssh_keys: tuple[PublicKey, ...] = Field(
        description="The lines of her .pub files.", examples=[["ssh-ed25519 AAAA... jane@acme.example"]]
    )
    expires: Day | None = Field(
        default=None,
        description="The day from which she is let in no more (UTC, year-month-day); the hosts see to it by themselves."
        " Default: until she is removed.",
        examples=["2026-12-31"],
    )
    sudo: Annotated[
        tuple[Annotated[str, AfterValidator(fields.sudo_command)], ...] | None,
        BeforeValidator(fields.sudo_scope, json_schema_input_type=Literal["all", "none"] | tuple[str, ...]),
    ] = Field(
        default=None,
        description="What she may do as root: all; none; or these commands, word for word. Default: all.",
        examples=[["/usr/bin/systemctl restart nginx.service"]],
        json_schema_extra={"default": "all"},
    )
    """None is everything."""
    sealed: Moment | None = Field(
        default=None,
        description="For an account of nobody's, which opens when all else has failed: the moment at which its key was"
        " sealed. Each use is reported, until a new key is sealed. Default: a person's own account.",
        examples=["2026-02-28T14:30:00Z"],
    )

    def is_over(self, today: datetime.date) -> bool:
        """Say whether her day has come: accounts end as that day begins (shadow(5))."""
        return self.expires is not None and self.expires <= today


class Outbound(Model):
    """One thing outside that the stack may reach."""

    to: Annotated[str, AfterValidator(lambda text: str(networks.network(text)))] = Field(
        description="A network or an IP address; no name, because a firewall knows none.", examples=["198.51.100.7"]
    )
    port: Port = Field(description="The TCP port.", examples=[443])
    why: Annotated[str, AfterValidator(fields.sentence)] | None = Field(default=None, description="What it is for.")


class InterfaceCertificates(Model):
    """The client certificates without which nobody sees PostHog's pages or API."""

    ca: File = Field(
        description="The CA (and what it relies on) that issues them, PEM, relative to this file.",
        examples=["staff-ca.pem"],
    )


class Access(Model):
    """Who may come in, and what may be reached."""

    administrators: tuple[Administrator, ...] = Field(
        default=(), description="People who run the hosts. Needed but in the lab."
    )
    interface_from: Annotated[tuple[Source, ...], AfterValidator(networks.several)] = Field(
        default=(networks.CONTROLLER,),
        description="Who may open PostHog's pages: networks, addresses, controller (the machine that runs hedgerow).",
    )
    interface_certificates: InterfaceCertificates | None = Field(
        default=None,
        description="Whose client certificates open PostHog's pages and API, beside interface_from and the sign-in."
        " Events need none. Default: none is asked for.",
    )
    ingest_from: Annotated[tuple[SourceOrAny, ...], AfterValidator(networks.several)] = Field(
        default=(networks.CONTROLLER,),
        description="Who may send events: as interface_from, or [any]. Closed until you say so, because an open"
        " endpoint takes events, and what may be health data, from everybody.",
    )
    second_factor: Literal["none", "fido2"] = Field(
        default="none",
        description="fido2: administrators log in with keys that live in a token and need its PIN (sk- keys made with"
        " -O verify-required), and with no others. none: with any key. The installer's own account is no person's, and"
        " keeps its key.",
    )
    ssh_from: Annotated[tuple[Source, ...], AfterValidator(networks.several_or_one)] = Field(
        default=(networks.CONTROLLER,), description="Who may reach SSH: as interface_from."
    )
    outbound_to: tuple[
        Annotated[Outbound, BeforeValidator(networks.outbound, json_schema_input_type=str | Outbound)], ...
    ] = Field(
        default=(),
        description="What the stack may reach beyond what it needs itself: ADDRESS:PORT, or {to, port, why}.",
    )
    public_sharing: Yes = Field(
        default=False, description="Whether shared dashboards and embeds can be opened without signing in."
    )
    plugins: tuple[()] = Field(default=(), description="Apps and destinations that may run: none in this release.")
