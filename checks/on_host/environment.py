# What each container's first process was started with. Of URLs: scheme, host, whether that is the container's own
# loopback, and query, never user or password;
# of secrets: how long they are and whether they are among the values given as arguments. Plain settings as they stand.
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

published = json.loads(sys.argv[1])
plain = set(json.loads(sys.argv[2]))

running = subprocess.run(
    ["podman", "ps", "--format", "{{.Pid}} {{.Names}}"], capture_output=True, check=True
).stdout.decode()
containers = {}


def loopback(host, pid):
    if host in ("127.0.0.1", "localhost"):
        return True
    names = Path("/proc", pid, "root/etc/hosts")
    lines = [line.partition("#")[0].split() for line in names.read_text().splitlines()] if names.exists() else []
    found = [words[0] for words in lines if host in words[1:]]
    return bool(found) and all(address.startswith("127.") for address in found)


for line in running.splitlines():
    pid, name = line.split()
    settings, urls, lengths, defaults = {}, {}, {}, []
    for entry in Path("/proc", pid, "environ").read_text(errors="replace").split("\0"):
        variable, _, value = entry.partition("=")
        parts = urlsplit(value) if "://" in value else None
        secret = re.search("SECRET|SALT|PASSWORD|TOKEN|KEY|CREDENTIAL", variable)
        if (parts.password if parts else value if secret else None) in published:
            defaults.append(variable)
        if variable in plain:
            settings[variable] = value
        if parts:
            query = "&".join(part for part in parts.query.split("&") if not re.search("pass|secret|user", part))
            at = parts.hostname or ""
            urls[variable] = {"scheme": parts.scheme, "host": at, "query": query, "own": loopback(at, pid)}
        # The id of a key is a name, and whether a secret is taken is a yes or no.
        elif secret and value and not re.search("_KEY_ID$|_ALLOW_", variable):
            lengths[variable] = len(value)
    containers[name] = {"settings": settings, "urls": urls, "lengths": lengths, "defaults": defaults}
print(json.dumps(containers))
