"""What each verb does, as the command line calls it: walk the flow, print the result, return the exit code."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import sleep as pause

import argcomplete

from hedgerow import auditing, flow, installing, looking, people, planning, prerequisites, printing, proof
from hedgerow import init as guide
from hedgerow import ssh as ssh_client
from hedgerow.catalog import SEVERITIES, Catalog, catalog_of
from hedgerow.console import Reporter
from hedgerow.declaration.schema import text as schema_text
from hedgerow.deployment import REPOSITORY, Deployment, write_file
from hedgerow.errors import EXIT_CONTROL_FAILED, EXIT_DONE, EXIT_UNREACHABLE, CallError, HedgerowError
from hedgerow.evidence.formats import FORMATS
from hedgerow.findings import Finding
from hedgerow.hosts import Host, Site
from hedgerow.image_lock import ImageLock
from hedgerow.images import unlocked
from hedgerow.installing import exit_code
from hedgerow.smoke.browser import sdk as browser_sdk
from hedgerow.targets.cloud.permitting import Permitted

DEMO = REPOSITORY / "inventories" / "demo" / "deploy.yml"
Given = argparse.Namespace


def preflight(given: Given, report: Reporter) -> int:
    """Find what would make an install fail."""
    work = flow.open_work(given.reference)
    if given.iam_policy:
        if not isinstance(work.target, Permitted):
            raise CallError("only a target in a cloud has an IAM policy", "Leave out --iam-policy.")
        sys.stdout.write(work.target.policy())
        return EXIT_DONE
    with report.phase("preflight", "preflight"):
        packages = prerequisites.missing(prerequisites.of_target(work.declaration.target))
        problems = [f"system packages are missing here: {', '.join(packages)} (install gets them)"] if packages else []
        problems += [] if packages else work.target.preflight()
        running = all(state.state == "running" for state in work.target.observe())
        unreachable = bool(problems) and work.declaration.target.kind == "onprem"
        if running and not problems:
            problems += flow.obstacles(work, work.target.site())
        problems += filter(None, [flow.backwards(work)])
        problems += unlocked(work.declaration, ImageLock.read(work.deployment.root))
    notes = people.ending(work.declaration.access.administrators, datetime.now(UTC).date())
    printing.preflight(report, problems, notes, as_json_=given.json)
    if unreachable:
        return EXIT_UNREACHABLE
    return CallError.exit_code if problems else EXIT_DONE


def plan(given: Given, report: Reporter) -> int:
    """Show what an install would change."""
    work = flow.open_work(given.reference)
    printing.plan(report, planning.plan(work, report), as_json_=given.json)
    return EXIT_DONE


def verify(given: Given, report: Reporter) -> int:
    """Run the checks and write the evidence; with `given.watch` again and again, until somebody ends it."""
    if given.iam_policy:
        return _reading_policy()
    if given.iam_role:
        return _reading_role()
    if given.control and given.format:
        raise CallError("a run over a few controls is a look and leaves no files", "Leave out --control or --format.")
    if given.watch is None:
        return _verify(given, report)
    return watch(lambda: _verify(given, report), given.watch, report, pause)


def _reading_policy() -> int:
    from hedgerow.aws_reading import policy  # noqa: PLC0415 - boto3, which no other verb should wait for

    printing.as_json(policy())
    return EXIT_DONE


def _reading_role() -> int:
    from hedgerow.gcp_reading import role  # noqa: PLC0415 - Google's library, which no other verb should wait for

    printing.as_json(role())
    return EXIT_DONE


def watch(once: Callable[[], int], seconds: int, report: Reporter, rest: Callable[[float], None]) -> int:
    """Do it now and then every so many seconds, and never return. What stops the first round stops the watch; a later
    one is reported, and the next is tried: a deployment may be worked on just then."""
    once()
    while True:
        rest(seconds)
        try:
            once()
        except HedgerowError as error:
            report.problem(error)


def _verify(given: Given, report: Reporter) -> int:
    work = flow.open_work(given.reference, judge_files=False)
    with work.deployment.lock("verify"):
        site = work.target.site()
        folder = None
        if given.control:  # a run over a few controls is a look, not evidence of the whole
            verified = proof.verify_hosts(work, site, report, given.control)
        else:
            verified = proof.compared(work, proof.verify_whole(work, site, report))
            folder = proof.write_evidence(work, site, verified, also=given.format)
        counted = at_least(verified.findings, given.fail_on, catalog_of(work.declaration.target.kind))
        code = exit_code(counted)
        work.deployment.record("verify", "done" if code == EXIT_DONE else f"exit {code}", seconds=verified.seconds)
    files = {name: folder / FORMATS[name].file for name in given.format} if folder else {}
    printing.verified(report, verified, folder, files, work.declaration.waivers, as_json_=given.json)
    if len(counted) < len(verified.findings):
        report.note(
            f"Below --fail-on {given.fail_on}, and not counted: {len(verified.findings) - len(counted)} failed."
        )
    return code


def smoke(given: Given, report: Reporter) -> int:
    """Send events and read them back."""
    work = flow.open_work(given.reference, judge_files=False)
    if not work.declaration.posthog.deploy:
        raise CallError("PostHog is not deployed here (posthog.deploy is false)", "There is nothing to smoke-test yet.")
    sdk = None
    if given.browser:
        prerequisites.provide(prerequisites.BROWSER, yes=given.yes, say=report.note)
        sdk = browser_sdk.provide(report.say)
    smoked = proof.smoke_test(work, work.target.site(), report, sdk)
    printing.smoked(report, smoked, as_json_=given.json)
    return EXIT_DONE if smoked.ok else EXIT_CONTROL_FAILED


def status(given: Given, report: Reporter) -> int:
    """Say which hosts there are, whether they answer, and what is not well: 3 where one is silent, else 1."""
    work = flow.open_work(given.reference, judge_files=False)
    seen = looking.status(work)
    printing.status(report, seen, as_json_=given.json)
    if not seen.hosts or not all(host.reachable for host in seen.hosts):
        return EXIT_UNREACHABLE
    return EXIT_CONTROL_FAILED if any(host.unwell for host in seen.hosts) else EXIT_DONE


def report(given: Given, report: Reporter) -> int:
    """Print the last evidence again or its matrix of the Security Rule, or make or prove a bundle of it."""
    if given.verify_bundle:
        return auditing.verify_bundle(given, report)
    if given.reference is None:
        raise CallError("which deployment?", "Name it, or its deploy.yml.")
    if given.bundle:
        return auditing.bundle(given, report)
    if given.coverage and given.output:
        raise CallError("the matrix goes to standard output", "Leave out --output, and lead it into a file.")
    work = flow.open_work(given.reference, judge_files=False)
    last = proof.last_evidence(work.deployment, catalog_of(work.declaration.target.kind))
    if given.coverage:
        printing.coverage(report, last, as_json_=given.json)
        return EXIT_DONE
    chosen = FORMATS[given.format]
    if given.output is not None:
        write_file(given.output, chosen.render(last))
        report.note(f"Written: {given.output}")
    elif chosen.is_text or not sys.stdout.isatty():
        said = chosen.render(last)
        sys.stdout.buffer.write(said.encode() if isinstance(said, str) else said)
    else:
        raise CallError(f"{given.format} is not for a terminal", f"Say --output {chosen.file}.")
    return EXIT_DONE


def ssh(given: Given, report: Reporter) -> int:
    """Run a command as root on a host, with our standard input and output; without one, open a shell."""
    work = flow.open_work(given.reference, judge_files=False)
    host = host_named(work.target.site(), given.host)
    shell = ["sudo", "-i"] if not given.remote else ["sudo", "--", "sh", "-c", ssh_client.quoted(given.remote)]
    terminal = ["-t"] if not given.remote and sys.stdin.isatty() else []
    line = ssh_client.command(host, work.deployment.known_hosts)
    return subprocess.run([line[0], *terminal, *line[1:], "--", *shell], check=False).returncode


def host_named(site: Site, name: str) -> Host:
    """Return the host of that name. Raises CallError."""
    for host in site.hosts:
        if host.name == name:
            return host
    raise CallError(f'there is no host "{name}"', f"There are: {', '.join(host.name for host in site.hosts)}.")


def images(given: Given, report: Reporter) -> int:
    """Lock, mirror, save or load a deployment's images; `given.action` says which."""
    from hedgerow import imaging  # noqa: PLC0415 - a client of registries, which no other verb should wait for

    work = flow.open_work(given.reference, judge_files=False)
    verb = f"images {given.action}"
    with work.deployment.lock(verb), report.phase("images", f"{verb}: every digest checked"):
        match given.action:
            case "lock":
                made = imaging.lock_images(work, report.say, update=given.update)
            case "mirror":
                made = imaging.mirror_images(work, given.to, report.say)
            case "save":
                made = imaging.save_images(work, given.archive, report.say)
            case _:
                made = imaging.load_images(work, given.archive, report.say)
        work.deployment.record(verb, "done", images={key: row.reference for key, row in made.images.items()})
    printing.images(report, made, as_json_=given.json)
    return EXIT_DONE


