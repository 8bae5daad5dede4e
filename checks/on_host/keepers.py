# What object storage lets each of its clients do, asked from inside the client's container with the client's own key,
# and what it says to whoever has none. Arguments: JSON of {container: [address, port]}, the name in the certificate,
# the file of the CA, JSON of the buckets, JSON of pairs of a key and its secret that everybody knows. No secret leaves
# the host, and nothing is changed: what is read and deleted does not exist, of a list nothing. Prints statuses.
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECONDS = 5 * float(os.environ.get("HEDGEROW_PATIENCE", "1"))  # a slow host is given more time (channel.py)

places, name, authority = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
buckets, published = json.loads(sys.argv[4]), json.loads(sys.argv[5])
context = ssl.create_default_context(cafile=authority)
REGION, EMPTY = "us-east-1", hashlib.sha256(b"").hexdigest()
GONE = "hedgerow-check-of-nothing"
# Keys of the two ways in which upstream's services are told of a bucket, the id of the key before its secret.
VARIABLES = [
    (f"{each}_ACCESS_KEY_ID", f"{each}_SECRET_ACCESS_KEY") for each in ("OBJECT_STORAGE", "SESSION_RECORDING_V2_S3")
]


class Inside(http.client.HTTPSConnection):
    """Connects to an address, and verifies a name."""

    def connect(self):
        plain = socket.create_connection(self.place, SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = context.wrap_socket(plain, server_hostname=name)


def signed(key, secret, method, host, path, query):
    """Return the headers of a request with its signature (AWS Signature Version 4)."""
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    whole = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": at}
    names = ";".join(whole)
    canonical = "\n".join(
        [method, path, query, *(f"{each}:{value}" for each, value in whole.items()), "", names, EMPTY]
    )
    scope = f"{at[:8]}/{REGION}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    made = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        made = hmac.digest(made, word.encode(), "sha256")
    proof = hmac.new(made, text.encode(), "sha256").hexdigest()
    return {
        **whole,
        "authorization": f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={proof}",
    }


def ask(place, pair, method, path, query=""):
    """Return a status; 0, and why, where there is none."""
    host = f"{name}:{place[1]}"
    link = Inside(name, place[1], timeout=SECONDS)
    link.place = tuple(place)
    try:
        headers = signed(*pair, method, host, path, query) if pair else {"host": host}
        link.request(method, f"{path}?{query}" if query else path, headers=headers)
        return [link.getresponse().status, ""]
    except (OSError, http.client.HTTPException) as wrong:
        return [0, str(wrong)]
    finally:
        link.close()


def look(pid, container):
    """Return what one client is told. A network namespace is a thread's own, so clients are asked side by side."""
    told = dict(entry.partition("=")[::2] for entry in Path("/proc", pid, "environ").read_text().split("\0"))
    pairs = [(told[key], told[secret]) for key, secret in VARIABLES if told.get(key) and told.get(secret)]
    with Path("/proc", pid, "ns/net").open() as network:
        os.setns(network.fileno(), os.CLONE_NEWNET)
    place = places[container]
    mine = pairs[0] if pairs else None
    return {
        "key": mine is not None,
        "may": {
            bucket: {
                "Read": ask(place, mine, "GET", f"/{bucket}/{GONE}"),
                "Write": ask(place, mine, "DELETE", f"/{bucket}/{GONE}"),
                "List": ask(place, mine, "GET", f"/{bucket}", "list-type=2&max-keys=0"),
            }
            for bucket in buckets
        },
        "strangers": {
            "nobody": ask(place, None, "GET", "/"),
            **{f"nobody in {bucket}": ask(place, None, "GET", f"/{bucket}/{GONE}") for bucket in buckets},
            "a wrong secret": ask(
                place, mine and (mine[0], mine[1] + "x"), "GET", f"/{buckets[0]}", "list-type=2&max-keys=0"
            ),
            **{
                f"the published {pair[0]}": ask(place, pair, "GET", f"/{buckets[0]}", "list-type=2&max-keys=0")
                for pair in published
            },
        },
    }


# A unit's main process is the one that watches its container, whose first process is its child.
units = [f"{container}.service" for container in places]
shown = subprocess.run(
    ["systemctl", "show", "--property=MainPID", "--value", *units], capture_output=True, check=True
).stdout.decode()
pids = {}
for container, watcher in zip(places, shown.split(), strict=True):
    children = Path("/proc", watcher, "task", watcher, "children")
    if watcher != "0" and children.exists() and (first := children.read_text().split()):
        pids[container] = first[0]
with ThreadPoolExecutor(len(pids) or 1) as threads:
    looks = {container: threads.submit(look, pid, container) for container, pid in pids.items()}
print(json.dumps({container: each.result() for container, each in looks.items()}))
