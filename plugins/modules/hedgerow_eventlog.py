#!/usr/bin/python
"""Have the event log hold exactly the declared rights, and each declared topic with its bounds."""

from __future__ import annotations

import struct
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hedgerow_eventlog_plan import Found, Plan, lines, make_plan
from ansible.module_utils.hedgerow_kafka import Admin, KafkaError

DOCUMENTATION = r"""
module: hedgerow_eventlog
short_description: Topics and the access list of a Kafka-compatible event log
description:
  - Speaks Kafka's admin protocol over mutual TLS, as the superuser whose certificate lies on the host.
  - Topics that are missing are made, those whose bounds differ are bounded. Topics that nobody declared are told and
    never touched, for there may be events in them.
  - Entries of the access list that nobody declared are taken away, of whomever they speak.
  - New rights are given before old ones are taken, and only what differs is touched.
options:
  address: {description: "Where the event log is.", type: str, required: true}
  port: {description: "Its port.", type: int, required: true}
  name: {description: "The name in its certificate.", type: str, required: true}
  ca: {description: "The CA's certificate.", type: path, default: /etc/hedgerow/ca.crt}
  certificate: {description: "The superuser's certificate.", type: path, default: /etc/hedgerow/eventlog/admin.crt}
  key: {description: "Its private key.", type: path, default: /etc/hedgerow/eventlog/admin.key}
  topics:
    description: Topics that must be there.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: "Its name.", type: str, required: true}
      hours: {description: "How long it keeps an event.", type: int, required: true}
      bytes: {description: "Most bytes that it keeps; the oldest go first.", type: int, required: true}
      segment_bytes: {description: "Bytes of the file it writes to, which come on top.", type: int, required: true}
  clients:
    description: Who may do what.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: "Common name of its certificate.", type: str, required: true}
      writes: {description: "Topics it appends to.", type: list, elements: str, default: []}
      reads: {description: "Topics it reads.", type: list, elements: str, default: []}
      group: {description: "What the names of its consumer groups begin with.", type: str, default: ""}
      idempotent: {description: "Whether its producers ask for an id first.", type: bool, default: false}
  timeout: {description: "Seconds that the event log has to answer.", type: int, default: 60}
author: Hedgerow
"""

RETURN = r"""
undeclared_topics: {description: "Topics that nobody declared.", type: list, returned: always}
"""
TOPIC = {
    "name": {"type": "str", "required": True},
    "hours": {"type": "int", "required": True},
    "bytes": {"type": "int", "required": True},
    "segment_bytes": {"type": "int", "required": True},
}
CLIENT = {
    "name": {"type": "str", "required": True},
    "writes": {"type": "list", "elements": "str", "default": []},
    "reads": {"type": "list", "elements": "str", "default": []},
    "group": {"type": "str", "default": ""},
    "idempotent": {"type": "bool", "default": False},
}
NAMES = ("retention.ms", "retention.bytes", "segment.bytes")


def connect(params: dict[str, Any]) -> Admin:
    return Admin(
        params["address"],
        params["port"],
        name=params["name"],
        ca=params["ca"],
        certificate=params["certificate"],
        key=params["key"],
    )


def look(admin: Admin, params: dict[str, Any]) -> Found:
    """Return what there is, of the settings only what is declared."""
    there = admin.topics()
    ours = [topic["name"] for topic in params["topics"] if topic["name"] in there]
    return Found(there, admin.settings(ours, NAMES) if ours else {}, admin.acls())


def apply(admin: Admin, plan: Plan) -> None:
    """Do what the plan says; what would be nothing is not asked for."""
    for act, rows in (
        (admin.create, plan.create),
        (admin.set, plan.set),
        (admin.grant, plan.grant),
        (admin.revoke, plan.revoke),
    ):
        if rows:
            act(rows)


def bring(params: dict[str, Any], check: bool, plans: list[tuple[Plan, Found]]) -> None:
    """Bring the event log to what is declared over one connection. What is to be done, and what there was, is added."""
    admin = connect(params)
    try:
        found = look(admin, params)
        plans.append((make_plan(params["topics"], params["clients"], found), found))
        if not check:
            apply(admin, plans[-1][0])
    finally:
        admin.close()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "name": {"type": "str", "required": True},
            "ca": {"type": "path", "default": "/etc/hedgerow/ca.crt"},
            "certificate": {"type": "path", "default": "/etc/hedgerow/eventlog/admin.crt"},
            "key": {"type": "path", "default": "/etc/hedgerow/eventlog/admin.key", "no_log": False},
            "topics": {"type": "list", "elements": "dict", "required": True, "options": TOPIC},
            "clients": {"type": "list", "elements": "dict", "required": True, "options": CLIENT},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    params, until = module.params, time.monotonic() + module.params["timeout"]
    plans: list[tuple[Plan, Found]] = []
    while True:
        try:
            bring(params, module.check_mode, plans)
            break
        except (OSError, struct.error, KafkaError) as error:
            if module.check_mode and not isinstance(error, KafkaError):
                # Before a first converge the event log is only promised, and so is everything in it.
                plans.append((make_plan(params["topics"], params["clients"], Found()), Found()))
                break
            if time.monotonic() > until or not getattr(error, "passing", True):
                module.fail_json(msg=f"{params['name']} at {params['address']}:{params['port']}: {error}")
            time.sleep(1)
    # The first one: what it did before it was cut off is not in the next.
    plan, found = plans[0]
    before, after = lines(plan, found)
    if plan.strangers:
        module.warn(f"the event log has topics that nobody declared; they are left alone: {', '.join(plan.strangers)}")
    module.exit_json(
        changed=plan.changed, undeclared_topics=list(plan.strangers), diff={"before": before, "after": after}
    )


if __name__ == "__main__":
    main()
