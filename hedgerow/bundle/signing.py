"""Signatures by OpenSSH (`ssh-keygen -Y`): anybody who has ssh can check one without us."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hedgerow.bundle import NAMESPACE, BundleError
from hedgerow.deployment import Deployment, write_file
from hedgerow.errors import CallError

SECONDS = 120
"""Long enough for a passphrase, or a touch on a hardware key."""


def key_of(deployment: Deployment, own: Path | None) -> Path:
    """Return the key to sign with: the operator's own, or the deployment's, made on first use (0600).

    Its public half is written where `verify` looks it up. Raises CallError.
    """
    key = own or deployment.signing_key
    if not key.exists():
        if own or deployment.allowed_signers.exists():
            raise CallError(
                f"there is no signing key {key}",
                "Put it back from where you keep its copy, or name your own with --key; bundles of the old key are "
                f"checked with its line in {deployment.allowed_signers}.",
            )
        write_file(key, _new_key(), 0o600)
    _remember(deployment, public_half(key))
    return key


def sign(key: Path, content: bytes) -> bytes:
    """Return the signature of the bytes. Raises CallError where the key cannot be used."""
    answer = _keygen(["-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE], content)
    if answer.returncode:
        raise CallError(
            f"{key} signs nothing: {_said(answer)}", "Name a private key of OpenSSH's, or one of the agent."
        )
    return answer.stdout


def verify(content: bytes, signature: bytes, allowed: str, identity: str) -> str:
    """Return who signed, in ssh-keygen's words. Raises BundleError unless an allowed key signed just these bytes."""
    with tempfile.TemporaryDirectory(prefix="hedgerow-bundle-") as folder:
        signers, kept = Path(folder) / "allowed_signers", Path(folder) / "signature"
        signers.write_text(allowed)
        kept.write_bytes(signature)
        words = ["-Y", "verify", "-f", str(signers), "-I", identity, "-n", NAMESPACE, "-s", str(kept)]
        answer = _keygen(words, content)
    if answer.returncode:
        raise BundleError(f"its MANIFEST was not signed by a key that is trusted here: {_said(answer)}")
    return answer.stdout.decode("utf-8", "replace").strip()


def allow(identity: str, public: str) -> str:
    """Return the line of an allowed_signers file for a public key (ssh-keygen(1), ALLOWED SIGNERS)."""
    return f'{identity} namespaces="{NAMESPACE}" {public}\n'


def public_half(key: Path) -> str:
    """Return a key's type and public half. Raises CallError."""
    beside = key if key.suffix == ".pub" else key.with_name(f"{key.name}.pub")
    if beside.exists():
        words = beside.read_text(encoding="utf-8", errors="replace").split()
    else:
        answer = _keygen(["-y", "-f", str(key)], b"")
        words = answer.stdout.decode("utf-8", "replace").split() if answer.returncode == 0 else []
    if len(words) < 2 or "PRIVATE" in words:
        raise CallError(f"{beside} is no public key of OpenSSH's", f"Write it with: ssh-keygen -y -f KEY >{beside}")
    return " ".join(words[:2])


def _remember(deployment: Deployment, public: str) -> None:
    line = allow(deployment.name, public)
    known = deployment.allowed_signers.read_text() if deployment.allowed_signers.exists() else ""
    if line not in known:
        write_file(deployment.allowed_signers, known + line)


def _new_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _keygen(words: Sequence[str], content: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["ssh-keygen", *words], input=content, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        raise CallError("ssh-keygen is not here", "Install openssh-client (8.2 or newer).") from None
    except subprocess.TimeoutExpired:
        raise CallError(f"ssh-keygen did not end within {SECONDS} s", "Is a passphrase or a touch asked for?") from None


def _said(answer: subprocess.CompletedProcess[bytes]) -> str:
    lines = (answer.stderr or answer.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {answer.returncode}"
