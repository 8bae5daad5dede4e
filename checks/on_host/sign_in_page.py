# What the sign-in page gives every browser: the key of the vendor's own analytics, with whose flags the vendor turns
# unreleased features on, and whose flags are forced. Arguments: URL of the application, its public name.
import json
import os
import re
import sys
import urllib.request

SECONDS = 5 * float(os.environ.get("HEDGEROW_PATIENCE", "1"))  # a slow host is given more time (channel.py)

url, name = sys.argv[1:3]
headers = {"Host": name, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1", "Accept": "text/html"}
request = urllib.request.Request(url + "/login", headers=headers)  # noqa: S310 - http, from our own caller
with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
    page = answer.read(200000).decode(errors="replace")
found = re.search(r"JS_POSTHOG_API_KEY\s*=\s*[\"'][^\"']", page)
host = re.search(r"JS_POSTHOG_HOST\s*=\s*[\"']([^\"']*)", page)
# Both are of upstream's posthog/templates/head.html; the second is on every page, whatever is off.
print(
    json.dumps(
        {
            "ours": "POSTHOG_APP_CONTEXT" in page,
            "client": bool(found),
            "host": host[1].encode().decode("unicode_escape") if host else "",
        }
    )
)
