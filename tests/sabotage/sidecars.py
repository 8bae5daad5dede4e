"""Ways in which a hurried administrator undoes the confinement of side-cars."""

TOGETHER = True

SABOTAGE = {
    "sidecars.confined": (
        "sed -i 's/^DynamicUser=true/User=root/' /etc/systemd/system/hedgerow-sidecar-capture.service;"
        " systemctl daemon-reload; systemctl restart hedgerow-sidecar-capture.service; sleep 1"
    ),
}
