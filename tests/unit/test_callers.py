"""Client certificates for the interface: whose open it, and which is ours."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from checks import test_edge as checks
from checks.door import Reply, Request
from hedgerow import callers, pki
from hedgerow.credentials import ensure
from hedgerow.declaration import Around, Declaration, parse
from hedgerow.deployment import Deployment
from hedgerow.errors import DeclarationError
from hedgerow.outside import Outside
from tests.unit.test_posthog_settings_checks import DECLARED
from tests.unit.told import outcome

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LAB = "name: acme\ndomain: analytics.acme.example\ntarget: {kind: lab}\n"
ASKED = LAB + "access: {interface_certificates: {ca: staff.pem}}\n"
STAFF = pki.new_authority("staff", NOW)


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("HEDGEROW_DEPLOYMENTS", str(tmp_path / "deployments"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    made = Deployment("acme")
    ensure(made, {}, {"edge": ("analytics.acme.example",)}, at=NOW)
    return made


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    (tmp_path / "staff.pem").write_text(STAFF.certificate)
    return parse(ASKED, around=Around(base=tmp_path))


def test_the_edge_trusts_the_operators_authority_and_the_one_of_ours(
    deployment: Deployment, declaration: Declaration
) -> None:
    told = callers.ensure(deployment, declaration, NOW)
    theirs, ours = x509.load_pem_x509_certificates(told.encode())
    own = x509.load_pem_x509_certificate(deployment.caller_file.read_bytes())
    assert theirs == x509.load_pem_x509_certificate(STAFF.certificate.encode())
    own.verify_directly_issued_by(ours)
    inside = x509.load_pem_x509_certificate((deployment.authority / "ca.crt").read_bytes())
    assert inside != ours, "a service's certificate must not open the interface"
    assert stat.S_IMODE(deployment.caller_file.stat().st_mode) == 0o600
    assert callers.certificate_file(deployment, declaration) == deployment.caller_file
    assert callers.drafted(deployment, declaration) == told


def test_ours_is_kept_and_renewed_in_time_and_goes_with_the_deployment(
    deployment: Deployment, declaration: Declaration
) -> None:
    first = callers.ensure(deployment, declaration, NOW), deployment.caller_file.read_bytes()
    assert first == (callers.ensure(deployment, declaration, NOW), deployment.caller_file.read_bytes())
    callers.ensure(deployment, declaration, NOW + timedelta(days=pki.LEAF_DAYS - 1))
    assert deployment.caller_file.read_bytes() != first[1]
    deployment.forget()
    assert not deployment.caller_file.exists()


def test_where_none_is_asked_for_none_is_made(deployment: Deployment) -> None:
    plain = parse(LAB)
    assert (callers.ensure(deployment, plain, NOW), callers.drafted(deployment, plain)) == ("", "")
    assert callers.certificate_file(deployment, plain) is None
    assert not deployment.caller_file.exists()


LEAF = pki.issue(STAFF, ("jane",), NOW, client=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"nothing", "no PEM certificate"),
        (LEAF.certificate.encode(), "certificate 1 in the file is no CA's"),
        ((STAFF.certificate + STAFF.key).encode(), "private key"),
    ],
)
def test_the_file_holds_authorities(content: bytes, says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        parse(ASKED, around=Around(now=NOW, read_file=lambda _: content))


def test_an_authority_whose_time_is_over_is_refused() -> None:
    later = NOW + timedelta(days=365 * 30)
    with pytest.raises(DeclarationError, match="expired"):
        parse(ASKED, around=Around(now=later, read_file=lambda _: STAFF.certificate.encode()))


class Edge:
    """Visits of an edge that demands a certificate for some paths; what `strange` gets, whoever made it."""

    def __init__(self, demands: bool = True, shows: str = "ours", strange: int = 400, events: int = 401) -> None:
        self.demands, self.shows, self.strange, self.events = demands, shows, strange, events

    def showing(self, caller: str) -> Edge:
        return Edge(self.demands, caller, self.strange, self.events)

    def ask(self, finding, request: Request) -> Reply:
        finding.asked(request.path)
        if request.path == "/e/":
            return Reply(self.events)
        if self.shows == "ours":
            return Reply(200)
        return Reply(self.strange if self.shows else (403 if self.demands else 200))


@pytest.mark.parametrize(
    ("edge", "file", "status", "reason"),
    [
        (Edge(), "/ours.pem", "pass", ""),
        (Edge(), "", "not-exercised", "not declared"),
        (Edge(demands=False), "/ours.pem", "fail", "served without a certificate"),
        (Edge(strange=200), "/ours.pem", "fail", "nobody issued"),
        (Edge(events=403), "/ours.pem", "fail", "an event without a certificate gets 403"),
        (Edge(shows=""), "/ours.pem", "fail", "shows nothing"),
    ],
)
def test_the_check_passes_and_fails(edge: Edge, file: str, status: str, reason: str) -> None:
    facts = replace(
        DECLARED, caller_file=file, interface_from=("192.0.2.0/24",), ingest_from=("192.0.2.0/24",), services=("web",)
    )

    def ask(_host, finding):
        checks.test_pages_open_to_holders_of_a_certificate_alone(
            finding, edge, facts, Outside("192.0.2.11", "192.0.2.1", "")
        )

    found, why = outcome(ask, {})
    assert (found, reason in why) == (status, True), why
