# Where a Podman secret's value can be read by looking at a container, its unit or a command line. Prints names only.
import json
import subprocess
from pathlib import Path


def podman(*words):
    return subprocess.run(["podman", *words], capture_output=True, check=True).stdout.decode()


names = podman("secret", "ls", "-q", "--format", "{{.Name}}").split()
kept = json.loads(podman("secret", "inspect", "--showsecret", *names)) if names else []
containers = podman("ps", "-aq").split()
places = {"podman inspect": podman("container", "inspect", *containers) if containers else ""}
for folder, pattern in (
    ("/etc/containers/systemd", "**/*"),
    ("/run/systemd/generator", "*.service"),
    ("/etc/systemd/system", "**/*"),
    ("/proc", "[0-9]*/cmdline"),
):
    for path in Path(folder).glob(pattern):
        try:
            places[str(path)] = path.read_text(errors="replace")
        except (IsADirectoryError, FileNotFoundError, ProcessLookupError):
            continue  # a folder, a link to nowhere, or a process that has ended

# JSON text, as inspect prints it, escapes what a unit file does not.
found = [
    f"{secret['Spec']['Name']} in {place}"
    for secret in kept
    for place, text in places.items()
    if len(secret["SecretData"]) >= 8
    and (secret["SecretData"] in text or json.dumps(secret["SecretData"])[1:-1] in text)
]
print(json.dumps({"secrets": len(kept), "containers": len(containers), "places": len(places), "found": found}))
