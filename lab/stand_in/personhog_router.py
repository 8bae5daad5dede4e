"""`personhog-router`: passes questions about persons on to the replica, as they are."""

from __future__ import annotations

from stand_in.calls import REPLICA, SERVICE, Client, Server, wait_for_the_end
from stand_in.listening import listen
from stand_in.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    replica = Client(settings.replica, REPLICA, settings.backend_seconds)
    # Like upstream's it is ready on its own: whether the replica answers is told to whoever asks for a person.
    listen("0.0.0.0", settings.metrics_port, lambda: True)  # noqa: S104 - as upstream; no other container reaches it
    server = Server({SERVICE: replica.ask})
    server.start(settings.address)
    wait_for_the_end()
    server.stop()
    replica.close()
