"""One repository of a registry, read and written over the OCI distribution protocol (specification 1.1).

Through `requests`: its proxies, its certificate bundle (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE). Always TLS, but for
a registry on this very machine.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util.retry import Retry

from hedgerow.errors import CallError, HedgerowError, UnreachableError
from hedgerow.oci import content, logins
from hedgerow.oci.content import Descriptor, Document
from hedgerow.oci.references import Reference

SECONDS = (10, 120)
"""To connect, and to wait for the next bytes."""
CHUNK = 1 << 20
ACCEPT = ", ".join((*content.INDEXES, *content.MANIFESTS))
DOCKER_HUB = "registry-1.docker.io"
CHALLENGE = re.compile(r'([a-z_]+)="([^"]*)"')


class Repository:
    """The images of one name in one registry. `actions` is what a token is asked for: "pull", or "pull,push"."""

    def __init__(self, reference: Reference, *, actions: str = "pull", environment: Mapping[str, str] | None = None):
        host = DOCKER_HUB if reference.registry == "docker.io" else reference.registry
        self.registry = reference.registry
        self.name = reference.repository
        self.where = reference.name
        self.base = f"{'http' if _is_here(host) else 'https'}://{host}/v2/{reference.repository}/"
        self._actions = actions
        self._environment = os.environ if environment is None else environment
        self._authorization = ""
        self._session = requests.Session()
        # A registry that has a moment's trouble is asked again; one that says no is not.
        patient = Retry(total=2, backoff_factor=0.5, status_forcelist=(502, 503, 504), raise_on_status=False)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=patient))

    def resolve(self, tag: str) -> Document:
        """Return what a tag names now: an index where there is one, so that every platform is meant.

        The digest is that of the bytes we were given, not what a header says. Raises CallError for an unknown tag.
        """
        answer = self._ask("GET", f"manifests/{tag}", f"{self.where}:{tag}")
        found = self._bounded(answer)
        return content.document(found, content.digest_of(found), self._refuse, _kind(answer))

    def document(self, digest: str) -> Document:
        """Return a manifest or an index by its digest. Raises HedgerowError."""
        answer = self._ask("GET", f"manifests/{digest}", f"{self.where}@{digest}")
        return content.document(self._bounded(answer), digest, self._refuse, _kind(answer))

    def blob(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob's bytes. Raises HedgerowError."""
        answer = self._ask("GET", f"blobs/{descriptor.digest}", f"{self.where}@{descriptor.digest}")
        yield from content.verified(self._chunks(answer), descriptor, self._refuse)

    def has(self, kind: str, digest: str) -> bool:
        """Whether it holds these "blobs" or "manifests" already."""
        return self._ask("HEAD", f"{kind}/{digest}", f"{self.where}@{digest}", missing=True).status_code == 200

    def push_blob(self, descriptor: Descriptor, read: Callable[[], Iterable[bytes]]) -> None:
        """Write a blob in one piece; the registry checks it against its digest. Raises HedgerowError."""
        begun = self._ask("POST", "blobs/uploads/", f"{self.where} (an upload)")
        place = urljoin(self.base, begun.headers.get("Location", ""))
        parameter = f"{'&' if urlsplit(place).query else '?'}digest={descriptor.digest}"
        headers = {"Content-Type": "application/octet-stream"}
        self._ask(
            "PUT", place + parameter, f"{self.where} (an upload)", headers=headers, body=_Body(read, descriptor.size)
        )

    def push_document(self, found: Document) -> None:
        """Write a manifest or an index under its digest: what it points to is there by then. Raises HedgerowError."""
        digest, kind = found.descriptor.digest, found.descriptor.media_type
        headers = {"Content-Type": kind}
        self._ask("PUT", f"manifests/{digest}", f"{self.where}@{digest}", headers=headers, body=found.content)

    def _ask(
        self,
        method: str,
        path: str,
        what: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | _Body | None = None,
        missing: bool = False,
    ) -> requests.Response:
        """Ask once, and once more with a token where the registry wants one. Raises HedgerowError."""
        url = urljoin(self.base, path)
        answer = self._send(method, url, headers or {}, body)
        if answer.status_code == 401 and _origin(url) == _origin(self.base):
            self._authorization = self._authorize(answer)
            answer.close()
            answer = self._send(method, url, headers or {}, body)
        if answer.status_code < 300 or (missing and answer.status_code == 404):
            return answer
        raise self._no(answer, what)

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | _Body | None) -> requests.Response:
        # An upload may lie elsewhere; our token is for this registry alone. `requests` drops it when it is sent on.
        ours = self._authorization if _origin(url) == _origin(self.base) else ""
        try:
            return self._session.request(
                method,
                url,
                headers={"Accept": ACCEPT, "Accept-Encoding": "identity", **headers},
                data=body,
                auth=_Bearing(ours),
                stream=True,
                timeout=SECONDS,
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._unreachable(error) from None

    def _authorize(self, answer: requests.Response) -> str:
        """Return the header that a challenge asks for (RFC 7617, or a token as in RFC 6750). Raises HedgerowError."""
        scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        login = logins.login(self.registry, self._environment)
        asked = dict(CHALLENGE.findall(rest))
        if scheme.lower() == "basic" and login:
            return f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"
        if scheme.lower() != "bearer" or "realm" not in asked:
            return ""
        realm = urlsplit(asked["realm"])
        if realm.scheme != "https" and not _is_here(realm.netloc):
            raise UnreachableError(
                f"{self.registry} sends logins to {asked['realm']}, which is not encrypted", "Nothing was sent there."
            )
        scope = f"repository:{self.name}:{self._actions}"
        question = {"service": asked.get("service", ""), "scope": scope}
        try:
            granted = self._session.get(asked["realm"], params=question, auth=login or _Bearing(""), timeout=SECONDS)
            if granted.status_code != 200:
                raise self._no(granted, self.where)
            said = granted.json()
            return f"Bearer {said.get('token') or said['access_token']}"
        except (requests.RequestException, KeyError, ValueError, AttributeError) as error:
            raise self._unreachable(error) from None

    def _no(self, answer: requests.Response, what: str) -> HedgerowError:
        code = answer.status_code
        reason = _reason(answer)
        answer.close()
        if code in (401, 403):
            return UnreachableError(
                f"{self.registry} refused {what}: {code}{reason}",
                f"Log in with an account that may {self._actions.replace(',', ' and ')}: podman login {self.registry}."
                " Some registries say the same of an image that does not exist.",
            )
        if code == 404:
            return CallError(f"{self.registry} has no {what}{reason}", "Name an image and a tag or digest that it has.")
        if code == 429:
            return UnreachableError(f"{self.registry} takes no more requests now: 429{reason}", "Log in, or wait.")
        return UnreachableError(f"{self.registry} answered {code} for {what}{reason}", "Try again, or ask who runs it.")

    def _unreachable(self, error: Exception) -> HedgerowError:
        fix = "Check the name, the route, HTTPS_PROXY and NO_PROXY; for a private CA, REQUESTS_CA_BUNDLE."
        return UnreachableError(f"{self.registry} could not be reached: {_words(error)}", fix)

    def _refuse(self, words: str) -> HedgerowError:
        return UnreachableError(f"{self.where}: {words}", "Nothing of it was kept. Try again, or ask who runs it.")

    def _bounded(self, answer: requests.Response) -> bytes:
        found = bytearray()
        for chunk in self._chunks(answer):
            found += chunk
            if len(found) > content.LARGEST_DOCUMENT:
                raise self._refuse("a manifest is larger than 4 MiB")
        return bytes(found)

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        """Yield the bytes as they were sent: nothing is unpacked on the way."""
        try:
            with answer:
                while chunk := answer.raw.read(CHUNK, decode_content=False):
                    yield chunk
        except (requests.RequestException, HTTPError, OSError) as error:
            raise self._unreachable(error) from None


class _Body:
    """Bytes of a known number that can be read again, which is what a request needs that may be repeated."""

    def __init__(self, read: Callable[[], Iterable[bytes]], size: int) -> None:
        self._read = read
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._read())

    def __len__(self) -> int:
        return self._size


class _Bearing(requests.auth.AuthBase):
    """Our header or none; without it `requests` would take a login for the host from ~/.netrc."""

    def __init__(self, header: str) -> None:
        self._header = header

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header:
            prepared.headers["Authorization"] = self._header
        return prepared


def _is_here(place: str) -> bool:
    host = place.rpartition("@")[2].partition(":")[0]
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _kind(answer: requests.Response) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip()


def _reason(answer: requests.Response) -> str:
    """Return what the registry itself says (distribution specification, "Error Codes"), or nothing."""
    try:
        said = answer.json()
        first = said["errors"][0]
        return f" ({first.get('code')}: {str(first.get('message', ''))[:200]})"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, requests.RequestException):
        return ""


def _words(error: Exception) -> str:
    """Return the innermost reason: what wraps it repeats our own request."""
    while inner := (getattr(error, "reason", None) or error.__cause__ or error.__context__):
        if not isinstance(inner, Exception):
            break
        error = inner
    return f"{type(error).__name__}: {str(error)[:300]}"
