"""What is reached outside, and what follows from it for a host's firewall, its packages and the sheet of a check."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedgerow import outward
from hedgerow.cloud_sheet import OPEN, RESTRICTED, GcpSheet, cloud_sheets
from hedgerow.declaration import Declaration, DeclarationError, parse
from hedgerow.variables import variables
from tests.unit.test_render import CREDENTIALS, SITES, stack

TEXT = (Path(__file__).parents[2] / "inventories" / "gcp" / "deploy.yml").read_text()
REGION = "region: us-central1"
CLOSED = f"{REGION}\n  egress: none\n  packages_by: 10.20.0.5:3128"
MORE = """\
mail: {host: smtp.acme.example, address: 203.0.113.25, user: posthog, password_file: pw, from: ph@acme.example}
log_collector: {host: logs.acme.example, address: 10.20.0.60, ca_file: ca.pem}
features: [destinations]
"""


def declared(target: str = REGION, more: str = "", access: str = "") -> Declaration:
    """Return the example, with another target, and more at its end."""
    return parse(TEXT.replace(REGION, target).replace("access:\n", f"access:\n{access}") + more)


def test_what_has_an_address_is_reached_and_nothing_else() -> None:
    assert outward.places(declared()) == ()
    found = outward.places(declared(CLOSED, MORE, "  outbound_to: [198.51.100.9:8443]\n"))
    assert found == (
        (8443, "198.51.100.9/32"),
        (587, "203.0.113.25/32"),
        (6514, "10.20.0.60/32"),
        (3128, "10.20.0.5/32"),
    )


def test_packages_come_by_the_proxy_and_the_host_lets_root_and_apt_there() -> None:
    site = SITES["prepared"]
    made = {}
    for name, declaration in (("open", declared()), ("closed", declared(CLOSED))):
        found = variables(declaration, site, CREDENTIALS, stack(declaration, site))
        made[name] = (
            found["host_vars/hedge-1", "base"].get("base_packages_proxy"),
            [
                (row["ports"], row["to"], row["users"])
                for row in found["host_vars/hedge-1", "firewall"]["firewall_outbound"]
                if row["to"] != ["any"]
            ],
        )
    assert made["open"] == (None, [])
    assert made["closed"] == ("10.20.0.5:3128", [([3128], ["10.20.0.5/32"], ["root", "_apt"])])


@pytest.mark.parametrize(
    ("target", "egress", "nat"),
    [
        (REGION, OPEN, True),
        (CLOSED, (("tcp", 443, (RESTRICTED,)), ("tcp", 3128, ("10.20.0.5/32",))), False),
        (CLOSED.replace("10.20.0.5", "8.8.8.8"), (("tcp", 443, (RESTRICTED,)), ("tcp", 3128, ("8.8.8.8/32",))), True),
    ],
)
def test_a_check_is_told_what_may_be_reached(target: str, egress: object, nat: bool) -> None:
    (sheet,) = cloud_sheets(declared(target), "192.0.2.1")
    assert isinstance(sheet, GcpSheet)
    assert (sheet.egress, sheet.nat) == (egress, nat)


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        (f"{REGION}\n  egress: none", "", "would reach no package"),
        (f"{REGION}\n  packages_by: 10.20.0.5:3128", "", "fetches packages itself"),
        (CLOSED.replace("3128", "99999"), "", "is no port"),
        (CLOSED.replace("10.20.0.5", "proxy.acme.example"), "", "is no IPv4 address"),
        (CLOSED.replace("10.20.0.5:3128", "10.20.0.5"), "", "is no address with a port"),
        (f"{CLOSED}\n  public: true", "", "has a way out by it"),
        (CLOSED, "time_servers: [time.acme.example]\n", "nothing is reached by a name"),
        (CLOSED, "alerts: {webhook_file: hook}\n", "nothing is reached by a name"),
    ],
)
def test_what_could_not_work_is_refused_with_its_fix(target: str, more: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        declared(target, more)
    assert said in refused.value.message
