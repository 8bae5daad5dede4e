"""Verify as it runs: a child of its own, with the environment's credentials, over a proxy that ends in the fake."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from types import SimpleNamespace

from hedgerow.cli import main
from hedgerow.cloud_sheet import CloudSheet, gcp_sheet
from hedgerow.evidence.formats import FORMATS
from hedgerow.gcp_reading import role
from hedgerow.verify import verify
from tests.gcp_checks.conftest import CATALOG, CONTROLS, SHEET
from tests.unit.test_evidence import EVIDENCE


def test_a_project_is_verified_like_a_host_and_every_format_names_it(cloud):
    found = verify([SHEET], catalog=CATALOG)
    assert [finding.control for finding in found] == CONTROLS
    assert {finding.control: finding.reason for finding in found if finding.status != "pass"} == {}
    assert {finding.host for finding in found} == {"gcp"}
    evidence = replace(
        EVIDENCE, target="gcp", hosts=(*EVIDENCE.hosts, SHEET.place), findings=found, catalog=CATALOG, drift=None
    )
    for name in ("json", "html", "junit", "sarif", "oscal"):
        text = FORMATS[name].render(evidence)
        assert isinstance(text, str)
        assert "gcp.records-leave" in text, name


def test_without_an_answer_every_control_is_an_error(cloud, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    found = verify([SHEET], catalog=CATALOG, controls=["gcp.flow-logs-on", "gcp.dns-logged"])
    assert [finding.status for finding in found] == ["error", "error"]


def test_without_credentials_every_control_says_so(cloud, monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("HOME", str(tmp_path))
    (finding,) = verify([SHEET], catalog=CATALOG, controls=["gcp.dns-logged"])
    assert finding.status == "error"
    assert "credentials" in finding.reason


def test_the_role_for_verify_is_printed(capsys):
    assert main(["verify", "acme", "--iam-role"]) == 0
    assert json.loads(capsys.readouterr().out) == role()


def test_a_sheet_comes_from_the_target_and_survives_json():
    said = {"region": "us-central1", "project": "acme-analytics", "public": False, "image": "ubuntu-24.04"}
    target = SimpleNamespace(**said, egress="nat", balancer_networks=())
    made = gcp_sheet(target, "acme", "analytics.acme.example", ["198.51.100.7/32"], ["0.0.0.0/0", "::/0"])
    web = ("0.0.0.0/0", "::/0")
    assert made.ingress == ((22, ("35.235.240.0/20",)), (80, web), (443, web))
    assert made.image_projects == ("ubuntu-os-cloud",)
    target.public = True
    assert gcp_sheet(target, "acme", "", ["198.51.100.7/32"], []).ingress[0] == (22, ("198.51.100.7/32",))
    target.public, target.balancer_networks = False, ("35.191.0.0/16",)
    made = gcp_sheet(target, "acme", "", [], ["10.0.0.0/8", "0.0.0.0/0"])
    assert made.ingress[1:] == ((80, ("10.0.0.0/8",)), (443, ("10.0.0.0/8", "35.191.0.0/16")))
    assert made.balancer and made.clients == ("10.0.0.0/8", "0.0.0.0/0")
    assert CloudSheet.from_plain(json.loads(json.dumps(asdict(made)))) == made
    target.balancer_networks = ()
    target.egress, target.public = "none", False
    made = gcp_sheet(target, "acme", "", [], [], [(3128, "8.8.8.8/32")])
    assert made.egress[-1] == ("tcp", 3128, ("8.8.8.8/32",)) and made.nat
    assert CloudSheet.from_plain(json.loads(json.dumps(asdict(made)))) == made
