"""The child of a verify run: one host and one channel, or one cloud's account; pytest over checks/ in this process.

The sheet and the controls come in as one JSON line on standard input. On standard output each
line is one JSON object: a finding's fields, {"unreachable": why} when there is no channel, and
{"end": true} last. pytest itself talks to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hedgerow.channel import Channel, CouldNotAsk
from hedgerow.checking import REASON_LENGTH, shorten
from hedgerow.sheet import from_json
from hedgerow.verify_plugin import Findings, Run

if TYPE_CHECKING:
    from hedgerow import aws_reading, gcp_reading
    from hedgerow.cloud_sheet import CloudSheet

CLOUDS = ("aws", "gcp")
"""The kinds of targets whose account is asked beside the hosts; the folders of checks that ask it have their names."""


def main() -> int:
    """Verify one host or cloud. Returns 0 also when controls fail: the findings say so."""
    order = json.loads(sys.stdin.readline())
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever pytest or a check prints goes to standard error
    # Nobody's plugins, which happen to be in the environment: they cost a start, and may change what a check is.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    def emit(words: dict[str, Any]) -> None:
        out.write(json.dumps(words) + "\n")
        out.flush()

    if order.get("cloud"):
        from hedgerow.cloud_sheet import CloudSheet  # noqa: PLC0415 - reads declarations, which no host needs

        cloud = CloudSheet.from_plain(order["sheet"])
        emit(ask_cloud(cloud, reader_of(cloud), order, emit))
        return 0
    sheet = from_json(json.dumps(order["sheet"]))
    channel = Channel.to(sheet.host, sheet.known_hosts)
    from hedgerow.testinfra_backend import host_over  # noqa: PLC0415 - loads while the connection is made

    try:
        channel.prove()
    except CouldNotAsk as reason:
        emit({"unreachable": shorten(str(reason), REASON_LENGTH)})
        return 0
    run = Run(sheet, host_over(channel, sheet.host.name), frozenset(order["controls"]), emit)
    try:
        pytest.main(arguments(Path(order["checks"])), plugins=[Findings(run)])
    finally:
        channel.close()
    emit({"end": True, "broken": run.broken})
    return 0


def reader_of(sheet: CloudSheet) -> aws_reading.Reader | gcp_reading.Reader:
    """Return who reads the account, with the credentials that the environment gives."""
    from hedgerow.cloud_sheet import GcpSheet  # noqa: PLC0415 - as above

    if isinstance(sheet, GcpSheet):
        from hedgerow import gcp_reading  # noqa: PLC0415 - Google's library, which no host needs

        return gcp_reading.Reader.of(sheet)
    from hedgerow import aws_reading  # noqa: PLC0415 - boto3, which no host needs

    return aws_reading.Reader.of(sheet)


def ask_cloud(
    sheet: CloudSheet,
    reader: aws_reading.Reader | gcp_reading.Reader,
    order: dict[str, Any],
    emit: Callable[[dict[str, Any]], None],
) -> dict[str, Any]:
    """Ask one account, emit its findings, and return the last word."""
    run = Run(sheet, reader, frozenset(order["controls"]), emit)
    pytest.main(arguments(Path(order["checks"]), sheet.kind), plugins=[Findings(run)])
    return {"end": True, "broken": run.broken}


def arguments(checks: Path, cloud: str = "") -> list[str]:
    """Return pytest's arguments: our checks of hosts or of a cloud, nobody's settings, words rather than rewritten
    asserts."""
    return [
        *([str(checks / cloud)] if cloud else [str(checks), *(f"--ignore={checks / one}" for one in CLOUDS)]),
        f"--rootdir={checks.parent}",
        "-c/dev/null",
        "-pno:cacheprovider",
        "-pno:faulthandler",
        "-pno:unittest",
        "-pno:doctest",
        "-q",
        "--no-header",
        "--no-summary",
        "--tb=no",
        "--assert=plain",
        "--continue-on-collection-errors",
    ]


if __name__ == "__main__":
    sys.exit(main())
