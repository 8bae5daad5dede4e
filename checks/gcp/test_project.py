"""The project around the deployment: who may do everything in it, and by what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from checks.gcp.found import bindings, judge, last, open_to_everybody
from checks.judging import is_empty

PRIMITIVE = {"roles/owner", "roles/editor"}
GOOGLE = ("@cloudservices.gserviceaccount.com",)
"""Google's own agent is an editor of every project: https://cloud.google.com/iam/docs/service-account-types#google-apis."""
KEY_DAYS = 90


@pytest.mark.control("gcp.project-not-public")
def test_the_project_gives_nothing_to_everybody(gcp, finding):
    finding.expect("no role over the project for everybody")
    seen = {gcp.sheet.project: open_to_everybody(gcp.ask("resourcemanager.projects.getIamPolicy"))}
    judge(gcp, finding, seen, is_empty, "project")


@pytest.mark.control("gcp.no-account-owns-the-project")
def test_no_program_may_do_everything(gcp, finding):
    finding.expect("no account of a program is owner or editor of the project, but Google's own")
    policy = gcp.ask("resourcemanager.projects.getIamPolicy")
    seen = {
        role: [who for who in members if who.startswith("serviceAccount:") and not who.endswith(GOOGLE)]
        for role, members in bindings(policy)
        if role in PRIMITIVE
    }
    judge(gcp, finding, seen, is_empty, "role")


@pytest.mark.control("gcp.account-keys-renewed")
def test_no_old_key_opens_the_project(gcp, finding):
    finding.expect(f"no key of any account of the project's that is older than {KEY_DAYS} days")
    seen = {
        row["email"]: [
            last(key["name"])
            for key in gcp.every("iam.serviceAccountKeys.list", row["email"])
            if (datetime.now(UTC) - datetime.fromisoformat(key["validAfterTime"])).days > KEY_DAYS
        ]
        for row in gcp.every("iam.serviceAccounts.list")
    }
    judge(gcp, finding, seen, is_empty, "account")
