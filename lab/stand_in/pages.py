"""The three pages a browser sees. Each says first that this is not PostHog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from stand_in import NAME, NOTICE
from stand_in.asgi import Reply
from stand_in.guard import PAGE_HEADERS
from stand_in.records import Row
from stand_in.settings import Settings

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: #1d2b26; background: #f4f6f2 }
p.notice { margin: 0; padding: .8rem 1.2rem; background: #7a4b00; color: #fff }
main { max-width: 60rem; margin: 2rem auto; padding: 0 1.2rem }
form { max-width: 22rem } label { display: block; margin: 1rem 0 } input { display: block; width: 100%; padding: .5rem }
button { padding: .5rem 1.2rem } table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ccd6cf; vertical-align: top }
td.properties { word-break: break-word } .fault { color: #a30000 }
"""


# Upstream gives every page its own analytics' key unless it is told not to (posthog/utils.py, head.html); this is none.
VENDOR = {"JS_POSTHOG_API_KEY": "stand-in", "JS_POSTHOG_HOST": "https://vendor.example"}


def context(settings: Settings) -> str:
    """Return what upstream's page tells its scripts: the vendor's client unless opted out, and what is forced."""
    told = "" if settings.opted_out else "".join(f'window.{name} = "{value}";' for name, value in VENDOR.items())
    flags = json.dumps(json.dumps({"persisted_feature_flags": settings.forced_flags})).replace("</", "<\\/")
    return f"<script>{told}window.POSTHOG_APP_CONTEXT = JSON.parse({flags});</script>"


def page(status: int, title: str, inside: str, head: str = "") -> Reply:
    """Return a page around a piece of HTML."""
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - {NAME}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>{head}</head>'
        f'<body><p class="notice"><strong>Stand-in.</strong> {NOTICE}</p><main><h1>{escape(title)}</h1>{inside}</main>'
        "</body></html>"
    )
    return Reply(status, body.encode(), "text/html; charset=utf-8", PAGE_HEADERS)


def sign_in(csrf: str, settings: Settings, fault: str = "") -> Reply:
    """The sign-in page."""
    told = f'<p class="fault" role="alert">{escape(fault)}</p>' if fault else ""
    return page(
        403 if fault else 200,
        "Sign in",
        f'{told}<form method="post" action="/login">'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{escape(csrf)}">'
        '<label>E-mail address<input name="email" type="email" autocomplete="username" required></label>'
        '<label>Password<input name="password" type="password" autocomplete="current-password" required></label>'
        "<button>Sign in</button></form>",
        context(settings),
    )


def preflight() -> Reply:
    """The page before there is an organisation."""
    return page(200, "Not set up yet", "<p>Nobody has signed up: the installer does, through the API.</p>")


def home(person: Row, csrf: str, events: Sequence[Row]) -> Reply:
    """The page after signing in: the project and its latest events."""
    rows = "".join(
        f"<tr><td>{escape(row['timestamp'].isoformat(timespec='seconds'))}</td><td>{escape(row['event'])}</td>"
        f'<td>{escape(row["distinct_id"])}</td><td class="properties">{escape(json.dumps(row["properties"]))}</td></tr>'
        for row in events
    )
    return page(
        200,
        person["team_name"],
        f"<p>{escape(person['organization_name'])}, signed in as {escape(person['email'])}.</p>"
        f'<form method="post" action="/logout"><input type="hidden" name="csrfmiddlewaretoken" value="{escape(csrf)}">'
        "<button>Sign out</button></form><h2>Latest events</h2>"
        f"<table><tr><th>When</th><th>Event</th><th>Who</th><th>Properties</th></tr>{rows}</table>",
    )
