"""What the hypercache service says: paths and answers as upstream's (rust/hypercache-server/src/router.rs, api/).

Apart from the program, so that it can be tried without Valkey. What is put there is JSON and not, as upstream's, a
pickle of it; the keys are upstream's (HyperCacheConfig::get_redis_cache_key).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stand_in import cross_origin, remote_config
from stand_in.asgi import Reply, Request, as_json, text

if TYPE_CHECKING:
    from stand_in.cache import Cache

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
CONFIG, SURVEYS = "array/config.json", "surveys/surveys.json"
KEPT = (("cache-control", "public, max-age=300"), ("vary", "Origin, Referer"))


def key(token: str, value: str) -> str:
    """Return where a project's value is kept."""
    return f"posthog:1:cache/team_tokens/{token}/{value}"


def values(token: str, *, flags: bool, recording: bool) -> Mapping[str, str]:
    """Return everything that is kept for a project, by its key."""
    found = {
        CONFIG: remote_config.config(token, flags=flags, recording=recording),
        SURVEYS: {"surveys": [], "survey_config": None},
    }
    return {key(token, name): json.dumps(value) for name, value in found.items()}


def answer(request: Request, cache: Cache) -> Reply:
    """Answer one request."""
    path = request.path.rstrip("/")
    if path in ("", "/_readiness", "/_liveness"):
        cache.alive()
        return text(200, "hypercache-server (stand-in)")
    if request.method == "OPTIONS":
        return cross_origin.preflight(request)
    return _answer(path, request, cache).adding(*cross_origin.headers(request))


def _answer(path: str, request: Request, cache: Cache) -> Reply:
    if path in ("/surveys", "/api/surveys"):
        found = _found(request.query.get("token", ""), SURVEYS, cache)
        return found if isinstance(found, Reply) else as_json(200, found)
    if match := re.fullmatch(r"/array/([^/]*)/(config|config\.js)", path):
        token = match[1]
        found = _found(token, CONFIG, cache)
        if isinstance(found, Reply):
            return found
        if match[2] == "config":
            return as_json(200, found).adding(*KEPT)
        script = remote_config.script(token, found)
        return Reply(200, script.encode(), "application/javascript", KEPT)
    return text(404, "not found")


def _found(token: str, value: str, cache: Cache) -> dict[str, Any] | Reply:
    """Return what is kept, or the refusal: no token, one that cannot be one, one that nobody knows."""
    if not token:
        return text(401, "No token provided")
    if not TOKEN.fullmatch(token):
        return text(400, "Token contains characters that no token has")
    kept = cache.kept(key(token, value))
    return text(404, "not found: there is no such project") if kept is None else dict(json.loads(kept))
