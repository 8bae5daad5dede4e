# What the application itself says about sign-up, behind the edge. Arguments: URL of the application, its public name.
# The request to sign up is empty, so that it makes nobody even where sign-up is open: an open one finds fields missing.
import json
import os
import sys
import urllib.error
import urllib.request

SECONDS = 5 * float(os.environ.get("HEDGEROW_PATIENCE", "1"))  # a slow host is given more time (channel.py)

url, name = sys.argv[1:3]
# As the edge would ask; other names and plain HTTP are turned away before sign-up is looked at.
headers = {
    "Host": name,
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "127.0.0.1",
    "Content-Type": "application/json",
}


def ask(path, body):
    request = urllib.request.Request(url + path, data=body, headers=headers)  # noqa: S310 - http, from our own caller
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return answer.status, answer.read(20000).decode(errors="replace")
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read(2000).decode(errors="replace")


status, text = ask("/_preflight/", None)
words = json.loads(text) if status == 200 else {}
attempt, why = ask("/api/signup/", b"{}")
known = ("initiated", "can_create_org", "cloud", "demo")
print(json.dumps({"preflight": status, **{key: words.get(key) for key in known}, "sign_up": attempt, "why": why[:200]}))
