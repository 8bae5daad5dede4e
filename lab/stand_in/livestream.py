"""`livestream`: shows events as they come in to whoever has a token of web's, as server-sent events."""

from __future__ import annotations

import threading
from pathlib import Path

from stand_in import serving
from stand_in.reading import Reader
from stand_in.settings import Settings
from stand_in.stream import Stream
from stand_in.stream_pages import application
from stand_in.stream_settings import FILE, read_topics


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    wanted = read_topics(Path(FILE).read_text())
    stream = Stream()
    # Who looks sees what comes in from now on; what came in before is on other pages.
    reader = Reader(Settings(kafka_hosts=wanted.brokers), wanted.group, [wanted.topic], latest=True)
    threading.Thread(target=reader.run, args=(stream.put, lambda _error: False), daemon=True).start()
    serving.run(application(stream, settings.secret_key, reader.alive), settings.address, grace=1)
