"""Ways to take the host's trust in the private authority."""

SABOTAGE = {
    # The store is emptied, as a careless package does.
    "ca.trusted": ": >/etc/ssl/certs/ca-certificates.crt",
}

TOGETHER = True
