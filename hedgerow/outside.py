"""The view from outside: connections from an address of this controller to a host."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

from hedgerow.channel import CouldNotAsk
from hedgerow.checking import NotExercised

OPEN, REFUSED, SILENT = "open", "refused", "silent"

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

    def knock(self, source: str, ports: Iterable[int], seconds: float = 0.7) -> dict[int, str]:
        """Try a TCP connection to every port at once: OPEN, REFUSED or SILENT (no answer in `seconds`).

        Raises CouldNotAsk when `source` is not an address of ours or the host cannot be routed to.
        """
        seen: dict[int, str] = {}
        waiting: dict[socket.socket, int] = {}
        with contextlib.ExitStack() as opened, selectors.DefaultSelector() as selector:
            for port in ports:
                knocker = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
                knocker.setblocking(False)
                try:
                    knocker.bind((source, 0))
                    code = knocker.connect_ex((self.address, port))
                except OSError as error:
                    raise CouldNotAsk(f"cannot connect from {source}: {error.strerror}") from error
                if code == errno.EINPROGRESS:
                    waiting[knocker] = port
                    selector.register(knocker, selectors.EVENT_WRITE, knocker)
                else:
                    seen[port] = _outcome(code, source)
            end = time.monotonic() + seconds
            while waiting and (left := end - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    knocker = key.data
                    selector.unregister(knocker)
                    seen[waiting.pop(knocker)] = _outcome(
                        knocker.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), source
                    )
            return seen | dict.fromkeys(waiting.values(), SILENT)

    def connect(self, source: str, port: int, seconds: float = 5.0) -> socket.socket:
        """Return a TCP connection from `source`. Raises OSError when it is refused or not answered."""
        return socket.create_connection((self.address, port), timeout=seconds, source_address=(source, 0))


def _outcome(code: int, source: str) -> str:
    if code == 0:
        return OPEN
    if code in _NO_WAY_OUT:
        raise CouldNotAsk(f"cannot connect from {source}: {errno.errorcode[code]}")
    return SILENT if code in {errno.ETIMEDOUT, errno.EHOSTUNREACH} else REFUSED
