"""The stand-in for SeaweedFS, over its own socket: TLS, signatures made by botocore, actions by bucket, the disk."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from object_store.config import ConfigError, Places, oldest_tls, read_identities
from object_store.server import ask, server, unchunked
from object_store.signing import Asked, FaultError, who
from object_store.store import Store

from hedgerow import pki

PEOPLE = {
    "web": ["Read:exports", "Write:exports", "List:exports"],
    "recorder": ["Write:recordings"],
    "player": ["Read:recordings"],
}


def identities(people: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "identities": [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": f"secret-{name}"}], "actions": actions}
            for name, actions in people.items()
        ]
    }


@dataclass(frozen=True)
class Running:
    """A server on this machine's loopback."""

    places: Places

    def client(self, name: str, secret: str = "", **settings: Any) -> Any:
        """Return botocore's own client, as one of the identities."""
        return boto3.client(
            "s3",
            endpoint_url=f"https://localhost:{self.places.port}",
            region_name="us-east-1",
            aws_access_key_id=name,
            aws_secret_access_key=secret or f"secret-{name}",
            verify=str(self.places.ca),
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **settings),
        )

    def plainly(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Ask without a signature, or with somebody else's."""
        context = ssl.create_default_context(cafile=str(self.places.ca))
        link = http.client.HTTPSConnection("localhost", self.places.port, context=context, timeout=5)
        link.request(method, path, body, headers or {})
        reply = link.getresponse()
        return reply.status, reply.read()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("objects")
    now = datetime.now(UTC)
    authority = pki.new_authority("test", now)
    pair = pki.issue(authority, ("localhost",), now)
    (folder / "ca").write_text(authority.certificate)
    (folder / "crt").write_text(pair.certificate)
    (folder / "key").write_text(pair.key)
    (folder / "identities").write_text(json.dumps(identities(PEOPLE)))
    (folder / "security").write_text('[tls]\nmin_version = "TLS 1.2"\n')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = Places(
        *(folder / name for name in ("identities", "crt", "key", "ca", "data", "security")),
        "localhost",
        "127.0.0.1",
        port,
    )
    served = server(places, read_identities(places.identities))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield Running(places)
    served.shutdown()
    served.server_close()


def refused(action: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as error:
        action(**arguments)
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize("key", ["a", "a b/ü+=&?#%/~.txt", "x" * 1024])
def test_an_object_comes_out_as_it_went_in(running: Running, key: str) -> None:
    web, body = running.client("web"), bytes(range(256)) * 40
    web.put_object(Bucket="exports", Key=key, Body=body, ContentType="text/csv")
    found = web.get_object(Bucket="exports", Key=key)
    assert (found["Body"].read(), found["ContentType"]) == (body, "text/csv")
    assert web.head_object(Bucket="exports", Key=key)["ContentLength"] == len(body)
    part = web.get_object(Bucket="exports", Key=key, Range="bytes=10-19")
    assert (part["Body"].read(), part["ContentRange"]) == (body[10:20], f"bytes 10-19/{len(body)}")
    assert web.get_object(Bucket="exports", Key=key, Range="bytes=-3")["Body"].read() == body[-3:]
    web.delete_object(Bucket="exports", Key=key)
    assert refused(web.get_object, Bucket="exports", Key=key) == "NoSuchKey"


def test_what_is_kept_is_there_for_another_server(running: Running) -> None:
    running.client("recorder").put_object(Bucket="recordings", Key="kept", Body=b"block")
    again = Store(running.places.data, ["recordings"])
    assert again.read("recordings", "kept", 0, 99) == b"block"
    assert not list(running.places.data.rglob("*.half"))


def test_listing_has_pages_prefixes_and_folders(running: Running) -> None:
    web = running.client("web")
    for key in ("list/a", "list/b/1", "list/b/2", "list/c", "other"):
        web.put_object(Bucket="exports", Key=key, Body=b"")
    pages = web.get_paginator("list_objects_v2").paginate(
        Bucket="exports", Prefix="list/", PaginationConfig={"PageSize": 2}
    )
    assert [row["Key"] for page in pages for row in page["Contents"]] == ["list/a", "list/b/1", "list/b/2", "list/c"]
    top = web.list_objects_v2(Bucket="exports", Prefix="list/", Delimiter="/")
    assert [row["Prefix"] for row in top["CommonPrefixes"]] == ["list/b/"]
    assert [row["Key"] for row in top["Contents"]] == ["list/a", "list/c"]


def test_an_upload_in_parts_is_one_object_or_none(running: Running) -> None:
    web, where = running.client("web"), {"Bucket": "exports", "Key": "large"}
    upload = {**where, "UploadId": web.create_multipart_upload(**where)["UploadId"]}
    tags = [web.upload_part(**upload, PartNumber=n, Body=body)["ETag"] for n, body in ((1, b"a" * 9), (2, b"b"))]
    wrong = {"Parts": [{"PartNumber": 1, "ETag": tags[1]}]}
    assert refused(web.complete_multipart_upload, **upload, MultipartUpload=wrong) == "InvalidPart"
    assert refused(web.get_object, **where) == "NoSuchKey"
    parts = {"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]}
    assert web.complete_multipart_upload(**upload, MultipartUpload=parts)["ETag"].endswith('-2"')
    assert web.get_object(**where)["Body"].read() == b"aaaaaaaaab"
    assert refused(web.abort_multipart_upload, **upload) == "NoSuchUpload"


def test_a_presigned_link_opens_one_object_for_its_time(running: Running) -> None:
    web = running.client("web", signature_version="s3v4")
    web.put_object(Bucket="exports", Key="a b", Body=b"shared")
    link = urlsplit(web.generate_presigned_url("get_object", {"Bucket": "exports", "Key": "a b"}, ExpiresIn=60))
    assert running.plainly("GET", f"{link.path}?{link.query}") == (200, b"shared")
    assert running.plainly("GET", f"{link.path}x?{link.query}")[0] == 403
    assert running.plainly("DELETE", f"{link.path}?{link.query}")[0] == 403
    asked = Asked("GET", "/exports/a b", [tuple(each.split("=")) for each in link.query.replace("%2F", "/").split("&")],  # type: ignore[misc]
                  {"host": link.netloc})  # fmt: skip
    known = read_identities(running.places.identities)
    assert who(asked, known, datetime.now(UTC)).name == "web"
    with pytest.raises(FaultError, match="AccessDenied"):
        who(asked, known, datetime.now(UTC) + timedelta(seconds=90))


CASES = [
    ("player", "", "get_object", {"Bucket": "recordings", "Key": "kept"}, ""),
    ("player", "", "put_object", {"Bucket": "recordings", "Key": "new", "Body": b""}, "AccessDenied"),
    ("player", "", "delete_object", {"Bucket": "recordings", "Key": "kept"}, "AccessDenied"),
    ("player", "", "list_objects_v2", {"Bucket": "recordings"}, "AccessDenied"),
    ("player", "", "get_object", {"Bucket": "exports", "Key": "kept"}, "AccessDenied"),
    ("recorder", "", "get_object", {"Bucket": "recordings", "Key": "kept"}, "AccessDenied"),
    ("web", "", "get_object", {"Bucket": "recordings", "Key": "kept"}, "AccessDenied"),
    ("web", "", "list_objects_v2", {"Bucket": "nowhere"}, "AccessDenied"),
    ("web", "", "get_object_tagging", {"Bucket": "exports", "Key": "kept"}, "NotImplemented"),
    ("web", "wrong", "list_objects_v2", {"Bucket": "exports"}, "SignatureDoesNotMatch"),
    ("nobody", "", "list_objects_v2", {"Bucket": "exports"}, "InvalidAccessKeyId"),
    ("any", "any", "list_objects_v2", {"Bucket": "exports"}, "InvalidAccessKeyId"),
]


@pytest.mark.parametrize(("name", "secret", "action", "arguments", "code"), CASES)
def test_each_does_what_its_actions_say_and_no_more(
    running: Running, name: str, secret: str, action: str, arguments: dict[str, Any], code: str
) -> None:
    running.client("recorder").put_object(Bucket="recordings", Key="kept", Body=b"block")
    asked = getattr(running.client(name, secret), action)
    if code:
        assert refused(asked, **arguments) == code
    else:
        asked(**arguments)


def test_nobody_without_a_signature_gets_anything(running: Running) -> None:
    for method, path in (("GET", "/"), ("GET", "/exports/a"), ("PUT", "/exports/a"), ("GET", "/exports?list-type=2")):
        status, body = running.plainly(method, path)
        assert (status, re.findall(b"<Code>(.*?)</Code>", body)) == (403, [b"AccessDenied"])


def test_a_changed_body_is_refused(running: Running) -> None:
    request = AWSRequest("PUT", f"https://localhost:{running.places.port}/exports/a", data=b"as it was signed")
    S3SigV4Auth(Credentials("web", "secret-web"), "s3", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    for body, status in ((b"as it was signed", 200), (b"as it was change", 400)):
        assert running.plainly("PUT", "/exports/a", body, headers)[0] == status


def test_it_says_nothing_in_the_clear(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.places.port), 5) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert plain.recv(100)[:1] in (b"", b"\x15")  # at most a TLS alert


def test_it_is_well_when_it_answers_under_its_name(running: Running, tmp_path: Path) -> None:
    assert ask(running.places) == 0
    (tmp_path / "ca").write_text(pki.new_authority("other", datetime.now(UTC)).certificate)
    other = Places(**{**vars(running.places), "ca": tmp_path / "ca"})
    assert ask(other) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"identities": []}, "names nobody"),
        ({}, "identities"),
        ({"identities": [{"name": "anonymous", "actions": ["Read"]}]}, "without a name"),
        (identities({"web": ["Read:exports/*"]}), "not understood"),
        (identities({"web": ["Own:exports"]}), "not understood"),
        ({"identities": [{"name": "web", "credentials": [{"accessKey": "web"}]}]}, "needs accessKey and secretKey"),
        ({"identities": [{"name": "web", "account": {}}]}, "account is not understood"),
    ],
)
def test_a_file_that_cannot_be_stood_by_is_refused(tmp_path: Path, value: Any, words: str) -> None:
    path = tmp_path / "identities.json"
    path.write_text(json.dumps(value))
    with pytest.raises(ConfigError, match=words):
        read_identities(path)


@pytest.mark.parametrize(
    ("text", "oldest"),
    [("", "TLSv1_2"), ('[tls]\nmin_version = "TLS 1.3"', "TLSv1_3"), ('[tls]\nmin_version = "TLS 1.0"', "TLSv1")],
)
def test_it_speaks_the_tls_that_it_is_told(tmp_path: Path, text: str, oldest: str) -> None:
    path = tmp_path / "security.toml"
    path.write_text(text)
    assert oldest_tls(path).name == oldest
    path.write_text('[tls]\nmin_version = "SSL 3"')
    with pytest.raises(ConfigError, match="SSL 3"):
        oldest_tls(path)


@pytest.mark.parametrize("body", [b"", b"5\r\nabc", b"zz\r\n", b"3\r\nabc\r\n"])
def test_half_a_body_is_none(body: bytes) -> None:
    with pytest.raises(FaultError, match="IncompleteBody"):
        unchunked(body)
    assert unchunked(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nx-amz-checksum-crc32:a\r\n\r\n") == b"abcde"
