"""Keys of Cloud KMS and who may use them; the services of a project; the account that the machine is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hedgerow.targets.cloud.graph import Found, Resource
from hedgerow.targets.gcp.api import Google, RefusedError, Row
from hedgerow.targets.gcp.kind import EXISTS, LABEL, mark, not_ours

KEYS = "cloudkms.cryptoKeys"
ALIVE = ("ENABLED", "DISABLED")


class Own:
    """What a driver of its own has: the door, and whose it is."""

    def __init__(self, google: Google, deployment: str) -> None:
        self.google, self.deployment = google, deployment


class Services(Own):
    """The services of Google that the project must have switched on. The answer also tells the project's
    number, and by it who Google's own agents are."""

    def find(self, resource: Resource) -> Found | None:
        """Return which are on."""
        project = self.google.place["project"]
        names = [f"projects/{project}/services/{one}" for one in resource.wanted["enabled"]]
        said = self.google.call("serviceusage.services.batchGet", query={"names": names})["services"]
        enabled = sorted(one["name"].rpartition("/")[2] for one in said if one.get("state") == "ENABLED")
        number = said[0]["parent"].rpartition("/")[2]
        agents = {
            "compute_agent": f"serviceAccount:service-{number}@compute-system.iam.gserviceaccount.com",
            "storage_agent": f"serviceAccount:service-{number}@gs-project-accounts.iam.gserviceaccount.com",
        }
        return Found(project, {"enabled": enabled}, agents)

    def make(self, resource: Resource) -> None:
        """A project has services from its first day."""

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Switch on what is off."""
        missing = sorted(set(resource.wanted["enabled"]) - set(found.fields["enabled"]))
        self.google.wait(self.google.call("serviceusage.services.batchEnable", body={"serviceIds": missing}))

    def remove(self, resource: Resource, found: Found) -> None:
        """Leave them: other things of the project may use them."""


class Ring(Own):
    """A ring of keys. Nobody can ever remove one."""

    def find(self, resource: Resource) -> Found | None:
        """Return it."""
        row = self.google.ask("cloudkms.keyRings.get", {"ring": f"hedgerow-{self.deployment}"})
        return None if row is None else Found(row["name"], {}, {})

    def make(self, resource: Resource) -> None:
        """Make it."""
        try:
            query = {"keyRingId": f"hedgerow-{self.deployment}"}
            self.google.call("cloudkms.keyRings.create", body={}, query=query)
        except RefusedError as refused:
            if refused.status != EXISTS:
                raise

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """It has nothing that could change."""

    def remove(self, resource: Resource, found: Found) -> None:
        """It stays."""


class Key(Own):
    """A key that rotates. It cannot be removed: its versions are, after 30 days, and a later one takes their place."""

    def find(self, resource: Resource) -> Found | None:
        """Return it; one without a usable version is not there. Raises CallError where it is somebody else's."""
        row = self.google.ask(f"{KEYS}.get", self._path(resource))
        if row is not None and row.get("labels", {}).get(LABEL) != self.deployment:
            raise not_ours(resource, row["name"].partition("/keyRings/")[2])
        if row is None or row.get("primary", {}).get("state") != "ENABLED":
            return None
        fields = {"rotationPeriod": row.get("rotationPeriod"), "purpose": row.get("purpose")}
        return Found(row["name"], fields, {})

    def make(self, resource: Resource) -> None:
        """Make it, or give one whose versions have ended a new version."""
        path, wanted = self._path(resource), resource.wanted
        body = {**wanted, "nextRotationTime": _next(wanted), "labels": {LABEL: self.deployment}}
        try:
            self.google.call(f"{KEYS}.create", path, body=body, query={"cryptoKeyId": resource.name})
        except RefusedError as refused:
            if refused.status != EXISTS:
                raise
            self._revive(resource)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Let it rotate as wanted."""
        self._rotate(resource)

    def remove(self, resource: Resource, found: Found) -> None:
        """Let every version end in 30 days, and make no more."""
        path = self._path(resource)
        fields = {"updateMask": "rotationPeriod,nextRotationTime"}
        self.google.call(f"{KEYS}.patch", path, body={}, query=fields)
        for version in self._versions(path):
            if version["state"] in ALIVE:
                number = version["name"].rpartition("/")[2]
                self._end(path, number)

    def _end(self, path: dict[str, str], number: str) -> None:
        """Have one version end. Where the answer was lost, it is on its way already and refuses to begin again."""
        try:
            self.google.call("cloudkms.cryptoKeyVersions.destroy", {**path, "version": number}, body={})
        except RefusedError:
            left = [one for one in self._versions(path) if one["name"].endswith(f"/{number}") and one["state"] in ALIVE]
            if left:
                raise

    def _revive(self, resource: Resource) -> None:
        path = self._path(resource)
        row = self.google.call(f"{KEYS}.get", path)
        if row.get("primary", {}).get("state") == "ENABLED":
            return
        usable = [one for one in self._versions(path) if one["state"] == "ENABLED"]
        made = usable[-1] if usable else self.google.call("cloudkms.cryptoKeyVersions.create", path, body={})
        number = {"cryptoKeyVersionId": made["name"].rpartition("/")[2]}
        self.google.call(f"{KEYS}.updatePrimaryVersion", path, body=number)

    def _rotate(self, resource: Resource) -> None:
        body = {"rotationPeriod": resource.wanted["rotationPeriod"], "nextRotationTime": _next(resource.wanted)}
        query = {"updateMask": "rotationPeriod,nextRotationTime"}
        self.google.call(f"{KEYS}.patch", self._path(resource), body=body, query=query)

    def _versions(self, path: dict[str, str]) -> list[Row]:
        said = self.google.call("cloudkms.cryptoKeyVersions.list", path, query={"pageSize": 1000})
        return list(said.get("cryptoKeyVersions", []))

    def _path(self, resource: Resource) -> dict[str, str]:
        return {"ring": f"hedgerow-{self.deployment}", "name": resource.name}


def _next(wanted: Any) -> str:
    """Return when the first rotation is: a period from now."""
    due = datetime.now(UTC) + timedelta(seconds=int(wanted["rotationPeriod"].removesuffix("s")))
    return due.isoformat(timespec="seconds").replace("+00:00", "Z")


class KeyUsers(Own):
    """Who may use a key: these and nobody else by the key's own policy."""

    def find(self, resource: Resource) -> Found | None:
        """Return the policy's bindings; None while there is no key."""
        policy = self.google.ask(f"{KEYS}.getIamPolicy", self._path(resource))
        return (
            None
            if policy is None
            else Found(resource.name, {"bindings": bindings(policy)}, {"etag": policy.get("etag", "")})
        )

    def make(self, resource: Resource) -> None:
        """It is there with the key."""

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Set it whole. Asking after Google's agents makes those that are not there yet."""
        for method in (resource.given or {})["agents"]:
            self.google.call(method)
        try:
            self._set(resource, found)
        except RefusedError as refused:
            # Ours whose answer was lost, or somebody's who was faster: what it is now is looked at before it is set.
            if refused.status != EXISTS or (now := self.find(resource)) is None:
                raise
            self._set(resource, now)

    def _set(self, resource: Resource, found: Found) -> None:
        policy = {"bindings": rows(resource.wanted["bindings"]), "etag": found.facts["etag"]}
        self.google.call(f"{KEYS}.setIamPolicy", self._path(resource), body={"policy": policy})

    def remove(self, resource: Resource, found: Found) -> None:
        """It ends with the key."""

    def _path(self, resource: Resource) -> dict[str, str]:
        return {"ring": f"hedgerow-{self.deployment}", "name": resource.name}


