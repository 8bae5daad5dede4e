"""AWS WAF: the rules that a load balancer has requests judged by, and the log of what they refuse."""

from __future__ import annotations

from typing import Any

from hedgerow.targets.aws.kind import Kind, not_ours
from hedgerow.targets.cloud.graph import Found, Resource

SCOPE = "REGIONAL"
NONE = "WAFNonexistentItemException"
CHANGED = "WAFOptimisticLockException"  # by another run a moment before
IN_USE = "WAFAssociatedItemException"


class WebAcl(Kind):
    """The rules, found by their name; with them where they write down what they refuse, and what of it."""

    def find(self, resource: Resource) -> Found | None:
        said = self._said()
        if said is None:
            return None
        acl = said["WebACL"]
        tags = self.aws.call("wafv2.list_tags_for_resource", ResourceARN=acl["ARN"])["TagInfoForResource"]["TagList"]
        self.ours(f"a web ACL {acl['Name']}", tags)
        log = self.aws.ask("wafv2.get_logging_configuration", NONE, ResourceArn=acl["ARN"])
        fields = {
            "default": next(iter(acl["DefaultAction"])),
            "shown": acl["VisibilityConfig"],
            "rules": sorted(map(_without_none, acl["Rules"]), key=lambda rule: int(rule["Priority"])),
            "log": _log(log["LoggingConfiguration"]) if log else None,
        }
        return Found(acl["Id"], fields, {"arn": acl["ARN"], "lock": said["LockToken"]})

    def make(self, resource: Resource) -> None:
        made = self.aws.ask(
            "wafv2.create_web_acl",
            "WAFDuplicateItemException",
            Name=self._name(),
            Tags=self.aws.tags(resource.name),
            **self._settings(resource),
        )
        if made is None and self.find(resource) is None:
            raise not_ours(f"a web ACL {self._name()}", self.aws.deployment)

    def change(self, resource: Resource, found: Found, fields: frozenset[str]) -> None:
        if fields & {"default", "shown", "rules"}:
            self.aws.call(
                "wafv2.update_web_acl",
                Name=self._name(),
                Id=found.id,
                LockToken=found.facts["lock"],
                **self._settings(resource),
            )
        if "log" in fields:
            wanted = resource.wanted["log"]
            conditions = [{"ActionCondition": {"Action": action}} for action in wanted["of"]]
            kept = {"Behavior": "KEEP", "Requirement": "MEETS_ANY", "Conditions": conditions}
            configuration = {
                "ResourceArn": found.facts["arn"],
                "LogDestinationConfigs": [wanted["to"]],
                "LoggingFilter": {"DefaultBehavior": "DROP", "Filters": [kept]},
                "RedactedFields": [_field(one) for one in wanted["without"]],
            }
            self.aws.call("wafv2.put_logging_configuration", LoggingConfiguration=configuration)

    def remove(self, resource: Resource, found: Found) -> None:
        def gone() -> bool:
            said = self._said()
            if said is None:
                return True
            # A balancer that was deleted a moment ago may still count as judged by it.
            codes = (IN_USE, CHANGED, NONE)
            token, name = said["LockToken"], self._name()
            deleted = self.aws.ask(
                "wafv2.delete_web_acl", *codes, Name=name, Scope=SCOPE, Id=said["WebACL"]["Id"], LockToken=token
            )
            return deleted is not None

        self.aws.wait(gone, "AWS WAF to let go of the load balancer")

    def _said(self) -> dict[str, Any] | None:
        marker: dict[str, Any] = {}
        while True:
            page = self.aws.call("wafv2.list_web_acls", Scope=SCOPE, Limit=100, **marker)
            for row in page["WebACLs"]:
                if row["Name"] == self._name():
                    return self.aws.ask("wafv2.get_web_acl", NONE, Name=row["Name"], Scope=SCOPE, Id=row["Id"])
            if not page.get("NextMarker") or not page["WebACLs"]:
                return None
            marker = {"NextMarker": page["NextMarker"]}

    def _settings(self, resource: Resource) -> dict[str, Any]:
        wanted = resource.wanted
        return {
            "Scope": SCOPE,
            "DefaultAction": {wanted["default"]: {}},
            "Rules": wanted["rules"],
            "VisibilityConfig": wanted["shown"],
        }

    def _name(self) -> str:
        return f"hedgerow-{self.aws.deployment}"


def _without_none(value: Any) -> Any:
    """Return what was said without what says nothing."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None and item != []}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _log(configuration: dict[str, Any]) -> dict[str, Any]:
    kept = configuration.get("LoggingFilter") or {}
    actions = [
        condition.get("ActionCondition", {}).get("Action", "other")
        for one in kept.get("Filters", [])
        if one["Behavior"] == "KEEP"
        for condition in one["Conditions"]
    ]
    return {
        "to": ", ".join(one.removesuffix(":*") for one in configuration["LogDestinationConfigs"]),
        "of": actions if kept.get("DefaultBehavior") == "DROP" else ["everything"],
        "without": [_words(one) for one in configuration.get("RedactedFields") or []],
    }


def _field(words: str) -> dict[str, Any]:
    """Return a field as AWS WAF names it: "QueryString", or "SingleHeader cookie"."""
    kind, _, name = words.partition(" ")
    return {kind: {"Name": name} if name else {}}


def _words(field: dict[str, Any]) -> str:
    ((kind, about),) = ((key, value) for key, value in field.items() if value is not None)
    return f"{kind} {about['Name']}" if about else kind
