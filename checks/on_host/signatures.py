# What Podman, by its own account, asks of images before it takes them, and the sums of the keys that it asks with.
import hashlib
import json
import subprocess
from pathlib import Path


def podman(*words):
    return subprocess.run(["podman", *words], capture_output=True, text=True, check=True).stdout


policy = json.loads(podman("image", "trust", "show", "--raw"))
keys = {}
for scopes in policy.get("transports", {}).values():
    for requirements in scopes.values():
        for path in (each.get("keyPath") for each in requirements):
            if path and Path(path).is_file():
                keys[path] = hashlib.sha256(Path(path).read_bytes().strip()).hexdigest()
repositories = sorted({line.partition("@")[0] for line in podman("ps", "--format", "{{.Image}}").splitlines()})
print(json.dumps({"policy": policy, "keys": keys, "running": repositories}))
