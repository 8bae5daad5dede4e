"""What a host's firewall lets in, out and through: from who may reach the deployment, and what its services need.

Pure; the rules themselves are the role's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hedgerow import acme, forwarding, health, mail, outward, repository, volumes
from hedgerow.declaration import ANY, Declaration, resolve_sources
from hedgerow.declaration.gcp import Gcp
from hedgerow.declaration.machines import Aws
from hedgerow.declaration.networks import is_inner, lies_in
from hedgerow.hosts import Host, Site
from hedgerow.stack import Stack

Values = dict[str, Any]

SYSTEM = ["root", "_apt"]
TIME = "_chrony"


def firewall(declaration: Declaration, site: Site, host: Host, stack: Stack) -> Values:
    """Return what one host lets in, out and through."""
    needs = stack.needs(host)
    return {
        "firewall_inbound": [*_inbound(declaration, site, host), *needs.inbound],
        "firewall_outbound": [
            *_outbound(declaration, host, stack),
            *health.outbound(declaration),
            *forwarding.outbound(declaration),
            *acme.outbound(declaration, host),
            *volumes.outbound(declaration, host),
            *_proxied(declaration),
            *(repository.outbound(declaration) if "data" in host.roles else []),
            *needs.outbound,
        ],
        "firewall_forward": [
            *needs.forward,
            *stack.outside_ways(host),
            *_declared_outbound(declaration, host, stack),
            *mail.forward(stack.posthog_services(host), declaration.mail),
        ],
        "firewall_published": needs.published,
    }


def _inbound(declaration: Declaration, site: Site, host: Host) -> list[Values]:
    access = declaration.access
    rules = [_from(ssh_sources(declaration, site.controller), [host.port], "administrators and the installer")]
    if "edge" in host.roles:
        sources = (*access.interface_from, *access.ingest_from)
        open_to = ("any",) if ANY in sources else resolve_sources(dict.fromkeys(sources), site.controller)
        if relays(declaration):
            return [*rules, *_behind_a_relay(declaration, resolve_sources(sources, site.controller))]
        rules.append(_from(open_to, [80, 443], "the edge; nginx tells the interface from ingestion"))
        rules += _balancer(declaration) if open_to != ("any",) else []
    return rules


def ssh_sources(declaration: Declaration, controller: str) -> tuple[str, ...]:
    """Return where SSH comes from: what is declared, and where a tunnel ends that carries it."""
    tunnels = declaration.target.tunnel_networks if isinstance(declaration.target, Gcp) else ()
    sources = resolve_sources(declaration.access.ssh_from, controller)
    # This controller itself is seen to come from where the tunnel ends: one network must not be in a set twice.
    return (*tunnels, *(one for one in sources if not any(lies_in(one, tunnel) for tunnel in tunnels)))


def relays(declaration: Declaration) -> tuple[str, ...]:
    """Return the networks of a load balancer that reads requests: from there the edge is told who its client is."""
    target = declaration.target
    return target.balancer_networks if isinstance(target, Aws | Gcp) and target.reads_requests else ()


def at_the_edge(declaration: Declaration, sources: Sequence[str]) -> tuple[str, ...]:
    """Return whoever of these reaches the edge itself: where a load balancer reads requests, inner networks alone."""
    return tuple(one for one in sources if is_inner(one)) if relays(declaration) else tuple(sources)


def _behind_a_relay(declaration: Declaration, sources: Sequence[str]) -> list[Values]:
    """Whom the internet brings comes from the balancer's networks; inner ones that are declared may come themselves."""
    rules = [_from(relays(declaration), [443], "the load balancer, which reads requests and names their clients")]
    inner = at_the_edge(declaration, sources)
    why = "the edge, for networks that need not come by the internet"
    return [*rules, _from(inner, [80, 443], why)] if inner else rules


def _balancer(declaration: Declaration) -> list[Values]:
    """Who comes through a balancer keeps her address; the balancer itself asks whether the edge takes connections."""
    target = declaration.target
    if not isinstance(target, Aws) or target.load_balancer is None:
        return []
    return [_from([target.public_network], [80, 443], "the load balancer, which asks whether the edge is there")]


def _outbound(declaration: Declaration, host: Host, stack: Stack) -> list[Values]:
    """What the host itself may reach, each by the accounts that need it and no other."""
    registries = stack.registry_ports(host)
    resolving = [*SYSTEM, TIME, "systemd-resolve"]
    rules = [
        _to_any("udp", [53], resolving, "names"),
        _to_any("tcp", [53], resolving, "names that do not fit a datagram"),
        _to_any("tcp", sorted({80, 443, *registries}), SYSTEM, "packages, and images that are pulled"),
        _to_any("udp", [123], [TIME], "time"),
    ]
    if declaration.time_servers:
        rules.append(_to_any("tcp", [4460], [TIME], "keys for authenticated time (NTS)"))
    return rules


def _proxied(declaration: Declaration) -> list[Values]:
    """Return the way to the proxy that packages come by, where one is declared."""
    proxy = outward.packages_by(declaration)
    if proxy is None:
        return []
    port, address = proxy
    why = "the proxy that packages come by"
    return [{"proto": "tcp", "ports": [port], "to": [f"{address}/32"], "users": SYSTEM, "why": why}]


def _declared_outbound(declaration: Declaration, host: Host, stack: Stack) -> list[Values]:
    """Return the ways out of the declaration: for the services that deliver outside, and for no other container."""
    sources = stack.ways_out
    if "app" not in host.roles or not sources:
        return []
    return [
        {
            "proto": "tcp",
            "ports": [allowed.port],
            "from": sources,
            "to": [allowed.to],
            "passed_on": False,
            "why": allowed.why or "declared in access.outbound_to",
        }
        for allowed in declaration.access.outbound_to
    ]


def _from(sources: Sequence[str], ports: list[int], why: str) -> Values:
    return {"proto": "tcp", "ports": ports, "from": list(sources), "interface": "", "why": why}


def _to_any(proto: str, ports: list[int], users: list[str], why: str) -> Values:
    return {"proto": proto, "ports": ports, "to": ["any"], "users": users, "why": why}
