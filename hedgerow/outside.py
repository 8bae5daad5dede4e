"""The view from outside: connections from an address of this controller to a host."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hedgerow.channel import CouldNotAsk
from hedgerow.checking import NotExercised

OPEN, REFUSED, SILENT = "open", "refused", "silent"

KNOCK_SECONDS = 1.3
"""Long enough for one lost packet: TCP tries again after a second (RFC 6298, 2.1)."""

_NO_WAY_OUT = {errno.EADDRNOTAVAIL, errno.ENETUNREACH, errno.EMFILE, errno.ENOBUFS}


@dataclass(frozen=True)
class Outside:
    """Where a host is looked at from. `address` is the host, the other two are ours."""

    address: str
    controller: str
    stranger: str

    def as_stranger(self) -> str:
        """Return an address that is on no allow-list. Raises NotExercised where this controller has none."""
        if not self.stranger:
            raise NotExercised("this controller has no second address from which to come as a stranger")
        return self.stranger

    def knock(self, source: str, ports: Iterable[int], seconds: float = KNOCK_SECONDS) -> dict[int, str]:
        """Try a TCP connection from `source` to each port. Returns and raises as `knock_all` does."""
        return self.knock_all({source: ports}, seconds)[source]

    def knock_all(
        self, tries: Mapping[str, Iterable[int]], seconds: float = KNOCK_SECONDS
    ) -> dict[str, dict[int, str]]:
        """Try TCP connections to ports, by the address of ours they come from, all at once.

        Returns for each address and port OPEN, REFUSED or SILENT (no answer in `seconds`). Raises
        CouldNotAsk when an address is not ours or the host cannot be routed to.
        """
        seen: dict[str, dict[int, str]] = {source: {} for source in tries}
        waiting: dict[socket.socket, tuple[str, int]] = {}
        with contextlib.ExitStack() as opened, selectors.DefaultSelector() as selector:
            for source, port in ((source, port) for source, ports in tries.items() for port in ports):
                knocker = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                knocker.setblocking(False)
                try:
                    knocker.bind((source, 0))
                    code = knocker.connect_ex((self.address, port))
                except OSError as error:
                    raise CouldNotAsk(f"cannot connect from {source}: {error.strerror}") from error
                if code == errno.EINPROGRESS:
                    waiting[knocker] = (source, port)
                    selector.register(knocker, selectors.EVENT_WRITE, knocker)
                else:
                    seen[source][port] = _outcome(code, source)
            end = time.monotonic() + seconds
            while waiting and (left := end - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    knocker = key.data
                    selector.unregister(knocker)
                    source, port = waiting.pop(knocker)
                    seen[source][port] = _outcome(knocker.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), source)
            for source, port in waiting.values():
                seen[source][port] = SILENT
            return seen

    def connect(self, source: str, port: int, seconds: float = 5.0) -> socket.socket:
        """Return a TCP connection from `source`. Raises OSError when it is refused or not answered."""
        return socket.create_connection((self.address, port), timeout=seconds, source_address=(source, 0))


def _outcome(code: int, source: str) -> str:
    if code == 0:
        return OPEN
    if code in _NO_WAY_OUT:
        raise CouldNotAsk(f"cannot connect from {source}: {errno.errorcode[code]}")
    return SILENT if code in {errno.ETIMEDOUT, errno.EHOSTUNREACH} else REFUSED
