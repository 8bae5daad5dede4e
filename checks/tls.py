"""A TLS handshake on the host itself, for what the firewall shows to nobody else."""

from __future__ import annotations

from hedgerow.checking import Answer, CouldNotAsk, Finder

CA = "/etc/hedgerow/ca.crt"
DAYS_LEFT = 21
SECONDS = 60


def handshake(place: str, name: str, how: str = "") -> str:
    """Return the command of a client that verifies the server's chain and its name, three weeks from now."""
    return (
        f"timeout {SECONDS} openssl s_client -brief {how} -connect {place} -servername {name} -verify_hostname {name}"
        f" -CAfile {CA} -no-CApath -no-CAstore -verify_return_error -attime $(date -d '+{DAYS_LEFT} days' +%s)"
        " </dev/null"
    )


def ended_well(finding: Finder, answer: Answer) -> None:
    """Assert that a handshake was verified. Raises CouldNotAsk where there was nobody to shake hands with."""
    said = answer.stdout + answer.stderr
    if "CONNECTION ESTABLISHED" not in said and "verify error" not in said:
        raise CouldNotAsk(said or f"no handshake within {SECONDS} s")
    telling = [line for line in said.splitlines() if line.split(":")[0] in WORDS or "verify error" in line]
    finding.observe("; ".join(telling))
    assert answer.rc == 0 and "Verification: OK" in said, "its certificate does not prove its name"


WORDS = ("Protocol version", "Ciphersuite", "Peer certificate", "Verification", "Verified peername")
