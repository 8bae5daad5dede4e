"""One visit of a page with the SDK in it: what the page did, and every request that left it for the deployment."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hedgerow.smoke.browser.chromium import browser
from hedgerow.smoke.browser.devtools import BrowserError, DevTools, Message

SITE = "https://shop.acme.example"
PAGE = b"<!doctype html><meta charset=utf-8><title>A shop</title><h1>A shop</h1><script src=/sdk.js></script>"
CONFIG = "/array/"
SCRIPT = Path(__file__).with_name("page.js")
LOOK_SECONDS, STAY_SECONDS, LAST_SECONDS = 2.0, 9.0, 5.0
"""Until somebody clicks, and after that: the SDK gathers a recording for 2 s and whatever it sends for 3 s."""


@dataclass(frozen=True)
class Told:
    """What the page is told; `host` is the deployment's origin. `stranger` and `known` are distinct ids."""

    host: str
    token: str = field(repr=False)
    run: str
    event: str
    stranger: str
    known: str


@dataclass
class Exchange:
    """One request and how it ended; `failure` is the browser's word where no answer was let through."""

    method: str
    path: str
    status: int = 0
    failure: str = ""
    tls: str = ""

    def words(self) -> str:
        """Say it in one line, without a project's token, which may stand in the path."""
        path = re.sub(r"^/array/[^/]+", "/array/TOKEN", self.path)
        return f"{self.method} {path}: {self.failure or self.status or 'no answer'}"


@dataclass(frozen=True)
class Visit:
    """What the page returned (page.js), the exchanges with the deployment in order, and the remote config."""

    page: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]
    config: Mapping[str, Any] = field(default_factory=dict)

    def at(self, *paths: str) -> list[Exchange]:
        """Return the exchanges at these paths, without what a browser asks by itself beforehand."""
        return [each for each in self.exchanges if each.path.rstrip("/") in paths and each.method != "OPTIONS"]

    def below(self, folder: str) -> list[Exchange]:
        """Return the exchanges below a path that ends with a slash."""
        return [each for each in self.exchanges if each.path.startswith(folder) and each.method != "OPTIONS"]


class Watch:
    """Hears the browser: serves the made-up site, and writes down every request to anywhere else."""

    def __init__(self, sdk: bytes) -> None:
        self.files = {"/": ("text/html", PAGE), "/sdk.js": ("text/javascript", sdk)}
        self.exchanges: dict[str, Exchange] = {}
        self.waiting: set[str] = set()
        self.tools: DevTools | None = None

    def hear(self, message: Message) -> None:
        """Take one event."""
        told = message.get("params", {})
        match message.get("method"):
            case "Fetch.requestPaused":
                self._serve(told)
            case "Network.requestWillBeSent" if not told["request"]["url"].startswith(f"{SITE}/"):
                request = told["request"]
                self.exchanges[told["requestId"]] = Exchange(request["method"], urlsplit(request["url"]).path)
                self.waiting.add(told["requestId"])
            case "Network.responseReceived" if told["requestId"] in self.exchanges:
                exchange = self.exchanges[told["requestId"]]
                exchange.status = told["response"]["status"]
                exchange.tls = (told["response"].get("securityDetails") or {}).get("protocol", "")
                if exchange.method == "OPTIONS":  # a browser reads no further
                    self.waiting.discard(told["requestId"])
            case "Network.loadingFinished":
                self.waiting.discard(told["requestId"])
            case "Network.loadingFailed" if told["requestId"] in self.exchanges:
                cross = (told.get("corsErrorStatus") or {}).get("corsError", "")
                self.exchanges[told["requestId"]].failure = f"{told['errorText']} {cross}".strip()
                self.waiting.discard(told["requestId"])

    def recorded(self) -> bool:
        """Say whether a recording has gone out, which is the last thing to go."""
        return any(each.path.rstrip("/") == "/s" for each in self.exchanges.values())

    def _serve(self, told: Mapping[str, Any]) -> None:
        assert self.tools is not None
        kind, content = self.files.get(urlsplit(told["request"]["url"]).path, ("", b""))
        self.tools.post(
            "Fetch.fulfillRequest",
            requestId=told["requestId"],
            responseCode=200 if kind else 404,
            responseHeaders=[{"name": "Content-Type", "value": kind or "text/plain"}],
            body=base64.b64encode(content).decode(),
        )


def visit(told: Told, sdk: Path, domain: str, address: str, ca_file: Path | None) -> Visit:
    """Open the page, let it do its work, and wait for what is still under way. Raises BrowserError."""
    watch = Watch(sdk.read_bytes())
    with browser(domain, address, ca_file, watch.hear) as tools:
        watch.tools = tools
        target = tools.call("Target.createTarget", url="about:blank", seconds=30)["targetId"]
        tools.session = tools.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tools.call("Network.enable")
        tools.call("Fetch.enable", patterns=[{"urlPattern": f"{SITE}/*"}])
        tools.call("Page.enable")
        tools.call("Page.navigate", url=f"{SITE}/", seconds=30)
        _until_loaded(tools)
        _evaluate(tools, f"{SCRIPT.read_text(encoding='utf-8').rstrip()}({json.dumps(vars(told))})")
        tools.listen(LOOK_SECONDS)
        _click(tools)
        tools.listen(STAY_SECONDS, watch.recorded)
        tools.listen(LAST_SECONDS, lambda: not watch.waiting)
        page = _evaluate(tools, "window.seen()")
        config = _config(tools, watch)
    return Visit(page, tuple(watch.exchanges.values()), config)


def _config(tools: DevTools, watch: Watch) -> Mapping[str, Any]:
    """Return the remote config that the browser got, {} where it got none."""
    for number, exchange in watch.exchanges.items():
        if exchange.path.startswith(CONFIG) and exchange.status == 200:
            try:
                value = json.loads(tools.call("Network.getResponseBody", requestId=number)["body"])
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
    return {}


def _until_loaded(tools: DevTools) -> None:
    ready = "new Promise(done => { const look = () => window.posthog ? done({}) : setTimeout(look, 50); look() })"
    _evaluate(tools, ready, 30)


def _click(tools: DevTools) -> None:
    """Move and click as a person does: the SDK sends no recording of somebody who never did anything."""
    for kind, pressed in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 0)):
        tools.call("Input.dispatchMouseEvent", type=kind, x=30, y=30, button="left", buttons=pressed, clickCount=1)


def _evaluate(tools: DevTools, expression: str, seconds: float = 15) -> Mapping[str, Any]:
    answer = tools.call(
        "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, seconds=seconds
    )
    if "exceptionDetails" in answer:
        thrown = answer["exceptionDetails"].get("exception", {})
        raise BrowserError(f"the page threw: {thrown.get('description') or thrown.get('value') or 'something'}")
    value: Mapping[str, Any] = answer["result"].get("value") or {}
    return value