def bindings(policy: Row) -> dict[str, list[str]]:
    """Return a policy as members by role; a condition is part of the role's name here, so that it is seen."""
    found: dict[str, list[str]] = {}
    for one in policy.get("bindings", []):
        name = one["role"] + (f" if {one['condition'].get('expression')}" if one.get("condition") else "")
        found[name] = sorted({*found.get(name, []), *one.get("members", [])})
    return found


def rows(wanted: Any) -> list[Row]:
    """Return members by role as a policy has them."""
    return [{"role": role, "members": sorted(members)} for role, members in sorted(wanted.items()) if members]


class Account(Own):
    """The account that the machine is: it has no key, and of rights those that other resources give it."""

    def find(self, resource: Resource) -> Found | None:
        """Return it. Raises CallError where it is somebody else's."""
        email = (resource.given or {})["email"]
        row = self.google.ask("iam.serviceAccounts.get", {"email": email})
        if row is not None and row.get("description") != mark(self.deployment):
            raise not_ours(resource, email)
        return None if row is None else Found(email, {"enabled": not row.get("disabled", False)}, {})

    def make(self, resource: Resource) -> None:
        """Make it."""
        given = resource.given or {}
        words = f"Hedgerow {self.deployment}: {resource.name}"
        account = {"displayName": words, "description": mark(self.deployment)}
        body = {"accountId": given["email"].partition("@")[0], "serviceAccount": account}
        try:
            self.google.call("iam.serviceAccounts.create", body=body)
        except RefusedError as refused:
            if refused.status != EXISTS:
                raise

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        """Switch it on again."""
        self.google.call("iam.serviceAccounts.enable", {"email": found.id}, body={})

    def remove(self, resource: Resource, found: Found) -> None:
        """Remove it."""
        try:
            self.google.call("iam.serviceAccounts.delete", {"email": found.id})
        except RefusedError as refused:
            if not refused.absent:
                raise
