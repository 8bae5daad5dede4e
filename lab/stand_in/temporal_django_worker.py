"""`temporal-django-worker`: asks the workflow engine for work in its queue, again and again: batch exports."""

from __future__ import annotations

import signal
import socket
import sys
import threading

from stand_in.calls import Client, UnavailableError
from stand_in.health import beat
from stand_in.messages import _bytes
from stand_in.optional_settings import OptionalSettings
from stand_in.temporal_messages import DESCRIBE_NAMESPACE, NAMESPACE, POLL, Polled, polling

SECONDS = 20.0
PAUSE = 1.0


def run(settings: OptionalSettings) -> None:
    """Poll until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    namespaces = Client(settings.temporal, DESCRIBE_NAMESPACE, SECONDS)
    queue = Client(settings.temporal, POLL, SECONDS)
    message = polling(Polled(NAMESPACE, settings.task_queue, f"worker@{socket.gethostname()}"))
    while not ended.is_set():
        try:
            namespaces.ask(_bytes(1, NAMESPACE.encode()))
            beat()
            queue.ask(message)
        except UnavailableError as error:
            print(f"stand-in temporal-django-worker: {error}; trying again", file=sys.stderr)
            ended.wait(PAUSE)
    namespaces.close()
    queue.close()
