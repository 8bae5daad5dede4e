"""What is asked of every request to `web`, as Django does for upstream: host, scheme, and where a change came from.

Pure: a request and the settings in, a refusal or nothing out.
"""

from __future__ import annotations

import hmac
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from stand_in.asgi import Reply, Request, as_json, text
from stand_in.settings import Settings

SESSION = "sessionid"
CSRF = "posthog_csrftoken"  # CSRF_COOKIE_NAME
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
PAGE_HEADERS = (
    ("x-frame-options", "SAMEORIGIN"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
)


def host_of(request: Request, settings: Settings) -> str:
    """Return the host asked for; behind a proxy, the one the proxy was asked for (USE_X_FORWARDED_HOST)."""
    named = request.headers.get("host", "")
    return (request.headers.get("x-forwarded-host", named) if settings.behind_proxy else named).lower()


def is_secure(request: Request, settings: Settings) -> bool:
    """Say whether the client came over https; only a proxy can have ended TLS (SECURE_PROXY_SSL_HEADER)."""
    return settings.behind_proxy and request.headers.get("x-forwarded-proto") == "https"


def client_of(request: Request, settings: Settings) -> str:
    """Return the client's address: the last one the proxy wrote, which is the only one it saw itself."""
    forwarded = request.headers.get("x-forwarded-for", "") if settings.behind_proxy else ""
    return forwarded.rpartition(",")[2].strip() or request.peer


def refusal(request: Request, settings: Settings) -> Reply | None:
    """Refuse a host that is not allowed (ALLOWED_HOSTS) and send plain http to https (SECURE_SSL_REDIRECT)."""
    host = host_of(request, settings)
    name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
    if not any(_matches(name, allowed.lower()) for allowed in settings.allowed_hosts):
        return text(400, "Bad Request (400)")
    if settings.https_only and not is_secure(request, settings):
        return Reply(301, headers=(("location", f"https://{host}{request.path}"),))
    return None


def _matches(name: str, allowed: str) -> bool:
    """Compare as Django does: a leading dot stands for the domain and all below it."""
    below = allowed.startswith(".") and (name == allowed[1:] or name.endswith(allowed))
    return allowed in ("*", name) or below


def csrf_fault(request: Request, settings: Settings, secret: str, given: str) -> str:
    """Say why a change is not taken (django/middleware/csrf.py), or nothing. `secret` is what `given` must be."""
    if is_secure(request, settings):
        home = ("https", host_of(request, settings))
        origin, referer = request.headers.get("origin"), request.headers.get("referer")
        if origin is not None:
            if urlsplit(origin)[:2] != home and origin != settings.site_url:
                return f"Origin checking failed - {origin} does not match any trusted origins."
        elif not referer:
            return "Referer checking failed - no Referer."
        elif urlsplit(referer)[:2] != home:
            return "Referer checking failed - the Referer does not match any trusted origins."
    if not request.cookies.get(CSRF):
        return "CSRF cookie not set."
    if not given:
        return "CSRF token missing."
    same = secret and hmac.compare_digest(given.encode(), secret.encode())
    return "" if same else "CSRF token from the 'X-Csrftoken' HTTP header incorrect."


def cookie(name: str, value: str, seconds: int, settings: Settings, *, readable: bool = False) -> tuple[str, str]:
    """Return a Set-Cookie header; zero seconds take the cookie away. Scripts read only what is `readable`."""
    jar: SimpleCookie = SimpleCookie({name: value})
    jar[name].update({"path": "/", "max-age": str(seconds), "samesite": "Lax"})
    jar[name]["secure"] = settings.secure_cookies
    jar[name]["httponly"] = not readable
    return "set-cookie", jar[name].OutputString()


def fault(status: int, kind: str, code: str, detail: str, attribute: str | None = None) -> Reply:
    """Reply with an error in upstream's shape (exceptions_hog)."""
    return as_json(status, {"type": kind, "code": code, "detail": detail, "attr": attribute})


def invalid(code: str, detail: str, attribute: str | None = None) -> Reply:
    """Refuse what was sent."""
    return fault(400, "validation_error", code, detail, attribute)


def denied(detail: str) -> Reply:
    """Refuse somebody we know, or need not know."""
    return fault(403, "authentication_error", "permission_denied", detail)
