"""Ways in which a hurried administrator undoes object storage's protection."""

HOME = "/etc/hedgerow/objectstore"
RESTART = (
    "systemctl restart hedgerow-seaweedfs.service;"
    " timeout 60 sh -c 'until podman healthcheck run hedgerow-seaweedfs >/dev/null; do sleep 0.5; done'"
)

TOGETHER = True

SABOTAGE = {
    # "An old client cannot connect."
    "objects.tls-only": f"sed -i '/min_version/s/1.2/1.0/' {HOME}/security.toml; {RESTART}",
    # The neighbour's certificate: of the right authority, for another name. Its own health question fails with it.
    "objects.certificate": (
        f"cd /etc/hedgerow/eventlog; cat server.crt >{HOME}/server.crt; cat server.key >{HOME}/server.key;"
        " systemctl restart --no-block hedgerow-seaweedfs.service; sleep 8"
    ),
    "objects.least-privilege": f'sed -i \'s/"Read:posthog"/"Read"/\' {HOME}/identities.json; {RESTART}',
}

COMPANIONS = {
    # Clients verify the name, so nobody gets an answer; and a container that is not well is none that others wait for.
    "objects.certificate": {"posthog.healthy", "objects.least-privilege"},
}