def demo(given: Given, report: Reporter) -> int:
    """The lab from end to end."""
    deployment = Deployment("demo")
    given.reference = "demo" if deployment.exists() else str(DEMO)
    return installing.install(given, report)


def init(given: Given, report: Reporter) -> int:
    """Write a commented deploy.yml."""
    return guide.run(given, report)


def add_init_arguments(sub: argparse.ArgumentParser) -> None:
    """Add what `init` can be told instead of asking."""
    guide.add_arguments(sub)


def completion(given: Given, report: Reporter) -> int:
    """Print the completion script of a shell."""
    name = Path(os.environ.get("HEDGEROW_COMMAND", "installer.py")).name
    sys.stdout.write(argcomplete.shellcode([name], shell=given.shell))
    return EXIT_DONE


def schema(given: Given, report: Reporter) -> int:
    """Print the JSON Schema of deploy.yml."""
    sys.stdout.write(schema_text())
    return EXIT_DONE


def at_least(findings: tuple[Finding, ...], severity: str, catalog: Catalog) -> tuple[Finding, ...]:
    """Leave out failures of controls that are less severe; what could not be asked stays, however severe it is."""
    wanted = SEVERITIES[SEVERITIES.index(severity) :]
    return tuple(
        finding
        for finding in findings
        if finding.status != "fail" or catalog.control(finding.control).severity in wanted
    )
