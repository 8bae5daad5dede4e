"""The report in a real browser: axe finds nothing, at every width and in both schemes, and the filter filters.

No host is booted; it is here with what needs Chromium and npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.report import evidence
from hedgerow.evidence import html
from hedgerow.prerequisites import BROWSER, provide
from hedgerow.smoke.browser.chromium import browser
from hedgerow.smoke.browser.devtools import DevTools

pytestmark = pytest.mark.lab

PINS = Path(__file__).resolve().parent.parent / "data" / "axe"
DESKTOP, PHONE = 1280, 390
LOADED = "new Promise(done => document.readyState === 'complete' ? done(1) : addEventListener('load', () => done(1)))"
FOUND = "axe.run().then(found => JSON.stringify(found.violations.map(one => [one.id, one.nodes[0].html])))"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script, of the version and with the hash of its lock file."""
    provide(BROWSER, yes=True, say=print)
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PINS / name, folder)
    words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=300)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three hosts with findings of every status, drift, waivers and a history."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(evidence(3)), encoding="utf-8")
    return path


@contextmanager
def opened(page: Path, width: int, scheme: str = "light") -> Iterator[DevTools]:
    """Show the page in a browser that reaches no network."""
    with browser("nobody.invalid", "192.0.2.1", None, lambda _: None) as tools:
        target = tools.call("Target.createTarget", url="about:blank")["targetId"]
        tools.session = tools.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tools.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        tools.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tools.call("Page.navigate", url=page.as_uri())
        assert said(tools, LOADED) == 1
        yield tools


def said(tools: DevTools, expression: str) -> Any:
    """Return what the page says to a line of script."""
    answer = tools.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, seconds=120)
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_axe_finds_nothing(axe: str, page: Path, width: int, scheme: str) -> None:
    with opened(page, width, scheme) as tools:
        tools.call("Runtime.evaluate", expression=axe, seconds=60)
        assert json.loads(said(tools, FOUND)) == []


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_nothing_is_wider_than_the_window(axe: str, page: Path, width: int) -> None:
    with opened(page, width) as tools:
        assert said(tools, "document.documentElement.scrollWidth") <= width


def test_search_status_and_host_narrow_what_is_shown(axe: str, page: Path) -> None:
    shown = "[...document.querySelectorAll('.card:not([hidden])')].map(card => card.id).join(' ')"
    with opened(page, DESKTOP) as tools:
        every = said(tools, shown).split()
        type_ = "q.value = '{}'; $('find').dispatchEvent(new Event('input'))"
        said(tools, type_.format("NO-PASSWORDS 164.312(d)"))
        assert said(tools, shown) == "ssh.no-passwords"
        assert said(tools, "n.textContent") == "1 control, 3 findings"
        said(tools, "host.value = 'analytics-2';" + type_.format("no-passwords"))
        assert said(tools, "n.textContent") == "1 control, 1 finding"
        said(tools, "host.value = '';" + type_.format(""))
        uncheck = "document.querySelectorAll('.chip input:not([value=fail])').forEach(box => box.click())"
        said(tools, f"{uncheck}; $('find').dispatchEvent(new Event('input'))")
        failing = said(tools, shown).split()
        assert failing
        assert set(failing) < set(every)
        said(tools, "location.hash = '#banner.shown'; new Promise(done => setTimeout(done, 300))")
        there = "document.getElementById('banner.shown')"
        assert said(tools, f"{there}.open && !{there}.hidden"), "a link leads to what the filter had hidden"


def test_print_opens_every_finding_and_closes_it_again(axe: str, page: Path) -> None:
    with opened(page, DESKTOP) as tools:
        count = "document.querySelectorAll('.card[open]').length"
        before = said(tools, count)
        said(tools, "dispatchEvent(new Event('beforeprint'))")
        assert said(tools, count) == said(tools, "document.querySelectorAll('.card').length") > before
        said(tools, "dispatchEvent(new Event('afterprint'))")
        assert said(tools, count) == before
