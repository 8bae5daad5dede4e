"""What a careless administrator does is seen, put back, and asks for just what the policy gives."""

from __future__ import annotations

from hedgerow.targets.aws.actions import actions_of
from hedgerow.targets.aws.documents import Place
from hedgerow.targets.aws.permissions import SESSION, policy
from hedgerow.targets.aws.permissions import calls as in_the_source
from tests.cloud.account import DOORS, actions, quiet, recorded, target
from tests.cloud.careless import (
    an_old_key_bears_the_name,
    break_the_front,
    break_things,
    break_what_reads,
    take_the_profile_away,
    zone,
)

BROKEN = {
    *("backup-plan/main", "bucket/backup", "detector/main", "instance/analytics-1", "key/data", "log-group/flow"),
    *("role/backup", "role/flow", "route-table/private", "security-group/host", "subnet/public", "trail/main"),
    *("vault/main", "vpc-endpoint/s3"),
}
"""What `break_things` breaks, as `plan` shows it."""


def test_what_somebody_has_changed_by_hand_is_put_back_by_calls_that_the_policy_is_made_of(aws: str) -> None:
    """No more than those either: the policy gives nothing that a cycle does not use."""
    named = f"zone: {zone()}"
    public = f"public: true, {named}"
    DOORS.clear()  # a cycle begins with who asks, which a door that another test has used knows already
    with recorded() as made:
        target(public).provision(quiet)
    break_things()
    assert {name for name, action in actions(target(public)).items() if action != "keep"} == BROKEN
    with recorded() as calls:
        target(public).provision(quiet)
    made += calls
    assert set(actions(target(public)).values()) == {"keep"}
    take_the_profile_away()
    with recorded() as calls:
        target(public).provision(quiet)
        target(public).destroy(quiet)
        an_old_key_bears_the_name()
        target().provision(quiet)
        target().destroy(quiet)
        target("load_balancer: {}").provision(quiet)
    made += calls
    break_the_front()
    with recorded() as calls:
        target("load_balancer: {}").provision(quiet)
        target("load_balancer: {}").destroy(quiet)
    made += calls
    reading = f"load_balancer: {{kind: application}}, {named}"
    with recorded() as calls:
        target(reading).provision(quiet)
    made += calls
    break_what_reads()
    with recorded() as calls:
        target(reading).provision(quiet)
        target(reading).destroy(quiet)
    made += calls
    assert set(made) - in_the_source() == set(), "what is called is not in the policy"
    assert in_the_source() - set(made) == set(), "the policy gives what no cycle calls"
    assert {action for call in made for action in actions_of(call)} | set(SESSION) == granted()


def granted() -> set[str]:
    """Return every action that the printed policy gives."""
    return {action for one in policy(Place("aws", "us-east-1", "*", "acme"))["Statement"] for action in one["Action"]}
