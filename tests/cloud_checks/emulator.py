"""The hardened account behind an HTTPS proxy, as a process: `python -m tests.cloud_checks.emulator PORT`."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer

from moto import mock_aws, proxy

from tests.cloud_checks import account, gaps

if __name__ == "__main__":
    gaps.close()
    emulated = mock_aws()
    emulated.start()
    account.build()
    emulated.stop(remove_data=False)
    # By itself five connections wait at most, and a sixth is lost.
    ThreadingHTTPServer.request_queue_size = 128
    proxy.main(["-H", "127.0.0.1", "-p", sys.argv[1]])
