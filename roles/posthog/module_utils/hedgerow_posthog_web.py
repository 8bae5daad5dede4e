"""PostHog's web service, asked from its own host as the edge asks it, and signed in to as its owner.

Knows HTTP, cookies and the second factor; knows nothing of what is asked for.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import time
import urllib.error
import urllib.request
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

TIMEOUT = 20
STEP = 30  # seconds that a code lasts (RFC 6238, 4.1; django-otp's default)
SESSION_USED_FOR = 4 * 3600  # upstream asks for a new sign-in before some changes when one is six hours old
SET_UP, VALIDATE = "/api/users/@me/two_factor_start_setup/", "/api/users/@me/two_factor_validate/"


class RefusedError(Exception):
    """What the service did not do, and what it said."""


class Answer:
    """Status and body of one answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    def json(self) -> Any:
        """Return the body as values, or nothing where it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def code(self) -> str:
        """The code of a refusal (exceptions_hog)."""
        value = self.json()
        return str(value.get("code", "")) if isinstance(value, dict) else ""

    def words(self) -> str:
        """Return what it said, short."""
        value = self.json()
        said = value.get("detail") if isinstance(value, dict) else None
        return f"{self.status}: {said or self.body[:300].decode(errors='replace')}"


class Web:
    """The web service, asked by its public name, as if over TLS. Every question raises OSError where there is none."""

    def __init__(self, url: str, domain: str) -> None:
        self.url = url
        self.origin = f"https://{domain}"
        self.headers = {"Host": domain, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
        self.cookies: dict[str, str] = {}
        # No proxy of the environment has any business between two ends of one host.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def initiated(self, patience: float = 0) -> bool:
        """Say whether there is an organisation; a service that starts anew is waited for, so many seconds.

        Raises OSError, ValueError or KeyError.
        """
        until = time.monotonic() + patience
        while True:
            try:
                return bool(json.loads(self.ask("GET", "/_preflight").body)["initiated"])
            except (OSError, ValueError, KeyError):
                if time.monotonic() >= until:
                    raise
                time.sleep(1)

    def ask(self, method: str, path: str, value: object = None) -> Answer:
        """Ask once, with the cookies given so far; Django wants its token and a referer of its own for a change."""
        headers = dict(self.headers)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
            headers["Referer"] = f"{self.origin}/"
            headers["X-CSRFToken"] = self.cookies.get("posthog_csrftoken", "")
        body = None if value is None else json.dumps(value).encode()
        # S310: the address is one that the role computed from the container's own.
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)  # noqa: S310
        try:
            with self.opener.open(request, timeout=TIMEOUT) as reply:
                self._keep(reply.headers.get_all("set-cookie") or [])
                return Answer(reply.status, reply.read())
        except urllib.error.HTTPError as refusal:
            self._keep(refusal.headers.get_all("set-cookie") or [])
            return Answer(refusal.code, refusal.read())

    def want(self, method: str, path: str, value: object = None) -> Any:
        """Return the values of a good answer. Raises RefusedError for any other."""
        answer = self.ask(method, path, value)
        if not 200 <= answer.status < 300:
            raise RefusedError(f"{method} {path} answered {answer.words()}")
        return answer.json()

    def _keep(self, lines: list[str]) -> None:
        for line in lines:
            self.cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})


class Owner:
    """The owner's session. What must outlive a converge lies in `folder`, which is root's alone.

    The session is kept because a code of the second factor is taken once only: two converges in half a minute would
    have to wait for each other.
    """

    def __init__(self, web: Web, email: str, password: str, folder: Path, *, keep: bool = True) -> None:
        self.web = web
        self.keep = keep
        self.email = email
        self.password = password
        self.seed_file = folder / "second-factor"
        self.session_file = folder / "session"
        self.password_was_enough = False

    def sign_in(self) -> None:
        """Take up the kept session, or open one. Raises RefusedError, OSError."""
        if not self._resume():
            self._open()

    def has_second_factor(self) -> bool:
        """Say whether the seed is here, which is kept when the service has taken it, and was not taken off since."""
        return self.seed_file.exists() and not self.password_was_enough

    def enrol(self) -> None:
        """Give the owner a second factor, in the steps of upstream's own page, and keep its seed."""
        seed = (self.web.want("GET", SET_UP) or {}).get("secret", "")
        if not seed:
            raise RefusedError(f"GET {SET_UP} gave no secret to set up")
        # Written first: a seed that was taken and then lost would lock everybody out.
        pending = self.seed_file.with_suffix(".new")
        _write(pending, seed)
        self.web.want("POST", VALIDATE, {"token": code(seed, time.time())})
        pending.replace(self.seed_file)
        self.password_was_enough = False
        self._keep()

    def _resume(self) -> bool:
        try:
            if time.time() - self.session_file.stat().st_mtime > SESSION_USED_FOR:
                return False
            self.web.cookies = dict(json.loads(self.session_file.read_text()))
        except (OSError, ValueError):
            return False
        if self.web.ask("GET", "/api/organizations/@current/").status == 200:
            return True
        self.web.cookies = {}
        return False

    def _open(self) -> None:
        given = {"email": self.email, "password": self.password}
        answer = self.web.ask("POST", "/api/login/", given)
        if answer.status == 401 and answer.code == "2fa_required":
            self._give_code()
        elif answer.status == 200:
            # The service knows of no second factor: a seed kept here would be an earlier one's.
            self.password_was_enough = True
            if self.keep:
                self.seed_file.unlink(missing_ok=True)
        else:
            raise RefusedError(f"{self.email} could not sign in: POST /api/login/ answered {answer.words()}")
        self._keep()

    def _give_code(self) -> None:
        pending = self.seed_file.with_suffix(".new")
        if self.keep and pending.exists() and not self.seed_file.exists():
            # An enrolment that was interrupted between the service's yes and ours.
            pending.replace(self.seed_file)
        seed = self.seed_file.read_text().strip() if self.seed_file.exists() else ""
        if not seed:
            raise RefusedError(
                f"{self.email} has a second factor that was not set up here: take it off the account in PostHog and"
                " converge again; people get accounts of their own"
            )
        answer = self.web.ask("POST", "/api/login/token/", {"token": code(seed, time.time())})
        if answer.code == "2fa_invalid":
            # This half minute's code may have been used up by a smoke test: the next one is good.
            time.sleep(STEP - time.time() % STEP + 1)
            answer = self.web.ask("POST", "/api/login/token/", {"token": code(seed, time.time())})
        if answer.status != 200:
            raise RefusedError(f"{self.email}'s code was refused: POST /api/login/token/ answered {answer.words()}")

    def _keep(self) -> None:
        if self.keep:
            _write(self.session_file, json.dumps(self.web.cookies))


def code(seed: str, at: float) -> str:
    """Return the six digits of a moment (RFC 6238, SHA-1, half a minute), for a seed in base 32."""
    key = base64.b32decode(seed.upper() + "=" * (-len(seed) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(at) // STEP), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    beside.unlink(missing_ok=True)
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(path)
