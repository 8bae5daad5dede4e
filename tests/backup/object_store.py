"""An object storage of the tests: moto's S3 behind TLS, on an address of its own, with a bucket that is locked."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from moto import mock_aws
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from hedgerow import pki

NAME, REGION, BUCKET = "s3.acme.example", "eu-central-1", "acme-backup"
KEY_ID, SECRET = "AKIAACMEBACKUP", "a-secret-of-the-test"
LOCKED_DAYS = 35


class Handler(BaseHTTPRequestHandler):
    """One connection, kept open as S3's own are: moto's own server closes each, without TLS's goodbye."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    application: Any

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": url.path,
            "RAW_URI": self.path,
            "REQUEST_URI": self.path,
            "QUERY_STRING": url.query,
            "SERVER_NAME": NAME,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(body),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()},
            # moto takes the first word of a name for a bucket; ours stands in the path.
            "HTTP_HOST": "localhost",
        }
        told: list[Any] = []
        answer = b"".join(self.application(environ, lambda status, headers, _=None: told.append((status, headers))))
        code, headers = int(told[0][0].split()[0]), dict(told[0][1])
        self.send_response_only(code)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(answer))
        if code != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_PUT = do_POST = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the library's names

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path, address: str, port: int = 443, name: str = NAME) -> Iterator[Any]:
    """Serve a bucket whose objects nobody can remove for days; yields a client that sees what is in it.

    `folder` then holds the authority of its certificate, s3-ca.pem.
    """
    now = datetime.now(UTC)
    own = pki.new_authority("s3", now)
    pair = pki.issue(own, (name,), now)
    for file, text in (("s3-ca.pem", own.certificate), ("s3.crt", pair.certificate), ("s3.key", pair.key)):
        (folder / file).write_text(text)
    with mock_aws():
        handler = type("Bound", (Handler,), {"application": DomainDispatcherApplication(create_backend_app)})
        client = boto3.client("s3", region_name=REGION, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET)
        client.create_bucket(
            Bucket=BUCKET,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=True,
        )
        lock = {"Mode": "COMPLIANCE", "Days": LOCKED_DAYS}
        client.put_object_lock_configuration(
            Bucket=BUCKET,
            ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": lock}},
        )
        with ThreadingHTTPServer((address, port), handler) as server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "s3.crt", folder / "s3.key")
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield client
            finally:
                server.shutdown()
