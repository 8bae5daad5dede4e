"""The command line: parsing, dispatch, exit codes. What a verb does is in `flow`, how it looks in `printing`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import argcomplete

from hedgerow import (
    __version__,
    admitting,
    auditing,
    drilling,
    ending,
    installing,
    keeping,
    printing,
    rotating,
    upgrading,
    verbs,
)
from hedgerow.catalog import SEVERITIES
from hedgerow.console import Reporter
from hedgerow.errors import EXIT_INTERRUPTED, HedgerowError
from hedgerow.evidence.formats import FORMATS
from hedgerow.history import SHOWN

EXIT_CODES = """exit codes:
  0    done, and every control that could be exercised holds
       (verify --fail-on SEVERITY: none of that severity or worse fails)
  1    a control fails, or the smoke test does, status finds something not well, a bundle is not as it was signed,
       or an upgrade failed and what was there before it runs again
  2    the declaration or the call is wrong; nothing was touched
  3    a host or a registry refused or could not be reached, or a control could not be asked
  4    converge failed
  130  interrupted; the same command again finishes the work
"""
REFERENCE = "a deployment's name, or a deploy.yml"


def parser() -> argparse.ArgumentParser:
    """Return the whole command line; shell completion is generated from it too."""
    top = argparse.ArgumentParser(
        prog=Path(os.environ.get("HEDGEROW_COMMAND", "installer.py")).name,
        description="Deploy a hardened, self-hosted PostHog from one declaration, and prove that it is hardened.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"hedgerow {__version__}")
    verbs_ = top.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(
        name: str, run: Callable[..., int], text: str, *, reference: bool = True, among: Any = verbs_
    ) -> argparse.ArgumentParser:
        sub = among.add_parser(
            name, help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if reference:
            sub.add_argument("reference", metavar="NAME|deploy.yml", help=REFERENCE)
        sub.add_argument("--quiet", action="store_true", help="say nothing but problems and the result")
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.set_defaults(run=run)
        return sub

    init = verb("init", verbs.init, "write a commented deploy.yml, asking what it needs to know", reference=False)
    verbs.add_init_arguments(init)
    _add_iam_policy(
        verb("preflight", verbs.preflight, "find everything that would make an install fail, before it starts")
    )
    verb("plan", verbs.plan, "show what an install would change, and touch nothing")
    install = verb("install", installing.install, "provision, converge, verify and smoke; safe to repeat")
    _add_yes(install)
    _add_verify(verb("verify", verbs.verify, "run the checks and write the evidence"))
    smoke = verb("smoke", verbs.smoke, "send events with PostHog's own SDK and read them back")
    smoke.add_argument("--browser", action="store_true", help="also with the browser SDK, in a headless Chromium")
    _add_yes(smoke)
    verb("status", verbs.status, "say which hosts there are and whether they can be reached")
    text = "print the last evidence again, in a chosen format, or make or prove a bundle of it"
    report = verb("report", verbs.report, text, reference=False)
    _add_bundle(report)
    what = report.add_mutually_exclusive_group()
    what.add_argument("--format", choices=tuple(FORMATS), default="json")
    what.add_argument(
        "--coverage", action="store_true", help="print what answers each paragraph of the Security Rule instead"
    )
    report.add_argument("--output", type=Path, metavar="FILE", help="write it there instead of to standard output")
    _add_looking_back(verb)
    ssh = verb("ssh", verbs.ssh, "run a command as root on a host, or open a shell there")
    ssh.add_argument("host", metavar="HOST")
    ssh.usage = f"{top.prog} ssh [-h] NAME|deploy.yml HOST [-- COMMAND ...]"
    _add_images(verbs_, verb)
    _add_backup(verbs_, verb)
    _add_rotate(
        verb("rotate", rotating.rotate, "replace secrets and certificates, and have the hosts use the new ones")
    )
    text = "rehearse a new release or new images on a host made for it, or bring them up; go back where they fail"
    upgrading.add_arguments(verb("upgrade", upgrading.upgrade, text))
    _add_users(verbs_, verb)
    ending.add_arguments(
        verb("destroy", ending.destroy, "end what a deployment made, and write down what became of it")
    )
    demo = verb("demo", verbs.demo, "the lab from end to end: boot, install, verify, smoke, report", reference=False)
    _add_yes(demo)
    completion = verb("completion", verbs.completion, "print the completion script for a shell", reference=False)
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    verb("schema", verbs.schema, "print the JSON Schema of deploy.yml, for editors", reference=False)
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    command = parser()
    if "_ARGCOMPLETE" in os.environ:
        argcomplete.autocomplete(command)
    words, remote = _split(arguments)
    given = command.parse_args(words)
    given.remote = remote
    report = Reporter(quiet=given.quiet)
    try:
        return given.run(given, report)
    except HedgerowError as error:
        if given.json:
            printing.error_json(error)
        report.problem(error)
        return error.exit_code
    except KeyboardInterrupt:
        report.err.print("Interrupted. The same command again finishes the work.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody left to tell.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (kept open until exit)
        return 0


def _add_looking_back(verb: Callable[..., argparse.ArgumentParser]) -> None:
    history = verb("history", auditing.history, "show what each control was, run by run")
    history.add_argument("--runs", type=_whole, default=SHOWN, metavar="N", help=f"the newest N runs (default {SHOWN})")
    history.add_argument(
        "--control", action="append", default=[], metavar="ID", help="this control, whatever it was; may be repeated"
    )
    text = "print everything that is known about a control, or what answers a technical requirement"
    explain = verb("explain", auditing.explain, text, reference=False)
    explain.add_argument("id", metavar="CONTROL", help="ssh.no-root, or a row of checks/requirements.yml")


def _add_rotate(rotate: argparse.ArgumentParser) -> None:
    rotate.add_argument(
        "secret", nargs="*", metavar="SECRET", help='tls.edge, all below "tls", or "all"; none: list them'
    )


def _add_images(verbs_: Any, verb: Callable[..., argparse.ArgumentParser]) -> None:
    text = "lock, mirror, save or load the images that hosts run"
    images = verbs_.add_parser(
        "images", help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = images.add_subparsers(dest="action", metavar="ACTION", required=True)
    lock = verb("lock", verbs.images, "resolve each image to a digest, once, and write it down", among=actions)
    lock.add_argument("--update", action="store_true", help="resolve again what is locked already")
    mirror = verb("mirror", verbs.images, "copy every locked image to a registry of yours", among=actions)
    mirror.add_argument("--to", required=True, metavar="REGISTRY/PREFIX", help="hosts pull from there afterwards")
    for name, words in (
        ("save", "write every locked image into one OCI archive"),
        ("load", "check an archive and have hosts get their images from it"),
    ):
        action = verb(name, verbs.images, words, among=actions)
        action.add_argument("--archive", required=True, type=Path, metavar="FILE", help="the archive")


def _add_verify(check: argparse.ArgumentParser) -> None:
    check.add_argument(
        "--control", action="append", default=[], metavar="ID", help="only this control; may be given several times"
    )
    check.add_argument(
        "--format", type=_formats, default=(), metavar="FORMAT,...", help=f"also write these: {', '.join(FORMATS)}"
    )
    check.add_argument(
        "--fail-on",
        choices=SEVERITIES,
        default=SEVERITIES[0],
        help="exit 1 only for failures of this severity or worse; what could not be asked is exit 3 all the same",
    )
    check.add_argument(
        "--iam-policy", action="store_true", help="print what credentials must be allowed to verify on AWS; ask nothing"
    )
    text = "print the custom role that credentials must have to verify in Google Cloud; ask nothing"
    check.add_argument("--iam-role", action="store_true", help=text)
    check.add_argument("--watch", type=_whole, metavar="SECONDS", help="again that long after each run, until ended")


def _add_backup(verbs_: Any, verb: Callable[..., argparse.ArgumentParser]) -> None:
    text = "make, list or read back the backups of a deployment"
    backup = verbs_.add_parser(
        "backup", help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = backup.add_subparsers(dest="action", metavar="ACTION", required=True)
    verb("now", keeping.backup, "make one now, and read it back", among=actions)
    verb("list", keeping.backup, "show what there is, what each holds and what it leaves out", among=actions)
    read = verb("verify", keeping.backup, "read one from end to end; exit 1 unless it is as it was made", among=actions)
    read.add_argument("id", nargs="?", metavar="ID", help="which one (default: the newest)")
    restore = verb("restore", keeping.restore, "put back what a backup holds, as it was then or at a moment after it")
    keeping.add_arguments(restore)
    verb("drill", drilling.drill, "restore the newest backup onto a host made for it, compare, try and end it")


def _add_users(verbs_: Any, verb: Callable[..., argparse.ArgumentParser]) -> None:
    text = "say who can reach what, review it, and let people in and out"
    users = verbs_.add_parser(
        "users", help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = users.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, words in (
        ("list", "show who can reach hosts, PostHog and database, as they answer"),
        ("review", "write the same as an access review among the evidence"),
        ("add", "write an administrator into deploy.yml and have the hosts let her in, or invite a member"),
        ("remove", "take every way in from a person, and try each; exit 1 where one is open"),
    ):
        admitting.add_arguments(verb(name, admitting.users, words, among=actions), name)


def _whole(text: str) -> int:
    """Return a number of at least one. Raises ValueError, which argparse reports."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _add_bundle(report: argparse.ArgumentParser) -> None:
    report.add_argument("reference", nargs="?", metavar="NAME|deploy.yml", help=REFERENCE)
    what = report.add_mutually_exclusive_group()
    what.add_argument("--bundle", type=Path, metavar="FILE", help="write everything an auditor needs there, signed")
    what.add_argument(
        "--verify-bundle", type=Path, metavar="FILE", help="prove a bundle; exit 1 unless it is as signed"
    )
    report.add_argument(
        "--after", type=Path, metavar="PREVIOUS", help="with --verify-bundle: the bundle it must follow"
    )
    report.add_argument(
        "--key",
        type=Path,
        metavar="KEY",
        help="with --bundle: your private key (default: one of the deployment's); with --verify-bundle: the public key",
    )


def _add_iam_policy(sub: argparse.ArgumentParser) -> None:
    text = "in a cloud: print what the installer must be allowed, as its IAM takes it, and stop"
    sub.add_argument("--iam-policy", action="store_true", help=text)


def _add_yes(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--yes", action="store_true", help="do not ask: install system packages, destroy")


def _formats(words: str) -> tuple[str, ...]:
    """Read a list of formats parted by commas. Raises ArgumentTypeError for one that there is not."""
    names = tuple(dict.fromkeys(name.strip() for name in words.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"no format {', '.join(unknown)} (there are {', '.join(FORMATS)})")
    return names


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part `ssh NAME HOST -- COMMAND` at the first --, so that the command reaches the host untouched."""
    words = list(arguments)
    if words[:1] == ["ssh"] and "--" in words:
        at = words.index("--")
        return words[:at], words[at + 1 :]
    return words, []
