"""One request, from its first line to its answer: who asks, what goes wrong, is it right, who answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import discovery, dns, iam, kms, logs, monitoring, projects, validating
from .asked import Asked
from .compute import service as compute
from .discovery import Method
from .errors import RefusedError, not_modelled
from .identity import Identity
from .storage import service as storage
from .world import NUMBER, Call, World

SERVICES: dict[str, Callable[[Asked], Any]] = {
    "compute": compute.answer,
    "cloudkms": kms.answer,
    "iam": iam.answer,
    "cloudresourcemanager": projects.project,
    "serviceusage": projects.services,
    "storage": storage.answer,
    "logging": logs.answer,
    "dns": dns.answer,
    "monitoring": monitoring.answer,
}
LATE = ("quota-late", "fails-late")
HAS_OPERATIONS = ("compute", "serviceusage")


@dataclass(frozen=True)
class Answer:
    """What goes back; `lost` never does, though everything was done."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json; charset=UTF-8"),)
    lost: bool = False


def begin(world: World, *, new: bool = False, polls: int = 1) -> None:
    """Begin anew, with what every project has."""
    world.reset(new=new, polls=polls)
    logs.begin(world)


def refusal(refused: RefusedError) -> Answer:
    """Return a refusal as it goes back."""
    return Answer(refused.code, json.dumps(refused.answer()).encode())


def answer(world: World, identity: Identity, verb: str, url: str, headers: dict[str, str], raw: bytes) -> Answer:
    """Answer one request; everything is done under the world's lock."""
    parts = urlsplit(url)
    host, query = parts.hostname or "", parse_qs(parts.query, keep_blank_values=True)
    with world.lock:
        if host == "oauth2.googleapis.com" and parts.path == "/token":
            return _token(identity, raw)
        # Uploads and downloads have paths of their own: https://cloud.google.com/storage/docs/json_api/v1/how-tos/upload
        plain = (
            parts.path.removeprefix("/upload").removeprefix("/download") if host.startswith("storage.") else parts.path
        )
        found = discovery.find(host, verb, plain)
        if found is None:
            return refusal(not_modelled(f"{verb} {url}"))
        method, path = found
        fault, began = "", time.thread_time()
        try:
            identity.check(headers.get("authorization", ""))
            fault = world.fault(method.name)
            made = _served(world, method, path, query, headers.get("content-type", ""), raw, fault)
        except RefusedError as refused:
            made = refusal(refused)
        world.calls.append(
            Call(method.name, parts.path, method.changes, made.status, fault, time.thread_time() - began)
        )
        return made


def _token(identity: Identity, raw: bytes) -> Answer:
    try:
        return Answer(200, json.dumps(identity.token(parse_qs(raw.decode()))).encode())
    except RefusedError as refused:  # https://www.rfc-editor.org/rfc/rfc6749#section-5.2
        return Answer(400, json.dumps({"error": refused.message, "error_description": refused.message}).encode())


def _served(
    world: World, method: Method, path: dict[str, str], query: dict[str, list[str]], kind: str, raw: bytes, fault: str
) -> Answer:
    if method.service not in SERVICES:
        raise not_modelled(method.name)
    struck(method, fault)
    _enabled(world, method)
    validating.path(method, path)
    validating.query(method, query)
    if fault == "exists":
        query.pop("requestId", None)  # it is somebody else who makes it, with a number of their own
    if fault == "faster":
        theirs = {name: value for name, value in query.items() if name != "requestId"}
        SERVICES[method.service](Asked(method, path, theirs, _body(method, kind, raw), world, raw, kind))
        for one in world.operations.values():
            one.end()
    asked = Asked(method, path, query, _body(method, kind, raw), world, raw, kind, fault if fault in LATE else "")
    found = SERVICES[method.service](asked)
    if fault == "exists":
        raise RefusedError(409, "The resource already exists", "alreadyExists")
    if fault == "cut":
        raise RefusedError(403, f"Required '{method.name}' permission: it was done all the same.", "forbidden")
    if isinstance(found, bytes):
        return Answer(200, found, (("Content-Type", "application/octet-stream"),), lost=fault == "lost")
    return Answer(200, json.dumps(found).encode(), lost=fault == "lost")


def _body(method: Method, kind: str, raw: bytes) -> dict[str, Any]:
    if not raw or not kind.startswith("application/json") or method.name == "storage.objects.insert":
        return {}
    try:
        given = json.loads(raw)
    except ValueError as wrong:
        raise RefusedError(400, "Invalid JSON payload received.", "parseError") from wrong
    checked: dict[str, Any] = validating.body(method, given)
    return checked


def struck(method: Method, fault: str) -> None:
    """Refuse for a fault that strikes before anything is done."""
    if fault == "unavailable":
        raise RefusedError(503, "The service is currently unavailable.", "backendError")
    if fault == "denied":
        raise RefusedError(403, f"Required '{method.name}' permission.", "forbidden")
    if fault == "quota" and method.service == "compute":
        # https://cloud.google.com/compute/resource-usage#rate_quotas and #exceeding_limits
        raise RefusedError(403, "Quota 'CPUS' exceeded.  Limit: 8.0 in region us-central1.", "quotaExceeded")
    if fault == "quota":
        text = f"Quota exceeded for quota metric 'Write requests' of service '{method.document.host}'."
        raise RefusedError(429, text, "rateLimitExceeded")
    if fault in LATE and method.service not in HAS_OPERATIONS:
        raise not_modelled(f"the fault {fault} where there is no operation")


def _enabled(world: World, method: Method) -> None:
    """https://cloud.google.com/service-usage/docs/troubleshooting."""
    host = method.document.host
    if host in world.services or host == "serviceusage.googleapis.com":
        return
    text = f"{host} has not been used in project {NUMBER} before or it is disabled."
    raise RefusedError(403, text, "accessNotConfigured")
