"""The small HTTP port beside what a service is there for: /_readiness and /_liveness, as upstream's have it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATHS = ("/", "/_readiness", "/_liveness")


def listen(host: str, port: int, alive: Callable[[], bool]) -> ThreadingHTTPServer:
    """Answer there from now on: 200 while `alive`, else 503; what it raises is not alive either."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in PATHS:
                self.send_error(404)
                return
            try:
                well = alive()
            except Exception as error:  # whatever a store raises
                print(f"stand-in: not well: {type(error).__name__}: {error}")
                well = False
            body = b"ok" if well else b"not well"
            self.send_response(200 if well else 503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Nobody needs to read that it was asked."""

    server = ThreadingHTTPServer((host, port), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
