"""The event log's health question shows no certificate, and is answered by being told so."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

from event_log.broker import Broker
from event_log.config import Config, Listener
from event_log.health import ask
from event_log.rights import Rights
from event_log.server import _welcome, secure
from event_log.store import Store

from hedgerow import pki


def test_a_refusal_to_go_on_without_a_certificate_is_an_answer_each_time(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = pki.new_authority("test", now)
    leaf = pki.issue(authority, ("kafka.hedgerow.internal",), now)
    for name, text in (("ca", authority.certificate), ("crt", leaf.certificate), ("key", leaf.key)):
        (tmp_path / name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as door:
        listener = Listener(
            "127.0.0.1",
            door.getsockname()[1],
            "kafka.hedgerow.internal",
            9092,
            sasl=False,
            mtls=True,
            cert=str(tmp_path / "crt"),
            key=str(tmp_path / "key"),
            truststore=str(tmp_path / "ca"),
            client_certificates=True,
        )
        config = Config((listener,), str(tmp_path / "data"), {})
        broker = Broker(config, Store(tmp_path / "data"), Rights(tmp_path / "data"))
        threading.Thread(target=_welcome, args=(door, secure(listener), listener, broker), daemon=True).start()
        assert [ask(config) for _ in range(60)] == [0] * 60
