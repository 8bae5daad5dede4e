"""The edge as its clients see it: TLS handshakes and single requests from an address of this controller."""

from __future__ import annotations

import contextlib
import datetime
import functools
import http.client
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hedgerow.channel import CouldNotAsk
from hedgerow.outside import Outside
from hedgerow.sheet import Sheet

SECONDS = 5.0
LONGEST_BODY = 20_000
GIGABYTE = {"Content-Length": str(1 << 30), "Content-Type": "application/json"}
"""Headers of a request that announces more than anybody sends; its body never follows."""


@dataclass(frozen=True)
class Reply:
    """One answer. `status` is 0 where the connection was closed without one. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def __str__(self) -> str:
        return str(self.status) if self.status else "no answer"


@dataclass(frozen=True)
class Request:
    """One request; `host` "" stands for the deployment's own name."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    host: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" at {self.host}" if self.host else "")


@dataclass(frozen=True)
class Door:
    """Ways to ask the edge of one deployment."""

    outside: Outside
    domain: str
    ca_file: str
    """The CA to trust, "" for the public ones."""
    caller_file: str = ""
    """The client certificate to show, with its key; "" where none is asked for."""

    @classmethod
    def of(cls, sheet: Sheet, outside: Outside) -> Door:
        """Return the door of a deployment, trusting its private CA only where it uses one."""
        declared = sheet.declared
        trusted = declared.ca_file if declared.tls == "private" else declared.edge_ca
        return cls(outside, declared.domain, trusted, declared.caller_file)

    def ask(self, request: Request, source: str = "") -> Reply:
        """Send one request over TLS, whoever answers: the certificate is a question of its own.

        Raises OSError where there is no connection, ssl.SSLError without a handshake.
        """
        with self.handshake(trusting(self.caller_file), source=source) as connection:
            return _exchange(connection, request, self.domain)

    def ask_plainly(self, request: Request, source: str = "") -> Reply:
        """Send one request without TLS, to port 80. Raises OSError."""
        with self._connect(80, source) as connection:
            return _exchange(connection, request, self.domain)

    def handshake(self, context: ssl.SSLContext, *, name: str = "", source: str = "") -> ssl.SSLSocket:
        """Return a connection after a handshake by name. Raises OSError, of which ssl.SSLError is one."""
        plain = self._connect(443, source)
        try:
            return context.wrap_socket(plain, server_hostname=name or self.domain)
        except BaseException:
            plain.close()
            raise

    def _connect(self, port: int, source: str) -> socket.socket:
        return self.outside.connect(source or self.outside.controller, port, SECONDS)


@functools.cache
def verifying(ca_file: str) -> ssl.SSLContext:
    """Return a client that verifies chain and name, and takes no key below 112 bits of strength (level 2)."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    return context


@functools.cache
def trusting(caller_file: str = "") -> ssl.SSLContext:
    """Return a client that takes any certificate, and shows one of its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if caller_file:
        context.load_cert_chain(caller_file)
    return context


def offering(version: ssl.TLSVersion, ciphers: str = "ALL", group: str = "") -> ssl.SSLContext:
    """Return a client that speaks one version of TLS, however old, with these ciphers, and verifies nothing.

    `group` is the one way to agree on a key that it knows, by OpenSSL's name; "": all of its library's.

    Raises CouldNotAsk where this controller's own TLS library cannot offer that any more.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        if group:
            context.set_ecdh_curve(group)
    except (ssl.SSLError, ValueError) as reason:
        raise CouldNotAsk(f"this controller cannot offer {version.name} with {group or ciphers}: {reason}") from reason
    return context


def refused(door: Door, context: ssl.SSLContext, name: str = "") -> str:
    """Try a handshake; return "" where it was accepted, else the server's refusal. Raises CouldNotAsk."""
    try:
        with door.handshake(context, name=name):
            return ""
    except ssl.SSLError as reason:
        if reason.reason in (
            "NO_PROTOCOLS_AVAILABLE",
            "NO_CIPHERS_AVAILABLE",
            "UNSUPPORTED_PROTOCOL",
            "NO_SUITABLE_GROUPS",
        ):
            raise CouldNotAsk(f"this controller cannot offer it: {reason.reason}") from reason
        return (reason.reason or "refused").lower().replace("_", " ")
    except ConnectionResetError:
        return "connection reset"
    except OSError as reason:
        raise CouldNotAsk(f"no connection to port 443: {reason}") from reason


def _exchange(connection: socket.socket, request: Request, domain: str) -> Reply:
    client = http.client.HTTPConnection(request.host or domain, timeout=SECONDS)
    client.sock = connection
    try:
        headers = {"Connection": "close", **request.headers}
        client.request(request.method, request.path, request.body or None, headers)
        answer = client.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, headers, answer.read(LONGEST_BODY).decode(errors="replace"))
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        return Reply(0)
    except http.client.HTTPException as strange:
        raise CouldNotAsk(f"what answers does not speak HTTP: {strange}") from strange


@contextlib.contextmanager
def self_made() -> Iterator[str]:
    """Give the file of a client certificate that nobody issued, with its key, for as long as it is needed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hedgerow-stranger")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with tempfile.NamedTemporaryFile(prefix="hedgerow-", suffix=".pem") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*form))
        file.flush()
        yield file.name
