#!/usr/bin/python3 -I
"""Sends what the last look has left to be told, by every channel that is set up (hedgerow-alerts.service).

Over TLS with the other side's certificate verified, or not at all. What is sent: deployment, host, what, and the
words of a rule with its numbers; never words of a log. What is not taken waits for the next look.
"""

from __future__ import annotations

import json
import os
import smtplib
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

SECONDS = 20
WORDS = {"begins": "NOT WELL", "reminder": "still not well", "ends": "well again", "test": "test"}


def day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def lines(host: Mapping[str, str], messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each message, the words that both channels carry."""
    where = f"{host['deployment']}, {host['host']}"
    return [
        f"{where}: {row['what']}: {WORDS[row['kind']]}: {row['text']} (since {day(row['since'])})" for row in messages
    ]


def mail(host: Mapping[str, str], row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> EmailMessage:
    kinds = {message["kind"] for message in messages}
    word = next(WORDS[kind] for kind in WORDS if kind in kinds)
    made = EmailMessage()
    made["From"], made["To"] = row["from"], ", ".join(row["to"])
    made["Subject"] = f"[{host['deployment']}] {host['host']}: {word}"
    made["Date"] = format_datetime(datetime.now(UTC))
    made["Message-ID"] = make_msgid(domain=row["from"].partition("@")[2])
    made["Auto-Submitted"] = "auto-generated"
    made.set_content("\n".join(lines(host, messages)) + "\n\n`./installer.py status` says what to do.\n")
    return made


def by_mail(host: Mapping[str, str], row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    """Hand one mail to the relay: at its declared address, by the name in its certificate."""
    context = ssl.create_default_context()

    class Implicit(smtplib.SMTP_SSL):
        def _get_socket(self, _name: str, port: int, timeout: float) -> ssl.SSLSocket:
            return context.wrap_socket(socket.create_connection((row["address"], port), timeout), server_hostname=_name)

    class StartTls(smtplib.SMTP):
        def _get_socket(self, _name: str, port: int, timeout: float) -> socket.socket:
            return socket.create_connection((row["address"], port), timeout)

    kind = Implicit if row["encryption"] == "implicit" else StartTls
    with kind(row["host"], row["port"], timeout=SECONDS) as relay:
        if row["encryption"] != "implicit":
            relay.starttls(context=context)  # raises where it is refused: nothing is said in the clear
        relay.login(row["user"], row["password"])
        relay.send_message(mail(host, row, messages))


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Where alerts go was declared; another place that one is sent on to was not."""

    def redirect_request(self, *_: object) -> None:
        return None


def by_webhook(host: Mapping[str, str], row: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> None:
    """Post one JSON object; `text` is what chat services show."""
    body = {**host, "text": "\n".join(lines(host, messages)), "alerts": list(messages)}
    request = urllib.request.Request(  # noqa: S310 - the declaration takes https alone
        row["url"], json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    context = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    with urllib.request.build_opener(NoRedirect, context).open(request, timeout=SECONDS):
        pass


WAYS = {"mail": by_mail, "webhook": by_webhook}


REASONS: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPAuthenticationError, "it does not accept the account and its password"),
    (smtplib.SMTPRecipientsRefused, "it refuses the recipients"),
    (smtplib.SMTPNotSupportedError, "it offers no TLS, or no way to sign in"),
    (TimeoutError, "it does not answer in time"),
    (socket.gaierror, "its name is not known"),
)


def reason(error: BaseException) -> str:
    """Return why something was not taken: never an address or a URL, which may be a secret."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        return reason(error.reason)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if known := next((words for kind, words in REASONS if isinstance(error, kind)), ""):
        return known
    code = getattr(error, "code", getattr(error, "smtp_code", None))
    number = getattr(error, "errno", None)
    if isinstance(code, int):
        return f"it answered {code}"
    return f"it cannot be reached ({os.strerror(number)})" if number else f"it failed ({type(error).__name__})"


def settled(row: Mapping[str, Any], sent: Sequence[Mapping[str, Any]], error: str, at: float) -> dict[str, Any]:
    """Return a channel's state after a try: what was taken goes, what came meanwhile stays."""
    outbox = list(row.get("outbox", ()))
    if not error:
        outbox = [one for one in outbox if one not in sent]
    return {**row, "outbox": outbox, "waiting": len(outbox), "error": error, "at": at}


def main() -> None:
    import watching  # noqa: PLC0415 - beside this file, found by the path set above

    asked = json.loads(watching.CONFIG.read_text())
    host = {key: asked[key] for key in ("deployment", "host")}
    setting = json.loads(watching.CHANNELS.read_text())
    with watching.Kept(watching.FOLDER) as kept:
        waiting = {name: row["outbox"] for name, row in kept.read().get("channels", {}).items()}
    for name, messages in waiting.items():
        if not messages or name not in setting:
            continue
        error = ""
        try:
            WAYS[name](host, setting[name], messages)
        except Exception as failed:  # whatever it is: it is told in the state, and the other channel goes on
            error = reason(failed)
            sys.stderr.write(f"<4>alerts by {name}: {error}\n")
        with watching.Kept(watching.FOLDER) as kept:
            state = kept.read()
            if name in state.get("channels", {}):
                state["channels"][name] = settled(state["channels"][name], messages, error, time.time())
                kept.write(state)


if __name__ == "__main__":
    main()
