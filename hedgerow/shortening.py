"""Words of a host, short enough to show and without what looks like a secret. Stdlib alone: hosts have it."""

from __future__ import annotations

import re

_SECRETS = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL), "[key]"),
    (re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@"), r"\1:[hidden]@"),
    (re.compile(r"SCRAM-SHA-256\$\S+"), "SCRAM-SHA-256$[hidden]"),
    (re.compile(r"(\$(?:y|6|5|2[aby]|7|gy)\$)\S+"), r"\1[hidden]"),
    (
        re.compile(r"(?i)\b(pass(?:word|wd)?|secret(?:_key)?|token|api_key)(\s*[=:]\s*)(['\"]?)[^\s'\",;]+"),
        r"\1\2\3[hidden]",
    ),
)


def shorten(text: str, length: int) -> str:
    """Return the text on one line, at most `length` characters, what looks like a secret hidden."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[: length - 1]}…"
