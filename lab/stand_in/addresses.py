"""Where each service listens, under upstream's names; apart, because every health question asks it anew."""

from __future__ import annotations

from collections.abc import Mapping

# Unless ADDRESS (or GRPC_ADDRESS, or BIND_HOST and BIND_PORT) says otherwise.
ADDRESSES = {
    "web": "0.0.0.0:8000",
    "capture": "0.0.0.0:3000",
    "feature-flags": "0.0.0.0:3001",
    "recording-api": "0.0.0.0:6738",
    "hypercache-server": "0.0.0.0:3002",
    "livestream": "0.0.0.0:8080",
    "personhog-replica": "127.0.0.1:50051",
    "personhog-router": "127.0.0.1:50052",
    "property-defs-rs": "[::]:3301",
}
METRICS_PORTS = {"personhog-replica": 9100, "personhog-router": 9101}


def address_of(service: str, environment: Mapping[str, str]) -> str:
    """Return where a service listens, under the names that upstream's has for it."""
    address = ADDRESSES.get(service, "")
    if service.startswith("personhog-"):
        return environment.get("GRPC_ADDRESS", address)
    if service == "property-defs-rs":
        host, _, port = address.rpartition(":")
        return f"{environment.get('BIND_HOST', host)}:{environment.get('BIND_PORT', port)}"
    return environment.get("ADDRESS", address)
