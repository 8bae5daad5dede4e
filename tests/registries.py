"""A real registry on this machine (Debian's docker-registry), and small images to put into it."""

from __future__ import annotations

import base64
import datetime
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from hedgerow.oci import content
from hedgerow.oci.content import Descriptor, Document, Source
from hedgerow.oci.references import Reference
from hedgerow.oci.registry import Repository

PACKAGE = {"docker-registry": "docker-registry"}
USER, PASSWORD = "jane", "pass-word"
HTPASSWD = f"{USER}:$2b$04$1Jp.9bInpf5RoXnYZ.rxo.ejgDjrG/ljYypW9es0rP5VCMu/T3KtK\n"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def registry(folder: Path, auth: dict[str, object] | None = None, address: str = "127.0.0.1") -> Iterator[str]:
    """Run a registry that keeps its things in a folder; yields HOST:PORT.

    At another address than this machine's own it speaks TLS; its CA is then `ca.pem` in the folder.
    """
    host = f"{address}:{free_port()}"
    folder.mkdir(parents=True, exist_ok=True)
    tls = {"tls": _certified(folder, address)} if address != "127.0.0.1" else {}
    config = folder / "config.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "version": 0.1,
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": host, **tls},
                **({"auth": auth} if auth else {}),
            }
        )
    )
    with (folder / "log").open("wb") as log:
        run = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait(host, run, folder / "log")
        yield host
    finally:
        run.terminate()
        run.wait(10)


def _wait(host: str, run: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        address, _, port = host.partition(":")
        try:
            socket.create_connection((address, int(port)), 2).close()
            return
        except OSError:
            assert run.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


def _certified(folder: Path, address: str) -> dict[str, str]:
    """Make a CA and a certificate of it for an address; returns what the registry is told."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, name = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)]) for words in ("a CA", address))

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, more: x509.ExtensionType
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(more, critical=False)
            .sign(ca_key, hashes.SHA256())
        )

    ca = certificate(ca_name, ca_key.public_key(), x509.BasicConstraints(ca=True, path_length=None))
    own = certificate(name, key.public_key(), x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]))
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    (folder / "own.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(_pem(key))
    return {"certificate": str(folder / "own.pem"), "key": str(folder / "key.pem")}


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


class Signer:
    """Signs images as `cosign sign --key` does, and puts the signature beside them."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> bytes:
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, kind)

    def sign(self, name: str, digest: str) -> None:
        """Sign what lies at REGISTRY/NAME under a digest."""
        what = {"identity": {"docker-reference": name}, "image": {"docker-manifest-digest": digest}}
        said = {"critical": {**what, "type": "cosign container image signature"}, "optional": None}
        payload = json.dumps(said).encode()
        config = json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}})
        host, _, path = name.partition("/")
        target = Repository(Reference(host, path, digest=digest), actions="pull,push", environment={})
        rows = []
        for kind, data in (
            ("oci.image.config.v1+json", config.encode()),
            ("dev.cosign.simplesigning.v1+json", payload),
        ):
            row = Descriptor(f"application/vnd.{kind}", content.digest_of(data), len(data))
            target.push_blob(row, lambda data=data: [data])
            rows.append({"mediaType": row.media_type, "digest": row.digest, "size": row.size})
        signature = base64.b64encode(self._key.sign(payload, ec.ECDSA(hashes.SHA256()))).decode()
        rows[1]["annotations"] = {"dev.cosignproject.cosign/signature": signature}
        manifest = {"schemaVersion": 2, "mediaType": content.OCI_MANIFEST, "config": rows[0], "layers": [rows[1]]}
        data = json.dumps(manifest).encode()
        document = content.document(data, content.digest_of(data), AssertionError)
        put_tag(host, path, f"{digest.replace(':', '-')}.sig", document)


