"""The server under `web` and `capture`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvicorn

from stand_in.asgi import Handler, application


def serve(handle: Handler, address: str) -> None:
    """Serve until SIGTERM; a request under way is finished, within three seconds."""
    run(application(handle), address, grace=3)


def run(server: Callable[..., Any], address: str, *, grace: int) -> None:
    """Serve an ASGI application until SIGTERM, and after it `grace` seconds for what is under way."""
    host, _, port = address.rpartition(":")
    uvicorn.run(
        server,
        host=host,
        port=int(port),
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=grace,
        timeout_keep_alive=65,
        lifespan="off",
        proxy_headers=False,  # X-Forwarded-* is read where it is needed, by the setting that allows it
    )
