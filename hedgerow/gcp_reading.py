"""Google Cloud, for looking only: every question that a check may ask, and the permission that it needs.

A question that is not listed is not asked, whatever the credentials would allow; the list is also the role that
read-only credentials need. The questions are REST calls that answer and change nothing; those that Google has behind a
POST are the reading of a policy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from hedgerow.checking import CouldNotAsk, Finder
from hedgerow.cloud_reading import Answers, lacking
from hedgerow.cloud_sheet import CloudSheet, GcpSheet

LABEL = "hedgerow-deployment"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""What the token may be used for; what it may do is the role's to say."""
NUMBER = re.compile(r"(?<![0-9a-f])\d{10,13}(?!\d)")
FORBIDDEN = 403
NOT_ENABLED = ("accessNotConfigured", "SERVICE_DISABLED")
SECONDS = 30.0
COMPUTE = "https://compute.googleapis.com/compute/v1/projects/{project}"
KMS = "https://cloudkms.googleapis.com/v1"
LOGGING = "https://logging.googleapis.com/v2/projects/{project}"
IAM = "https://iam.googleapis.com/v1"


class RefusedError(Exception):
    """An answer that is none: its status and Google's words."""

    def __init__(self, status: int, words: str, *, disabled: bool) -> None:
        super().__init__(words)
        self.status, self.disabled = status, disabled


@dataclass(frozen=True)
class Question:
    """Where it is asked, what it needs, and under which name the answer holds its rows ("" where it has none)."""

    url: str
    permission: str
    rows: str = ""
    verb: str = "GET"
    aggregated: bool = False


