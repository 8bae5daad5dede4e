"""The verbs that an auditor asks for: what was, what a control is, a bundle of it all.

They ask no host.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from hedgerow import explaining, flow, inventory, printing, printing_audit, proof, requirements
from hedgerow.bundle import Files, contents, sbom, sealing, signing
from hedgerow.catalog import catalog_of, whole_catalog
from hedgerow.console import Reporter
from hedgerow.deployment import Deployment, now
from hedgerow.errors import EXIT_DONE, CallError
from hedgerow.evidence import Evidence
from hedgerow.evidence.formats import FORMATS
from hedgerow.history import runs
from hedgerow.image_lock import ImageLock
from hedgerow.images import release_of

Given = argparse.Namespace


def history(given: Given, report: Reporter) -> int:
    """Show the kept runs, and each control that did not hold in one of them."""
    work = flow.open_work(given.reference, judge_files=False)
    found = runs(work.deployment.evidence, catalog_of(work.declaration.target.kind), given.runs)
    if not found:
        raise CallError(f"{work.deployment.name} has no evidence yet", "Run verify first.")
    if given.json:
        printing.as_json(printing_audit.history_json(found, given.control))
        return EXIT_DONE
    report.out.print(printing_audit.history_runs(found))
    rows = printing_audit.statuses(found, given.control)
    if rows:
        report.out.print()
        report.out.print(printing_audit.history_controls(rows))
        report.out.print(printing_audit.LEGEND, markup=False)
    else:
        report.out.print("Nothing failed, was waived or could not be asked in these runs.")
    return EXIT_DONE


def explain(given: Given, report: Reporter) -> int:
    """Print everything that is known about a control, or what answers a requirement."""
    if asked := next((each for each in requirements.requirements() if each.id == given.id), None):
        if given.json:
            printing.as_json(asked.as_json())
            return EXIT_DONE
        for line in printing_audit.requirement(asked, whole_catalog()):
            report.out.print(line, markup=False)
        return EXIT_DONE
    found = explaining.explain(given.id, whole_catalog())
    if given.json:
        printing.as_json(found.as_json())
        return EXIT_DONE
    for line in printing_audit.explained(found):
        report.out.print(line, markup=False)
    return EXIT_DONE


def bundle(given: Given, report: Reporter) -> int:
    """Write the last evidence and everything around it as one signed archive."""
    work = flow.open_work(given.reference, judge_files=False)
    with work.deployment.lock("report --bundle"):
        evidence = proof.last_evidence(work.deployment, catalog_of(work.declaration.target.kind))
        made = sealing.make(work.deployment, files_of(work, evidence), now(), given.bundle, given.key)
        work.deployment.record("report --bundle", "done", number=made.number, manifest=made.sum)
    if given.json:
        printing.as_json({"bundle": str(given.bundle), "number": made.number, "manifest": made.sum})
        return EXIT_DONE
    report.out.print(f"Bundle {made.number}: {given.bundle}, {len(made.sums)} files", markup=False)
    report.out.print(f"  Who may check it needs {work.deployment.allowed_signers}, by another way.", markup=False)
    return EXIT_DONE


def files_of(work: flow.Work, evidence: Evidence) -> Files:
    """Return what a bundle of this evidence holds."""
    declaration, rendered = work.declaration, contents.rendered(work.deployment)
    release = release_of(declaration) if declaration.posthog.deploy else ""
    lock = ImageLock.read(work.deployment.root)
    stock = work.deployment.evidence / "latest" / inventory.FILE
    installed = inventory.from_text(stock.read_text(encoding="utf-8")) if stock.exists() else {}
    silent = [name for name, _, _ in evidence.hosts if name not in installed]
    parts = sbom.Parts(sbom.images(rendered, lock), sbom.packages(), installed, silent)
    listed = sbom.document(declaration.name, evidence.started, release, parts)
    documents = {f"evidence/{each.file}": _bytes(each.render(evidence)) for each in FORMATS.values()}
    kept = contents.people(work.deployment) | contents.drills(work.deployment)
    return {**documents, **kept, **rendered, **contents.journal(work.deployment), "sbom.cdx.json": listed}


def _bytes(rendered: str | bytes) -> bytes:
    return rendered.encode() if isinstance(rendered, str) else rendered


def verify_bundle(given: Given, report: Reporter) -> int:
    """Prove that a bundle is whole, signed by a trusted key and, with `given.after`, the next in the chain."""
    allowed, identity = _trusted(given.reference, given.key)
    after = _content(given.after) if given.after else None
    proven = sealing.prove(_content(given.verify_bundle), allowed, identity, after)
    if given.json:
        printing.as_json(proven.as_json())
        return EXIT_DONE
    stated = proven.manifest
    report.out.print(
        f"Bundle {stated.number} of {stated.deployment}, made {stated.made}: as it was signed", markup=False
    )
    report.out.print(f"  {proven.files} files, none changed, added or removed. {proven.signer}", markup=False)
    if stated.number > 1 and not after:
        report.out.print(f"  It follows bundle {stated.number - 1}; prove that with --after.", markup=False)
    return EXIT_DONE


def _trusted(reference: str | None, key: Path | None) -> tuple[str, str]:
    """Return whom to trust: the text of an allowed_signers file, and the name in it. Raises CallError."""
    if key:
        return signing.allow("signer", signing.public_half(key)), "signer"
    if reference is None:
        raise CallError("whose signature?", "Name the deployment, or with --key the public key that you trust.")
    # Of a destroyed deployment nothing is left but its records, which are enough.
    named = Deployment(reference)
    deployment = named if named.allowed_signers.exists() else flow.open_work(reference, judge_files=False).deployment
    if not deployment.allowed_signers.exists():
        raise CallError(f"{deployment.name} has signed no bundle yet", "Name the public key that you trust with --key.")
    return deployment.allowed_signers.read_text(encoding="utf-8"), deployment.name


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CallError(f"{path} cannot be read: {error.strerror}") from None
