"""The verb that replaces secrets and certificates, and has the hosts use the new ones."""

from __future__ import annotations

import argparse

from hedgerow import flow, installing, printing, proof, rotation
from hedgerow.console import Reporter
from hedgerow.errors import EXIT_DONE, CallError
from hedgerow.secrets import Vault

Given = argparse.Namespace


def rotate(given: Given, report: Reporter) -> int:
    """Replace the chosen secrets, then converge, verify and smoke as an install does. Without a choice, list them.

    Events come in all the while, and the smoke test finds every one that the edge has acknowledged, or fails.
    """
    work = flow.open_work(given.reference)
    if not work.deployment.secrets.exists():
        raise CallError(f"{work.deployment.name} has no secrets yet", "Run install first.")
    vault = Vault.of(work.deployment)
    if not given.secret:
        return _list(vault.read(work.deployment.secrets), given, report)
    with work.deployment.lock("rotate"):
        tree = vault.read(work.deployment.secrets)
        gone = rotation.chosen(tree, given.secret)
        # All hosts first: one that is away now would keep the old secret while its peers have the new one.
        site = work.target.site()
        if problems := flow.obstacles(work, site, report.say):
            raise CallError("\n".join(problems), "Nothing was rotated.")
        report.note(f"Rotating {len(gone)}: {', '.join(gone)}")
        with proof.events_sent(work, site, report) as meanwhile:
            vault.write(work.deployment.secrets, rotation.forget(tree, gone))
            return installing.carry_out(work, report, given, "rotate", meanwhile, secrets=list(gone))


def _list(tree: dict[str, object], given: Given, report: Reporter) -> int:
    """Say which there are, never what they are."""
    rows = {name: rotation.why_kept(name) for name in rotation.names(tree)}
    if given.json:
        printing.as_json({"secrets": [{"name": name, "kept": why} for name, why in rows.items()]})
        return EXIT_DONE
    for name, why in rows.items():
        report.out.print(f"{name}  (not rotated: {why})" if why else name, markup=False, highlight=False)
    report.out.print("Name one, a beginning such as tls, or all, to rotate them.")
    return EXIT_DONE
