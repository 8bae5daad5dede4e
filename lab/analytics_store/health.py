"""The health command: asks the server in its own container, over the way its clients come."""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

from analytics_store.config import Config


def ask(config: Config) -> int:
    """Return 0 when the server answers its ping; else say why not and return 1."""
    try:
        connection = _connection(config)
        connection.request("GET", "/ping")
        answer = connection.getresponse()
        if answer.status == 200 and answer.read() == b"Ok.\n":
            return 0
        said = str(answer.status)
    except (OSError, HTTPException) as error:
        said = str(error)
    print(f"analytics-store: {said}", file=sys.stderr)
    return 1


def _connection(config: Config) -> HTTPConnection:
    if config.https_port is None:
        return HTTPConnection("127.0.0.1", config.http_port, timeout=5)
    # Its own container, by address: the name in the certificate is its clients' business, and they check it.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", config.https_port, timeout=5, context=context)
