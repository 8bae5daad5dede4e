#!/usr/bin/env python3
"""The one command. Prepares its own virtual environment if needed, then hands over to `hedgerow`.

Only the standard library is used here, and only what Python 3.9 understands: an old interpreter must still be able
to say what is missing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("HEDGEROW_VENV") or HERE / ".venv")
REQUIREMENTS = HERE / "requirements.txt"
MARKER = ENVIRONMENT / ".hedgerow-requirements"
CANDIDATES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3")
OLDEST = (3, 11)


def main() -> None:
    """Make the environment once, then become `python -m hedgerow` in it."""
    if not ready():
        prepare()
    python = str(ENVIRONMENT / "bin" / "python")
    environment = dict(os.environ, PYTHONPATH=str(HERE), HEDGEROW_COMMAND=sys.argv[0])
    try:
        os.execve(python, [python, "-m", "hedgerow", *sys.argv[1:]], environment)  # noqa: S606 (replacing ourselves is the point)
    except OSError as error:
        stop(
            f"{python} cannot be run by this account ({error.strerror}). "
            "Name a place of your own: HEDGEROW_VENV=~/.hedgerow-venv"
        )


def ready() -> bool:
    """Whether the environment holds just what requirements.txt asks for."""
    return MARKER.exists() and MARKER.read_text() == wanted()


def wanted() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def prepare() -> None:
    python = newest_python()
    if python is None:
        stop("Python 3.11 or newer is needed and was not found. On Debian 12 or newer: apt-get install python3")
    say(f"Preparing a Python environment of its own in {ENVIRONMENT} (once).")
    if not has_venv(python):
        install_system_package("python3-venv")
    # Made beside its place and moved, so that a killed run leaves nothing half-made. Scripts in a
    # moved environment would name the old place, so everything is installed after the move.
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    run([python, "-m", "venv", str(ENVIRONMENT)])
    run([str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)])  # fmt: skip
    MARKER.write_text(wanted())


def newest_python():
    """Return the newest usable interpreter, or None. One that is only a shim does not count.

    Nor one of the environment itself, which is about to be removed: our own then stands for what it was made from.
    """
    found = []
    for name in (getattr(sys, "_base_executable", sys.executable), *CANDIDATES):
        path = shutil.which(name)
        if path and Path(path).is_relative_to(ENVIRONMENT):
            continue
        version = ask_version(path) if path else None
        if version and version >= OLDEST:
            found.append((version, path))
    return max(found)[1] if found else None


def ask_version(path):
    try:
        answer = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.split()
    return tuple(int(word) for word in words) if answer.returncode == 0 and len(words) == 2 else None


def has_venv(python: str) -> bool:
    return subprocess.run([python, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode == 0


def install_system_package(package: str) -> None:
    """Install one Debian package; on a terminal, ask first unless --yes was given."""
    if os.geteuid() != 0:
        stop(f"The system package {package} is missing: sudo apt-get install {package}")
    if "--yes" not in sys.argv and sys.stdin.isatty():
        if input(f"The system package {package} is missing. Install it now? [y/N] ").strip().lower() != "y":
            stop(f"Then install it yourself: apt-get install {package}")
    else:
        say(f"Installing the system package {package}.")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    run(["apt-get", "update", "-qq"], environment)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], environment)


def run(words, environment=None) -> None:
    answer = subprocess.run(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if answer.returncode:
        stop(f"{' '.join(words)} failed:\n{answer.stdout[-3000:]}")


def say(text: str) -> None:
    if "--quiet" not in sys.argv:
        print(text, file=sys.stderr, flush=True)


def stop(text: str) -> None:
    print(text, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
