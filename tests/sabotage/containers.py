"""Ways in which a hurried administrator undoes the confinement of containers.

Not here: containers.signatures-verified (broken in tests/lab/test_images.py, where there is a mirror with signatures).
"""

UNIT = "/etc/containers/systemd/hedgerow-capture.container"
IMAGE = f"image=$(sed -n s/^Image=//p {UNIT})"
# Waits until the service says that it is well, which is a control of its own and is to hold.
RESTART = (
    "systemctl daemon-reload; systemctl restart hedgerow-capture.service;"
    " timeout 30 sh -c 'until podman healthcheck run hedgerow-capture >/dev/null; do sleep 0.2; done'"
)


def unit(expression: str) -> str:
    """Return the command that edits one service's unit and starts it anew."""
    return f"sed -i '{expression}' {UNIT}; {RESTART}"


def add(line: str) -> str:
    """Return the command that adds a line to one service's container and starts it anew."""
    return f'sed -i "/^\\[Container\\]/a {line}" {UNIT}; {RESTART}'


TOGETHER = True

SABOTAGE = {
    "containers.images-by-digest": (
        f"{IMAGE}; podman tag $image ${{image%@*}}:latest; sed -i '/^Image=/s/@.*/:latest/' {UNIT}; {RESTART}"
    ),
    "containers.read-only": unit("s/^ReadOnly=true/ReadOnly=false/"),
    "containers.no-capabilities": unit("s/^DropCapability=all/AddCapability=NET_RAW/"),
    "containers.no-new-privileges": unit("s/^NoNewPrivileges=true/NoNewPrivileges=false/"),
    "containers.apparmor-confined": add("PodmanArgs=--security-opt=apparmor=unconfined"),
    "containers.not-root": unit("s/^User=.*/User=0/"),
    "containers.no-published-ports": add("PublishPort=3001:3000"),
    "containers.memory-bounded": unit("/--memory=/d"),
    "containers.own-namespaces": unit("s/--ipc=private/--ipc=host/"),
    "containers.mounts-listed": add("Volume=/var/log:/srv:ro"),
    "containers.logs-kept": unit("s/^LogDriver=.*/LogDriver=none/"),
    "containers.no-egress": "nft insert rule inet hedgerow forward ip saddr 10.90.0.0/24 accept",
    # Where br_netfilter is loaded the other table still sees what passes a bridge, so both have to give way.
    "containers.kept-apart": (
        "nft flush table bridge hedgerow; nft delete chain bridge hedgerow forward;"
        " nft insert rule inet hedgerow forward ip saddr 10.90.0.0/24 ip daddr 10.90.0.0/24 tcp dport 1-65535 accept"
    ),
    "containers.no-api-socket": "systemctl unmask podman.socket; systemctl enable --now podman.socket",
    "containers.secrets-not-inspectable": (
        "value=$(podman secret inspect --showsecret -f '{{.SecretData}}' hedgerow-web-license-secret-key); "
        + add("Environment=COPY=$value")
    ),
    "containers.no-strangers": f"{IMAGE}; podman create --name intern $image >/dev/null",
}

COMPANIONS = {
    # The firewall's rules are what holds a container in.
    "containers.no-egress": {"firewall.forward-dropped", "containers.kept-apart", "posthog.mail-relay"},
}
