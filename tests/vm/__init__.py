"""The VM lab: what only a host with a kernel of its own can show. `make test-vm`; not a part of `make test`."""
