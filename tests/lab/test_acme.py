"""The edge's certificate from an ACME server: asked for, shown, renewed, and what happens when nobody answers."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests import acme_server
from tests.conftest import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]

NAME = "t-acme"
BEFORE = f"""\
name: {NAME}
domain: analytics.acme.example
target: {{kind: lab}}
posthog: {{deploy: false}}
features: []
"""
CONTROLS = ("edge.certificate", "edge.renewal", "edge.plain-http-redirected", "services.confined")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A host whose declaration names an ACME server that runs beside it; removed in the end."""
    lab = Lab(tmp_path_factory.mktemp("acme"), NAME)
    lab.declaration.write_text(BEFORE)
    with lab.on_its_own():
        site = lab.work.target.apply(print)
        with acme_server.serving(lab.folder, site.controller, site.hosts[0].address) as authorities:
            directory = f"https://{site.controller}:{acme_server.PORT}/dir"
            tls = f"tls: {{certificate: acme, directory: '{directory}', directory_ca: {authorities.name}}}\n"
            lab.declaration.write_text(BEFORE + tls)
            yield lab


def install(lab: Lab) -> int:
    """Install, and return how many tasks changed something."""
    answer = lab.installer("install", str(lab.declaration), "--json", "--yes")
    assert answer.code == 0, answer.out[-3000:] + answer.err[-3000:]
    return answer.json["hosts"][lab.host.name]["changed"]


def shown(lab: Lab) -> x509.Certificate:
    """Return the certificate that the edge shows now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((lab.host.address, 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="analytics.acme.example") as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown)


def issuer(certificate: x509.Certificate) -> str:
    return str(certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def states(lab: Lab) -> dict[str, str]:
    return {found.control: f"{found.status} {found.reason}".strip() for found in lab.verify(CONTROLS)}


def test_an_install_has_it_asked_for_and_shows_it(lab: Lab) -> None:
    assert install(lab) > 0
    told = lab.run(lab.host, "journalctl -q -o cat -u hedgerow-acme --no-pager").stdout
    assert issuer(shown(lab)).startswith("Pebble"), told
    assert states(lab) == dict.fromkeys(CONTROLS, "pass")
    assert install(lab) == 0


def test_it_asks_as_nobody_and_keeps_the_key_to_itself(lab: Lab) -> None:
    kept = lab.run(
        lab.host, "stat -c '%U %a' /var/lib/hedgerow-acme/certs /etc/hedgerow/tls/acme.key"
    ).stdout.splitlines()
    assert kept == ["hedgerow-acme 700", "root 600"]
    read = lab.run(
        lab.host, "runuser -u www-data -- cat /etc/hedgerow/tls/acme.key /var/lib/hedgerow-acme/certs/*/privkey.pem"
    )
    assert read.returncode != 0
    assert "PRIVATE" not in read.stdout


def test_one_that_is_near_its_end_is_renewed_by_the_timers_service(lab: Lab) -> None:
    before = shown(lab)
    # More days than it has: the same as a certificate that has few.
    lab.run(lab.host, "sed -i 's/^RENEW_DAYS=.*/RENEW_DAYS=\"120\"/' /etc/hedgerow/acme/config")
    done = lab.run(
        lab.host, "systemctl start hedgerow-acme.service; journalctl -q -o cat -n 20 -u hedgerow-acme --no-pager"
    )
    after = shown(lab)
    assert after.serial_number != before.serial_number, done.stdout
    assert after.public_key() != before.public_key(), "a key of its own each time"
    assert install(lab) > 0, "the setting goes back"
    assert shown(lab).serial_number == after.serial_number, "and nobody is asked for nothing"


def test_without_its_timer_it_would_end_and_the_control_says_so(lab: Lab) -> None:
    """The sabotage of edge.renewal."""
    lab.run(lab.host, "systemctl disable --now hedgerow-acme.timer")
    assert states(lab)["edge.renewal"].startswith("fail no timer waits")
    lab.converge(["edge.renewal"]).raise_for_failure()
    assert states(lab)["edge.renewal"] == "pass"


def test_what_is_not_for_this_name_is_not_taken(lab: Lab, tmp_path: Path) -> None:
    """Whoever takes over the account that asks has no way to put a certificate of her own before people."""
    before = shown(lab)
    folder = "/var/lib/hedgerow-acme/certs/analytics.acme.example"
    make = (
        f"cd {folder} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -out x.crt"
    )
    evil = f"{make} -days 90 -subj /CN=evil.example 2>/dev/null; ln -sf x.crt fullchain.pem; ln -sf x.key privkey.pem"
    saved = f"cp -a {folder} /root/saved"
    assert lab.run(lab.host, f"{saved}; {evil}").returncode == 0
    try:
        refused = lab.run(lab.host, "/usr/local/lib/hedgerow/acme install")
        assert refused.returncode == 1
        assert "it is not for analytics.acme.example" in refused.stderr
        lab.run(lab.host, f"ln -sf /etc/shadow {folder}/privkey.pem")
        assert "leads to /etc/shadow" in lab.run(lab.host, "/usr/local/lib/hedgerow/acme install").stderr
        assert shown(lab).serial_number == before.serial_number
    finally:
        lab.run(lab.host, f"rm -rf {folder}; mv /root/saved {folder}")


def test_an_authority_that_refuses_changes_nothing_and_is_told(lab: Lab) -> None:
    before = shown(lab)
    nobody = 's/^RENEW_DAYS=.*/RENEW_DAYS="120"/; s#^CA=.*#CA="https://127.0.0.1:1/dir"#'
    lab.run(lab.host, f"sed -i '{nobody}' /etc/hedgerow/acme/config")
    assert lab.run(lab.host, "systemctl start hedgerow-acme.service").returncode != 0
    assert states(lab)["edge.renewal"].startswith("fail asking the authority ended with")
    assert shown(lab).serial_number == before.serial_number
    assert install(lab) > 0
    lab.run(lab.host, "systemctl start hedgerow-acme.service")
    assert states(lab) == dict.fromkeys(CONTROLS, "pass")


def test_back_to_the_private_ca_leaves_no_asker(lab: Lab) -> None:
    lab.declaration.write_text(BEFORE)
    assert install(lab) > 0
    assert issuer(shown(lab)).startswith("Hedgerow private CA")
    assert (
        lab.run(lab.host, "systemctl list-units --all 'hedgerow-acme*' --no-legend; ls /etc/hedgerow/acme").stdout == ""
    )
    assert install(lab) == 0
