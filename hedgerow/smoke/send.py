"""Sends events with PostHog's own Python SDK, in a process of its own: `python -m hedgerow.smoke.send`.

A process of its own because the SDK takes its trust from the environment (requests: REQUESTS_CA_BUNDLE) and has no
way to be told an address for a name; both are changed here for this process alone. What to send comes by standard
input, the project's token with it: an argument or an environment variable could be read by others.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
EVENT = "hedgerow smoke"
SECONDS = 60


@dataclass(frozen=True)
class Parcel:
    """What to send: `count` events of one run, the first alone, the others as one compressed batch."""

    domain: str
    address: str
    port: int
    token: str
    run: str
    count: int


@dataclass(frozen=True)
class Receipt:
    """The ids of what was sent, and what the SDK complained of."""

    ids: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()


def send(parcel: Parcel, ca_file: Path | None) -> Receipt:
    """Send a parcel from a child process. Whether it arrived is for who reads it back to say."""
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(REPOSITORY), "LANG": "C.UTF-8"}
    # Our own CA where there is one; else what this system trusts, wherever its owner keeps that.
    bundle = str(ca_file) if ca_file else os.environ.get("REQUESTS_CA_BUNDLE", "")
    if bundle:
        environment["REQUESTS_CA_BUNDLE"] = bundle
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hedgerow.smoke.send"],
            input=json.dumps(asdict(parcel)),
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Receipt(complaints=(f"the SDK did not finish in {SECONDS} s",))
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        return Receipt(complaints=(last or "the SDK said nothing",))
    said = json.loads(done.stdout)
    return Receipt(tuple(said["ids"]), tuple(said["complaints"]))


class _Complaints(logging.Handler):
    """Collects what the SDK logs from warnings up: its capture() itself never raises."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())


def _resolve(domain: str, address: str) -> None:
    """Let this process find the domain at the address, whatever a name server says."""
    ask = socket.getaddrinfo

    def answer(host, *rest, **more):  # type: ignore[no-untyped-def]  # the signature is the standard library's
        return ask(address if host == domain else host, *rest, **more)

    socket.getaddrinfo = answer


def main() -> None:
    """Send what standard input says; print the receipt."""
    from posthog import Posthog  # noqa: PLC0415 - half a second, and only this process needs it

    parcel = Parcel(**json.load(sys.stdin))
    _resolve(parcel.domain, parcel.address)
    complaints = _Complaints()
    logging.getLogger("posthog").addHandler(complaints)
    host = f"https://{parcel.domain}" + ("" if parcel.port == 443 else f":{parcel.port}")

    def client(*, alone: bool) -> Posthog:
        return Posthog(
            parcel.token,
            host=host,
            sync_mode=alone,
            gzip=not alone,
            max_retries=1,
            timeout=15,
            on_error=lambda error, _: complaints.words.append(str(error)),
        )

    def capture(sender: Posthog, number: int) -> str | None:
        # Without a person profile: a smoke test leaves events, and nobody among the people.
        properties = {"hedgerow_run": parcel.run, "hedgerow_number": number, "$process_person_profile": False}
        return sender.capture(EVENT, distinct_id=f"hedgerow-smoke-{parcel.run}", properties=properties)

    single, batch = client(alone=True), client(alone=False)
    ids = [capture(single, 0), *(capture(batch, number) for number in range(1, parcel.count))]
    batch.shutdown()
    print(json.dumps({"ids": [found for found in ids if found], "complaints": complaints.words}))


if __name__ == "__main__":
    main()