READS: Mapping[str, Question] = {
    "cloudkms.cryptoKeyVersions.list": Question(
        f"{KMS}/{{name}}/cryptoKeyVersions", "cloudkms.cryptoKeyVersions.list", "cryptoKeyVersions"
    ),
    "cloudkms.cryptoKeys.getIamPolicy": Question(f"{KMS}/{{name}}:getIamPolicy", "cloudkms.cryptoKeys.getIamPolicy"),
    "cloudkms.cryptoKeys.list": Question(f"{KMS}/{{name}}/cryptoKeys", "cloudkms.cryptoKeys.list", "cryptoKeys"),
    "cloudkms.keyRings.getIamPolicy": Question(f"{KMS}/{{name}}:getIamPolicy", "cloudkms.keyRings.getIamPolicy"),
    "cloudkms.keyRings.list": Question(
        f"{KMS}/projects/{{project}}/locations/{{region}}/keyRings", "cloudkms.keyRings.list", "keyRings"
    ),
    "compute.backendServices.list": Question(
        f"{COMPUTE}/global/backendServices", "compute.backendServices.list", "items"
    ),
    "compute.disks.list": Question(f"{COMPUTE}/aggregated/disks", "compute.disks.list", "disks", aggregated=True),
    "compute.firewalls.list": Question(f"{COMPUTE}/global/firewalls", "compute.firewalls.list", "items"),
    "compute.globalForwardingRules.list": Question(
        f"{COMPUTE}/global/forwardingRules", "compute.globalForwardingRules.list", "items"
    ),
    "compute.instances.list": Question(
        f"{COMPUTE}/aggregated/instances", "compute.instances.list", "instances", aggregated=True
    ),
    "compute.networks.list": Question(f"{COMPUTE}/global/networks", "compute.networks.list", "items"),
    "compute.projects.get": Question(COMPUTE, "compute.projects.get"),
    "compute.resourcePolicies.list": Question(
        f"{COMPUTE}/regions/{{region}}/resourcePolicies", "compute.resourcePolicies.list", "items"
    ),
    "compute.routers.list": Question(f"{COMPUTE}/regions/{{region}}/routers", "compute.routers.list", "items"),
    "compute.securityPolicies.list": Question(
        f"{COMPUTE}/global/securityPolicies", "compute.securityPolicies.list", "items"
    ),
    "compute.snapshots.getIamPolicy": Question(
        f"{COMPUTE}/global/snapshots/{{name}}/getIamPolicy", "compute.snapshots.getIamPolicy"
    ),
    "compute.snapshots.list": Question(f"{COMPUTE}/global/snapshots", "compute.snapshots.list", "items"),
    "compute.sslCertificates.list": Question(
        f"{COMPUTE}/global/sslCertificates", "compute.sslCertificates.list", "items"
    ),
    "compute.sslPolicies.list": Question(f"{COMPUTE}/global/sslPolicies", "compute.sslPolicies.list", "items"),
    "compute.subnetworks.list": Question(
        f"{COMPUTE}/aggregated/subnetworks", "compute.subnetworks.list", "subnetworks", aggregated=True
    ),
    "compute.targetHttpProxies.list": Question(
        f"{COMPUTE}/global/targetHttpProxies", "compute.targetHttpProxies.list", "items"
    ),
    "compute.targetHttpsProxies.list": Question(
        f"{COMPUTE}/global/targetHttpsProxies", "compute.targetHttpsProxies.list", "items"
    ),
    "compute.urlMaps.list": Question(f"{COMPUTE}/global/urlMaps", "compute.urlMaps.list", "items"),
    "dns.managedZones.list": Question(
        "https://dns.googleapis.com/dns/v1/projects/{project}/managedZones", "dns.managedZones.list", "managedZones"
    ),
    "dns.policies.list": Question(
        "https://dns.googleapis.com/dns/v1/projects/{project}/policies", "dns.policies.list", "policies"
    ),
    "iam.serviceAccountKeys.list": Question(
        f"{IAM}/projects/{{project}}/serviceAccounts/{{name}}/keys?keyTypes=USER_MANAGED",
        "iam.serviceAccountKeys.list",
        "keys",
    ),
    "iam.serviceAccounts.getIamPolicy": Question(
        f"{IAM}/projects/{{project}}/serviceAccounts/{{name}}:getIamPolicy",
        "iam.serviceAccounts.getIamPolicy",
        verb="POST",
    ),
    "iam.serviceAccounts.list": Question(
        f"{IAM}/projects/{{project}}/serviceAccounts", "iam.serviceAccounts.list", "accounts"
    ),
    "logging.buckets.list": Question(f"{LOGGING}/locations/-/buckets", "logging.buckets.list", "buckets"),
    "logging.exclusions.list": Question(f"{LOGGING}/exclusions", "logging.exclusions.list", "exclusions"),
    "logging.logMetrics.list": Question(f"{LOGGING}/metrics", "logging.logMetrics.list", "metrics"),
    "logging.sinks.list": Question(f"{LOGGING}/sinks", "logging.sinks.list", "sinks"),
    "monitoring.alertPolicies.list": Question(
        "https://monitoring.googleapis.com/v3/projects/{project}/alertPolicies",
        "monitoring.alertPolicies.list",
        "alertPolicies",
    ),
    "monitoring.notificationChannels.list": Question(
        "https://monitoring.googleapis.com/v3/projects/{project}/notificationChannels",
        "monitoring.notificationChannels.list",
        "notificationChannels",
    ),
    "resourcemanager.projects.getIamPolicy": Question(
        "https://cloudresourcemanager.googleapis.com/v3/projects/{project}:getIamPolicy",
        "resourcemanager.projects.getIamPolicy",
        verb="POST",
    ),
    "storage.buckets.getIamPolicy": Question(
        "https://storage.googleapis.com/storage/v1/b/{name}/iam", "storage.buckets.getIamPolicy"
    ),
    "storage.buckets.list": Question(
        "https://storage.googleapis.com/storage/v1/b?project={project}", "storage.buckets.list", "items"
    ),
}
"""Each question with its permission, as the reference of each method names it."""


def role() -> dict[str, Any]:
    """Return the custom role of credentials that can answer every check and do nothing else, as `gcloud iam roles
    create --file` takes it."""
    return {
        "title": "Hedgerow verify",
        "description": "Answers every check of Hedgerow's, and changes nothing.",
        "stage": "GA",
        "includedPermissions": sorted({question.permission for question in READS.values()}),
    }


