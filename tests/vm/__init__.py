"""The VM lab: what only a host with a kernel of its own can show. `make test-vm`; no part of `make test`."""