def logins(path: Path, host: str, password: str = PASSWORD) -> dict[str, str]:
    """Write a file of logins as `podman login` does; returns the environment that names it."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return {"REGISTRY_AUTH_FILE": str(path)}


@dataclass
class Tokens:
    """A token service beside a registry: who asked, for what, and the key that it signs with."""

    folder: Path
    port: int = field(default_factory=free_port)
    asked: list[tuple[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tokens")])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(self.key, hashes.SHA256())
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "tokens.pem").write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    @property
    def auth(self) -> dict[str, object]:
        """What the registry is told of this service."""
        bundle = str(self.folder / "tokens.pem")
        realm = f"http://127.0.0.1:{self.port}/token"
        return {"token": {"realm": realm, "service": "reg", "issuer": "tokens", "rootcertbundle": bundle}}

    def token(self, scope: str) -> str:
        kind, name, actions = scope.split(":")
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        now = int(time.time())
        claims = {
            **{"iss": "tokens", "sub": USER, "aud": "reg", "iat": now, "nbf": now - 60, "exp": now + 300, "jti": "1"},
            "access": [{"type": kind, "name": name, "actions": actions.split(",")}],
        }
        text = ".".join(_url64(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_url64(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                service.asked.append((query["service"][0], query["scope"][0]))
                service.authorizations.append(self.headers.get("Authorization", ""))
                expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                right = service.authorizations[-1] == expected
                body = json.dumps({"token": service.token(query["scope"][0])} if right else {"errors": []}).encode()
                self.send_response(200 if right else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Small:
    """A small image made on the spot, with the platforms that it is for; `platforms` () makes a single manifest."""

    def __init__(self, words: str, platforms: tuple[str, ...] = ("amd64", "arm64"), *, docker: bool = False) -> None:
        self.content: dict[str, bytes] = {}
        self.documents: list[Document] = []
        kinds = (content.DOCKER_LIST, content.DOCKER_MANIFEST) if docker else (content.OCI_INDEX, content.OCI_MANIFEST)
        rows = []
        for platform in platforms or ("amd64",):
            config = self._blob("config", json.dumps({"os": "linux", "architecture": platform}).encode())
            layers = [self._blob("layer", text.encode() * 4000) for text in (words, f"{words} on {platform}", "shared")]
            said = {"schemaVersion": 2, "mediaType": kinds[1], "config": config, "layers": layers}
            rows.append({**self._document(said), "platform": {"os": "linux", "architecture": platform}})
        if platforms:
            self._document({"schemaVersion": 2, "mediaType": kinds[0], "manifests": rows})

    @property
    def digest(self) -> str:
        return self.documents[-1].descriptor.digest

    def _blob(self, kind: str, data: bytes) -> dict[str, object]:
        digest = content.digest_of(data)
        self.content[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}.v1", "digest": digest, "size": len(data)}

    def _document(self, said: dict[str, object]) -> dict[str, object]:
        data = json.dumps(said, indent=1).encode()
        found = content.document(data, content.digest_of(data), AssertionError)
        self.documents.append(found)
        kind = found.descriptor.media_type
        return {"mediaType": kind, "digest": found.descriptor.digest, "size": len(data)}

    def push(self, host: str, name: str, tag: str, environment: dict[str, str] | None = None) -> str:
        """Put it into a registry under a tag; returns its digest."""
        target = Repository(Reference(host, name, tag), actions="pull,push", environment=environment or {})
        for digest, data in self.content.items():
            target.push_blob(Descriptor("", digest, len(data)), lambda data=data: [data])
        for document in self.documents:
            target.push_document(document)
        put_tag(host, name, tag, self.documents[-1], environment)
        return self.digest


def put_tag(host: str, name: str, tag: str, document: Document, environment: dict[str, str] | None = None) -> None:
    """Have a tag name a document, as those do who publish images; what we publish ourselves has no tags."""
    target = Repository(Reference(host, name, tag), actions="pull,push", environment=environment or {})
    headers = {"Content-Type": document.descriptor.media_type}
    target._ask("PUT", f"manifests/{tag}", f"{name}:{tag}", headers=headers, body=document.content)


def publish(host: str, name: str, tag: str, source: Source, digest: str, platform: str) -> str:
    """Put an image for one platform into a registry as upstream does: in an index, beside one for another platform."""
    target = Repository(Reference(host, name, tag), actions="pull,push", environment={})
    own = content.tree(source, digest)
    other = Small("nothing that runs", ())
    for blob in own.blobs:
        target.push_blob(blob, lambda blob=blob: source.blob(blob))
    target.push_document(own.documents[-1])
    other.push(host, name, "other")
    rows = [
        {
            **{"mediaType": each.media_type, "digest": each.digest, "size": each.size},
            "platform": {"os": "linux", "architecture": architecture},
        }
        for each, architecture in ((other.documents[-1].descriptor, "s390x"), (own.top, platform))
    ]
    data = json.dumps({"schemaVersion": 2, "mediaType": content.DOCKER_LIST, "manifests": rows}).encode()
    index = content.document(data, content.digest_of(data), AssertionError)
    put_tag(host, name, tag, index)
    return index.descriptor.digest
