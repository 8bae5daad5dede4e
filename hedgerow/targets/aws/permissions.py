"""The IAM policy that the installer needs: made from the calls in this package's own source, and from nothing else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hedgerow.targets.aws.actions import PASS_ROLE, actions_of
from hedgerow.targets.aws.api import TAG
from hedgerow.targets.aws.balancing import prefix
from hedgerow.targets.aws.documents import Place, allow, document

DOORS = ("call", "ask", "pages", "attempt")
MANAGED = 6_144
SESSION = ("ssm:StartSession", "ssm:TerminateSession")
"""What the AWS CLI calls, which carries SSH."""
OWN_TAG = re.compile(r"ec2:(Delete(?!Route$|NetworkAclEntry|Tags).*|TerminateInstances|ReleaseAddress)")
"""What ends something of EC2 that bears our tag: nothing else may be ended."""

LINKING = ("elasticloadbalancing.amazonaws.com", "guardduty.amazonaws.com", "wafv2.amazonaws.com")
"""Services that make a role of their own in an account that has none yet."""
OF_A_THING = r"ec2:((Describe(Instance|Vpc)Attribute)|(?!Describe|Get|Enable).*)"
"""What EC2 judges by the things of an account that it is about; the rest it judges by no thing at all."""


@cache
def calls() -> frozenset[str]:
    """Return every call that this package makes, as "ec2.create_vpc": the literals at the door, read off the source."""
    found = set()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and _door(node.func) in DOORS:
                first = node.args[0]
                if isinstance(first, ast.Constant) and re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", str(first.value)):
                    found.add(str(first.value))
    return frozenset(found)


def _door(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def services() -> frozenset[str]:
    """Return the services that are called."""
    return frozenset(name.partition(".")[0] for name in calls())


def actions() -> frozenset[str]:
    """Return every action that is needed."""
    return frozenset(action for call in calls() for action in actions_of(call)) | frozenset(SESSION)


def policy(place: Place) -> dict[str, Any]:  # noqa: PLR0915 (a table, one row a statement)
    """Return the policy: each action on what bears the deployment's name where AWS can tell, else in its region."""
    name = place.deployment
    left = set(actions())
    statements = []

    def take(sid: str, chosen: Iterable[str], resource: Any, **condition: Any) -> None:
        some = sorted(set(chosen) & left)
        left.difference_update(some)
        if some:
            statements.append(allow(sid, some, resource, **condition))

    def of(pattern: str) -> set[str]:
        return {action for action in left if re.fullmatch(pattern, action)}

    region = {"Condition": {"StringEquals": {"aws:RequestedRegion": place.region}}}
    roles = place.arn("iam", f"role/hedgerow-{name}-*", region=False)
    passed = {"Condition": {"StringEquals": {"iam:PassedToService": _services_with_roles()}}}
    linked = {"Condition": {"StringEquals": {"iam:AWSServiceName": list(LINKING)}}}
    granted = {"Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}
    ours = {"Condition": {"StringEquals": {f"aws:ResourceTag/{TAG}": name}}}
    keys, things = place.arn("kms", "key/*"), place.arn("ec2", "*")
    vault, plans = place.arn("backup", f"backup-vault:hedgerow-{name}"), place.arn("backup", "backup-plan:*")
    groups = place.arn("logs", f"log-group:/hedgerow/{name}/*")
    take("Account", of(r"s3:.*AccountPublicAccessBlock|sts:.*|kms:ListKeys|guardduty:ListDetectors"), "*")
    take("Buckets", of(r"s3:.*"), f"arn:{place.partition}:s3:::hedgerow-{name}-*")
    take("PassRoles", {PASS_ROLE}, roles, **passed)
    take(
        "ServicesRoles",
        {"iam:CreateServiceLinkedRole"},
        [place.arn("iam", f"role/aws-service-role/{service}/*", region=False) for service in LINKING],
        **linked,
    )
    take("Roles", of(r"iam:.*"), [roles, place.arn("iam", f"instance-profile/hedgerow-{name}-*", region=False)])
    take("Grants", {"kms:CreateGrant"}, keys, **granted)
    take("NewKeys", {"kms:CreateKey"}, "*", **region)
    take("Aliases", of(r"kms:.*Alias"), [keys, place.arn("kms", f"alias/hedgerow/{name}/*")])
    take("FindKeys", {"kms:DescribeKey", "kms:ListResourceTags", "kms:TagResource"}, keys)
    take("Keys", of(r"kms:.*"), keys, **ours)
    take("ListLogs", {"logs:DescribeLogGroups"}, "*")
    # AWS WAF writes to a log group by a policy that it sets with these credentials.
    take("Delivery", of(r"logs:(.*LogDelivery|.*ResourcePolic.*)"), "*", **region)
    firewall = place.arn("logs", f"log-group:aws-waf-logs-hedgerow-{name}")
    take("Logs", of(r"logs:.*"), [groups, f"{groups}:*", firewall, f"{firewall}:*"])
    take("Topics", of(r"sns:.*"), place.arn("sns", f"hedgerow-{name}-*"))
    take("Alarms", of(r"cloudwatch:(Put|Delete|Tag|List).*"), place.arn("cloudwatch", f"alarm:hedgerow-{name}-*"))
    take(
        "Trails",
        of(r"cloudtrail:(Create|Update|Delete|Start|Put|Add|List).*"),
        place.arn("cloudtrail", f"trail/hedgerow-{name}"),
    )
    take("Vault", of(r"backup:.*BackupVault(LockConfiguration)?"), vault)
    take("BackupTags", {"backup:ListTags"}, [vault, plans])
    # Their ids are AWS's to choose, and bear no name of ours.
    take(
        "Plans",
        of(r"backup:.*Backup(Plan|Selections?)"),
        plans,
    )
    take("Detectors", of(r"guardduty:.*Detector") - {"guardduty:CreateDetector"}, place.arn("guardduty", "detector/*"))
    take(
        "Recorders",
        of(r"config:(Delete|Start|Stop)ConfigurationRecorder"),
        place.arn("config", f"configuration-recorder/hedgerow-{name}/*"),
    )
    take("Balancer", of(r"elasticloadbalancing:(?!Describe|SetWebAcl).*"), _balancer(place))
    take("Firewall", of(r"wafv2:(?!ListWebACLs).*"), _firewall(place))
    take("Certificates", {"acm:DeleteCertificate"}, place.arn("acm", "certificate/*"), **ours)
    take("LookAtCertificates", of(r"acm:(?!ListCertificates|Request).*"), place.arn("acm", "certificate/*"))
    # Somebody else's trail is looked at as well, also one of the organization's.
    take("LookAtTrails", of(r"cloudtrail:Get.*"), f"arn:{place.partition}:cloudtrail:*:*:trail/*")
    take("LookAtAlarms", {"cloudwatch:DescribeAlarms"}, place.arn("cloudwatch", "alarm:*"))
    take("Records", of(r"route53:(Change|List).*"), f"arn:{place.partition}:route53:::hostedzone/*")
    take(
        "Session",
        of(r"ssm:StartSession"),
        [place.arn("ec2", "instance/*"), f"arn:{place.partition}:ssm:{place.region}::document/AWS-StartSSHSession"],
    )
    take("EndSession", of(r"ssm:TerminateSession"), place.arn("ssm", "session/${aws:userid}-*"))
    take("EndOurs", {action for action in left if OWN_TAG.fullmatch(action)}, things, **ours)
    # Images and what stands in them belong to no account of the region.
    take("Machines", {"ec2:RunInstances"}, [things, f"arn:{place.partition}:ec2:{place.region}::image/*"])
    take("Ec2", of(OF_A_THING), things)
    take("Global", {"route53:AssociateVPCWithHostedZone"}, "*")
    take("Region", set(left), "*", **region)
    return document(*statements)


def _balancer(place: Place) -> list[str]:
    """A balancer, its listeners and its target groups bear their name in their ARN."""
    kinds = ("loadbalancer/net", "loadbalancer/app", "listener/net", "listener/app", "targetgroup")
    return [place.arn("elasticloadbalancing", f"{kind}/{prefix(place.deployment)}-*") for kind in kinds]


def _firewall(place: Place) -> list[str]:
    """Our rules by their name, AWS's groups of them, which are in no account of ours, and what is judged."""
    theirs = f"arn:{place.partition}:wafv2:{place.region}:*:regional/managedruleset/*/*"
    own = place.arn("wafv2", f"regional/webacl/hedgerow-{place.deployment}/*")
    return [own, theirs, place.arn("elasticloadbalancing", f"loadbalancer/app/{prefix(place.deployment)}-*")]


def _services_with_roles() -> list[str]:
    return [f"{service}.amazonaws.com" for service in ("backup", "cloudtrail", "config", "ec2", "vpc-flow-logs")]


def policies(place: Place) -> list[dict[str, Any]]:
    """Return the policy in parts, each of which is a managed policy: all of a role's inline ones together may have
    10,240 letters beside white space, which is less than this needs, and each managed one 6,144 (IAM quotas)."""
    parts: list[list[Any]] = [[]]
    for statement in policy(place)["Statement"]:
        if size(document(*parts[-1], statement)) > MANAGED:
            parts.append([])
        parts[-1].append(statement)
    return [document(*part) for part in parts]


def size(one: dict[str, Any]) -> int:
    """Return the letters of a policy as IAM counts them."""
    return len(json.dumps(one, separators=(",", ":")))


def text(place: Place) -> str:
    """Return the policies for a person and for AWS: a list."""
    return json.dumps(policies(place), indent=2) + "\n"
