"""A client that goes to one address and asks for one name, as `curl --resolve` does, over verified TLS."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

SECONDS = 15.0
LONGEST = 8 * 1024 * 1024


class RefusedError(Exception):
    """No answer came: the connection was refused, closed, or nobody answered in time."""


class UntrustedError(Exception):
    """An answer may have come, but not from a server whose certificate holds for the name."""


@dataclass(frozen=True)
class Answer:
    """One answer; header names are lower-case. `tls` is the version spoken, "" without TLS."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    tls: str = ""

    def json(self) -> Any:
        """Return the body read as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def words(self) -> str:
        """Say the status and, where the body is a short one or an error of PostHog's, what it says."""
        value = self.json()
        said = value.get("detail", "") if isinstance(value, dict) else self.body[:80].decode(errors="replace")
        return f"{self.status} {' '.join(str(said).split())}".strip()


@dataclass
class Client:
    """Cookies are kept between requests, for this one name. Raises RefusedError and UntrustedError."""

    domain: str
    address: str
    port: int = 443
    ca_file: Path | None = None
    certificate: Path | None = None
    """Certificate and key to show, PEM; None where the server asks for none."""
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The public address, as a browser shows it."""
        return f"https://{self.domain}" + ("" if self.port == 443 else f":{self.port}")

    def ask(
        self,
        method: str,
        path: str,
        value: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        source: str = "",
        seconds: float = SECONDS,
    ) -> Answer:
        """Ask over TLS; `value` is sent as JSON, `source` is the address to come from."""
        sent = {"Cookie": "; ".join(f"{name}={kept}" for name, kept in self.cookies.items()), **(headers or {})}
        connection = _Secure(self, source, seconds)
        return _exchange(connection, method, path, value, {name: text for name, text in sent.items() if text})

    def ask_plainly(self, method: str, path: str, port: int, seconds: float = SECONDS) -> Answer:
        """Ask without TLS, and without any cookie."""
        connection = HTTPConnection(self.address, port, timeout=seconds)
        return _exchange(connection, method, path, None, {"Host": self.domain})

    def keep(self, received: HTTPMessage) -> None:
        """Keep the cookies of an answer, and forget those it takes away."""
        for header in received.get_all("Set-Cookie", []):
            try:
                morsels = SimpleCookie(header)
            except CookieError:
                continue
            for name, morsel in morsels.items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


class _Secure(HTTPSConnection):
    """Connects to the address, and holds the certificate against the name."""

    def __init__(self, client: Client, source: str, seconds: float) -> None:
        trusted = ssl.create_default_context(cafile=str(client.ca_file) if client.ca_file else None)
        if client.certificate:
            trusted.load_cert_chain(client.certificate)
        super().__init__(client.domain, client.port, timeout=seconds, context=trusted)
        self.client = client
        self.trusted = trusted
        self.from_address = (source, 0) if source else None
        self.tls = ""

    def connect(self) -> None:
        place = (self.client.address, self.client.port)
        plain = socket.create_connection(place, self.timeout, self.from_address)
        try:
            secure = self.trusted.wrap_socket(plain, server_hostname=self.client.domain)
        except BaseException:
            plain.close()
            raise
        self.sock, self.tls = secure, secure.version() or ""


def _exchange(connection: HTTPConnection, method: str, path: str, value: object, headers: Mapping[str, str]) -> Answer:
    body = None if value is None else json.dumps(value).encode()
    kind = {} if value is None else {"Content-Type": "application/json"}
    try:
        connection.request(method, path, body, {"User-Agent": "hedgerow-smoke", **kind, **headers})
        received = connection.getresponse()
        content = received.read(LONGEST)
    except ssl.SSLCertVerificationError as error:
        raise UntrustedError(error.verify_message) from None
    except (OSError, HTTPException) as error:
        raise RefusedError(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    tls = ""
    if isinstance(connection, _Secure):
        connection.client.keep(received.headers)
        tls = connection.tls
    return Answer(received.status, {name.lower(): text for name, text in received.headers.items()}, content, tls)
