"""A load balancer in front, as it is wanted. Pure.

It ends TLS, refuses what Cloud Armor knows for an attack, and asks the edge anew by TLS. It tells the edge whose
request it is in a header that nobody else can set: the edge's allow-lists, limits and log go on speaking of clients.
"""

from __future__ import annotations

from typing import Any

from hedgerow.declaration.gcp import CLIENT_HEADER
from hedgerow.targets.cloud.graph import Ref, Resource
from hedgerow.targets.gcp import armor
from hedgerow.targets.gcp.place import Place, Wanted

NAME = "balancer"
SCHEME = "EXTERNAL_MANAGED"
PORT = 443
RATE = 1000.0
"""Requests a second that Google sends to the one machine before it calls it full; it sends them all the same."""
LONGEST = 3600
"""Seconds that an answer may last: as long as the edge lets a stream of events last."""


def front(wanted: Wanted, place: Place) -> list[Resource]:
    """Return the balancer and everything that it stands on."""
    target = wanted.target
    declared = target.load_balancer
    absent = declared is None
    own = declared is None or declared.certificate is None
    counted = declared is not None and declared.waf == "count"
    certificate = place.everywhere(f"sslCertificates/{place.name}-{NAME}") if own else declared.certificate

    def made(kind: str, fields: dict[str, Any], *needs: str, **more: Any) -> Resource:
        return Resource(kind, NAME, fields, needs=needs or ("services/project",), **({"absent": absent} | more))

    def of(kind: str) -> str:
        return place.everywhere(f"{kind}/{place.name}-{NAME}")

    return [
        made("global-address", {"addressType": "EXTERNAL", "ipVersion": "IPV4"}, fixed=frozenset({"addressType"})),
        made("ssl-policy", {"profile": "RESTRICTED", "minTlsVersion": "TLS_1_2"}),
        made(
            "certificate",
            {"type": "MANAGED", "managed": {"domains": [wanted.domain]}},
            fixed=frozenset({"type", "managed"}),
            absent=absent or not own,
        ),
        made(
            "security-policy",
            {
                "type": "CLOUD_ARMOR",
                # JSON is taken apart, so that its own signs are no attack. Not verbose: that logs what was sent.
                "advancedOptionsConfig": {"jsonParsing": "STANDARD", "logLevel": "NORMAL"},
                "rules": armor.rules(wanted.web_from, preview=counted),
            },
            fixed=frozenset({"type"}),
        ),
        made(
            "health-check",
            {
                # The edge answers nobody who does not ask for it by its name, and a prober has none to say.
                "type": "TCP",
                "tcpHealthCheck": {"portSpecification": "USE_SERVING_PORT"},
                "checkIntervalSec": 10,
                "timeoutSec": 5,
                "healthyThreshold": 2,
                "unhealthyThreshold": 3,
                "logConfig": {"enable": True},
            },
        ),
        made(
            "endpoint-group",
            {
                "networkEndpointType": "GCE_VM_IP_PORT",
                "network": place.everywhere(f"networks/{place.name}-main"),
                "subnetwork": place.in_region(f"subnetworks/{place.name}-main"),
                "defaultPort": PORT,
                "endpoints": [f"{place.name}-{target.name} {PORT}"],
            },
            "subnet/main",
            f"instance/{target.name}",
            fixed=frozenset({"networkEndpointType", "network", "subnetwork", "defaultPort"}),
        ),
        made(
            "backend-service",
            {
                "protocol": "HTTPS",
                "loadBalancingScheme": SCHEME,
                "timeoutSec": LONGEST,
                "enableCDN": False,  # copies of answers would lie anywhere in the world
                "compressionMode": "DISABLED",  # as at the edge: it would tell secrets beside a stranger's text
                "healthChecks": [of("healthChecks")],
                "backends": [
                    {
                        "group": place.in_zone(f"networkEndpointGroups/{place.name}-{NAME}"),
                        "balancingMode": "RATE",
                        "maxRatePerEndpoint": RATE,
                        "capacityScaler": 1.0,
                    }
                ],
                "tlsSettings": {"sni": wanted.domain},
                "logConfig": {"enable": True, "sampleRate": 1.0},
                "securityPolicy": of("securityPolicies"),
            },
            *(f"{kind}/{NAME}" for kind in ("endpoint-group", "health-check", "security-policy")),
            fixed=frozenset({"loadBalancingScheme"}),
        ),
        made(
            "url-map",
            {"defaultService": of("backendServices"), "headerAction": {"requestHeadersToAdd": [_client()]}},
            f"backend-service/{NAME}",
        ),
        made(
            "https-proxy",
            {
                "urlMap": of("urlMaps"),
                "sslCertificates": [certificate],
                "sslPolicy": of("sslPolicies"),
                "tlsEarlyData": "DISABLED",  # whoever records a request could send it again
            },
            *(f"{kind}/{NAME}" for kind in ("url-map", "ssl-policy", "certificate")),
        ),
        made(
            "forwarding-rule",
            {
                "IPAddress": Ref(f"global-address/{NAME}", "address"),
                "IPProtocol": "TCP",
                "portRange": f"{PORT}-{PORT}",
                "loadBalancingScheme": SCHEME,
                "networkTier": "PREMIUM",
                "target": of("targetHttpsProxies"),
            },
            f"global-address/{NAME}",
            f"https-proxy/{NAME}",
            fixed=frozenset({"IPAddress", "IPProtocol", "portRange", "loadBalancingScheme", "networkTier"}),
        ),
    ]


def _client() -> dict[str, Any]:
    """Put into the place of whatever a client sends (https://cloud.google.com/load-balancing/docs/custom-headers)."""
    return {"headerName": CLIENT_HEADER, "headerValue": "{client_ip_address}", "replace": True}
