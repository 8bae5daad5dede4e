"""The server under `web` and `capture`."""

from __future__ import annotations

import uvicorn

from stand_in.asgi import Handler, application


def serve(handle: Handler, address: str) -> None:
    """Serve until SIGTERM; a request under way is finished, within three seconds."""
    host, _, port = address.rpartition(":")
    uvicorn.run(
        application(handle),
        host=host,
        port=int(port),
        log_level="warning",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=3,
        timeout_keep_alive=65,
        proxy_headers=False,  # X-Forwarded-* is read where it is needed, by the setting that allows it
    )
