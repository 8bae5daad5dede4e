"""The log collector as it is declared: where a copy of every host's record goes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from hedgerow.declaration import fields, networks
from hedgerow.declaration.kinds import File, Model, Port


class LogCollector(Model):
    """A syslog server that takes RFC 5425 (syslog over TLS); hosts show it certificates of this deployment's CA."""

    host: Annotated[str, AfterValidator(fields.certificate_name)] = Field(
        description="The collector's name, which its certificate carries.", examples=["logs.acme.example"]
    )
    address: Annotated[str, AfterValidator(networks.ipv4)] = Field(
        description="Its IPv4 address: a firewall knows no names.", examples=["192.0.2.60"]
    )
    port: Port = Field(default=6514, description="Its TCP port.")
    ca_file: File = Field(
        description="The authority that signed its certificate, PEM, relative to this file.",
        examples=["collector-ca.pem"],
    )