class Reader:
    """A project through one session; what was asked before in this run is not asked again."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._answers = Answers((RefusedError, GoogleAuthError, requests.RequestException))

    @staticmethod
    def of(_sheet: CloudSheet) -> Reader:
        """Return a reader with the credentials that the environment gives, as Google's own tools take them."""

        def session() -> AuthorizedSession:
            credentials, _ = google.auth.default(scopes=[SCOPE])
            return AuthorizedSession(credentials)

        return Reader(session)

    def answer(self, question: Question, url: str) -> Any:
        """Return the answer, all pages read. Raises RefusedError, GoogleAuthError, RequestException."""
        return self._answers.once(url, lambda: self._pages(question, url))

    def _pages(self, question: Question, url: str) -> Any:
        if not question.rows:
            return self._one(question, url, "")
        found: list[Any] = []
        token = ""
        while True:
            said = self._one(question, url, token)
            if question.aggregated:
                found += [row for place in said.get("items", {}).values() for row in place.get(question.rows, [])]
            else:
                found += said.get(question.rows, [])
            token = said.get("nextPageToken", "")
            if not token:
                return found

    def _one(self, question: Question, url: str, token: str) -> dict[str, Any]:
        if callable(self._session):
            self._session = self._session()
        answer = self._session.request(
            question.verb,
            url,
            params={"pageToken": token} if token else None,
            json={} if question.verb == "POST" else None,
            timeout=SECONDS,
        )
        if answer.ok:
            said: dict[str, Any] = answer.json()
            return said
        raise _refusal(answer.status_code, answer.text)


def _refusal(status: int, text: str) -> RefusedError:
    """Return what an error's body says: https://cloud.google.com/apis/design/errors."""
    try:
        error = json.loads(text)["error"]
        reasons = {str(row.get("reason")) for row in (*error.get("errors", []), *error.get("details", []))}
        words = str(error.get("message"))
    except (ValueError, KeyError, TypeError, AttributeError):
        reasons, words = set(), text[:200]
    return RefusedError(status, words, disabled=bool(reasons & set(NOT_ENABLED)))


class Asker:
    """What a check asks Google through: `ask` for one answer, `every` for a list however many pages it has."""

    def __init__(self, reader: Reader, finder: Finder, sheet: GcpSheet) -> None:
        self._reader = reader
        self._finder = finder
        self.sheet = sheet

    @property
    def prefix(self) -> str:
        """How the names of what is the deployment's begin, where a kind has no labels."""
        return f"hedgerow-{self.sheet.deployment}-"

    def mine(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a thing is this deployment's: by its label, or by its name where it has none."""
        label = (row.get("labels") or {}).get(LABEL)
        name = str(row.get("name") or row.get("email", "")).rpartition("/")[2].partition("@")[0]
        begins = f"{name}-".startswith(self.prefix)
        return bool(label == self.sheet.deployment or (label is None and begins))

    def masked(self, text: str) -> str:
        """Return the text without the project's id and number, which no report carries outside."""
        return NUMBER.sub("NUMBER", text.replace(self.sheet.project, "PROJECT"))

    def ask(self, name: str, thing: str = "") -> dict[str, Any]:
        """Return the answer to one question. Raises CouldNotAsk, which names the permission that is missing."""
        answer: dict[str, Any] = self._ask(name, thing)
        return answer

    def every(self, name: str, thing: str = "") -> list[dict[str, Any]]:
        """Return every row of a list; none where the service is off in the project, and so holds nothing.

        Raises CouldNotAsk.
        """
        rows: list[dict[str, Any]] = self._ask(name, thing)
        return rows

    def _ask(self, name: str, thing: str) -> Any:
        if name not in READS:
            raise CouldNotAsk(f"{name} is not among the questions that a check may ask")
        question = READS[name]
        self._finder.asked(self.masked(f"{name} {thing or 'in ' + self.sheet.region}"))
        url = question.url.format(project=self.sheet.project, region=self.sheet.region, name=thing)
        try:
            return self._reader.answer(question, url)
        except RefusedError as error:
            if error.disabled and question.rows:
                return []
            if error.status == FORBIDDEN and not error.disabled:
                raise lacking(question.permission) from error
            raise CouldNotAsk(self.masked(f"{name}: {error.status}, {error}")) from error
        except (GoogleAuthError, requests.RequestException) as error:
            raise CouldNotAsk(self.masked(f"{name}: {error}")) from error
