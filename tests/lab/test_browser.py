"""The official browser SDK against an installed deployment, end to end, in a real headless Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hedgerow import proof
from hedgerow.prerequisites import BROWSER, provide
from hedgerow.smoke.browser import sdk, steps
from hedgerow.smoke.browser.visit import Told, visit
from hedgerow.smoke.steps import StepFailedError, journey
from tests.conftest import Lab

pytestmark = pytest.mark.lab

FLAG = (
    "insert into posthog_featureflag (key, team_id, filters) select 'hedgerow-beta', id,"
    ' \'{"groups": [{"rollout_percentage": 100}]}\' from posthog_team on conflict do nothing'
)
ROLES = "select string_agg(distinct usename, ',') from pg_stat_activity where client_addr is not null"


@pytest.fixture(scope="module")
def script() -> Path:
    """The SDK, and the system packages to try it with."""
    provide(BROWSER, yes=True, say=print)
    return sdk.provide(print)


def postgres(lab: Lab, statement: str) -> str:
    quoted = statement.replace('"', '\\"')
    answer = lab.run(lab.host, f'cd / && sudo -u postgres psql -At -v ON_ERROR_STOP=1 posthog -c "{quoted}"')
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_a_browser_sends_identifies_records_and_is_told_the_flags(lab: Lab, script: Path) -> None:
    """`smoke --browser`: every step of the browser is ok, with a flag that stands in PostgreSQL."""
    postgres(lab, FLAG)
    answer = lab.installer("smoke", lab.name, "--browser", "--yes", "--json")
    assert answer.code == 0, answer.out + answer.err
    found = {step["name"]: step for step in answer.json["steps"]}
    wanted = {
        "browser SDK sends events",
        "browser events are read back",
        "browser SDK gets its remote config",
        "browser SDK is told the feature flags",
        "browser SDK records the session",
        "pages of other sites may send",
    }
    assert {found[name]["status"] for name in wanted} == {"ok"}, json.dumps(answer.json)
    assert found["browser SDK is told the feature flags"]["detail"].endswith("on: hedgerow-beta")
    assert "posthog_feature_flags" in postgres(lab, ROLES), "the flags come by the service's own account"


def test_a_browser_that_does_not_know_the_ca_sends_nothing(lab: Lab, script: Path) -> None:
    """The green of the test above rests on a certificate that the browser has verified."""
    sheet = proof.smoke_sheet(lab.work, lab.site, script)
    told = Told(f"https://{sheet.domain}", "phc_nobody", "r", "hedgerow smoke", "nobody", "nobody-known")
    seen = visit(told, script, sheet.domain, sheet.address, None)
    assert seen.exchanges
    assert {each.failure for each in seen.exchanges} == {"net::ERR_CERT_AUTHORITY_INVALID"}


def test_a_service_that_is_down_is_a_failed_step_and_no_other(lab: Lab, script: Path) -> None:
    """What is broken is named: recordings without their service, while events go on."""
    sheet = proof.smoke_sheet(lab.work, lab.site, script)
    trip = journey(sheet, "down")
    lab.run(lab.host, "systemctl stop hedgerow-replay-capture")
    try:
        with pytest.raises(StepFailedError, match="OPTIONS /s/: 50"):
            steps.preflight(trip, True)
    finally:
        assert lab.run(lab.host, "systemctl start hedgerow-replay-capture").returncode == 0
    assert "OPTIONS /s/: 200" in steps.preflight(trip, True)[1]
