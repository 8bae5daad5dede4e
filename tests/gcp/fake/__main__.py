"""`python -m tests.gcp.fake [PORT] [FOLDER] [ADDRESS]`: print the environment that leads here; serve until stopped."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from . import answering, discovery
from .identity import Identity
from .running import environment
from .serving import Server
from .world import World


def main() -> None:
    """Serve."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="gcp-"))
    discovery.warm()
    world = World(waiting=sys.argv[3] if len(sys.argv) > 3 else "")
    answering.begin(world)
    identity = Identity(folder)
    server = Server(world, identity, port)
    for name, value in environment(server.server_port, folder).items():
        print(f"export {name}={value}", flush=True)
    print(flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
