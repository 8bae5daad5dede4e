"""The verb `upgrade`: rehearse a new release or new images."""

from __future__ import annotations

import argparse

from hedgerow import rehearsing
from hedgerow.console import Reporter
from hedgerow.errors import CallError

Given = argparse.Namespace


def upgrade(given: Given, report: Reporter) -> int:
    """Rehearse what is declared now, away from the deployment itself."""
    if given.rehearse:
        return rehearsing.rehearse(given, report)
    raise CallError("only `upgrade --rehearse` is in this release", "Rehearse, then `backup now`, then `install`.")


def add_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what `upgrade` is told."""
    sub.add_argument("--rehearse", action="store_true", help="try it with the newest backup on a host made for that")
