"""Which web pages may ask, as browsers want it said (CORS).

Upstream's Rust services let every page in, credentials included, and mirror whatever origin and headers it names
(CorsLayer in rust/capture/src/router.rs and rust/feature-flags/src/router.rs): old SDKs send odd ones.
"""

from __future__ import annotations

from stand_in.asgi import Reply, Request

METHODS = "GET, POST, OPTIONS"


def headers(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the headers that let the page read the answer; none where no page asks."""
    origin = request.headers.get("origin")
    if not origin:
        return ()
    found = [
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("vary", "origin, access-control-request-method, access-control-request-headers"),
    ]
    if "access-control-request-method" in request.headers:
        found.append(("access-control-allow-methods", METHODS))
    if wanted := request.headers.get("access-control-request-headers"):
        found.append(("access-control-allow-headers", wanted))
    return tuple(found)


def preflight(request: Request) -> Reply:
    """Answer OPTIONS."""
    return Reply(200).adding(*headers(request))
