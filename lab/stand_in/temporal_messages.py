"""The few messages of Temporal's frontend that are needed here, as they travel (temporal/api/workflowservice/v1).

Pure. What is not here, the stand-in does not do: no workflow is started, so that every poll ends without work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stand_in.messages import MessageError, _bytes, _fields, _text

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService"
HEALTH = "/grpc.health.v1.Health/Check"
SYSTEM = f"{SERVICE}/GetSystemInfo"
DESCRIBE_NAMESPACE = f"{SERVICE}/DescribeNamespace"
DESCRIBE_QUEUE = f"{SERVICE}/DescribeTaskQueue"
POLL = f"{SERVICE}/PollWorkflowTaskQueue"
NAMESPACE = "default"  # upstream's TEMPORAL_NAMESPACE
SERVING = b"\x08\x01"
VERSION = "1.26.2-hedgerow-stand-in"


@dataclass(frozen=True)
class Polled:
    """Who asks for work, and in which queue of which namespace."""

    namespace: str
    queue: str
    identity: str = ""


def system_info() -> bytes:
    """Return a GetSystemInfoResponse."""
    return _bytes(1, VERSION.encode())


def namespace_in(message: bytes) -> str:
    """Return what a DescribeNamespaceRequest asks for. Raises MessageError."""
    return _text(dict(_fields(message)).get(1, b""))


def namespace_info(name: str) -> bytes:
    """Return a DescribeNamespaceResponse. Raises MessageError where there is none."""
    if not name:
        raise MessageError("Namespace is not found.")
    return _bytes(1, _bytes(1, name.encode()))


def polling(asked: Polled) -> bytes:
    """Return a PollWorkflowTaskQueueRequest, which a DescribeTaskQueueRequest looks like as well."""
    parts = _bytes(1, asked.namespace.encode()) + _bytes(2, _bytes(1, asked.queue.encode()))
    return parts + _bytes(3, asked.identity.encode())


def polled_in(message: bytes) -> Polled:
    """Return who asks. Raises MessageError."""
    found = dict(_fields(message))
    queue = found.get(2, b"")
    if not isinstance(queue, bytes):
        raise MessageError("a task queue is a message")
    inside = dict(_fields(queue))
    identity = found.get(3, b"")
    asked = Polled(_text(found.get(1, b"")), _text(inside.get(1, b"")), _text(identity) if identity else "")
    if not asked.namespace or not asked.queue:
        raise MessageError("Namespace or task queue is not set.")
    return asked


def pollers(identities: Iterable[str]) -> bytes:
    """Return a DescribeTaskQueueResponse: who asked of late."""
    return b"".join(_bytes(1, _bytes(2, each.encode())) for each in identities)
