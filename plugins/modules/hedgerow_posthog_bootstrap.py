#!/usr/bin/python
"""Close sign-up by signing up: the first organisation of a PostHog instance, made before the edge opens."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hedgerow_posthog_web import RefusedError, Web

DOCUMENTATION = r"""
module: hedgerow_posthog_bootstrap
short_description: Creates the first organisation of a PostHog instance that has none
description:
  - PostHog lets anybody sign up on an instance without an organisation, and nobody afterwards, unless invited.
    There is no command for it, only the sign-up API.
  - The web service is asked directly, on its container's address, in the words of the edge in front of it.
options:
  url:
    description: The web service as this host reaches it.
    type: str
    required: true
  domain:
    description: The public name, which the service wants to be asked by.
    type: str
    required: true
  email:
    description: Address of the first user.
    type: str
    required: true
  password:
    description: Password of the first user.
    type: str
    required: true
  organization:
    description: Name of the first organisation.
    type: str
    required: true
  patience:
    description: Seconds to wait for a service that gives no answer, as one does that is just starting anew.
    type: int
    default: 90
author: Hedgerow
"""

EXAMPLES = r"""
- name: First user | Close sign-up before anybody can reach it
  hedgerow_posthog_bootstrap:
    url: http://10.90.0.10:8000
    domain: analytics.acme.example
    email: jane@acme.example
    password: "{{ vault.posthog.owner_password }}"
    organization: acme
"""

RETURN = r"""
email:
  description: Address of the user that was made, or empty where an organisation was there already.
  type: str
  returned: always
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "email": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "organization": {"type": "str", "required": True},
            "patience": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    web = Web(module.params["url"], module.params["domain"])
    try:
        initiated = web.initiated(0 if module.check_mode else module.params["patience"])
    except (OSError, ValueError, KeyError) as error:
        if module.check_mode:
            # Before a first converge the service is only promised, and it will be new.
            module.exit_json(changed=True, email=module.params["email"])
        module.fail_json(msg=f"{web.url}/_preflight gave no answer to build on: {error}")
    if not initiated and not module.check_mode:
        email, organization = module.params["email"], module.params["organization"]
        try:
            web.want(
                "POST",
                "/api/signup",
                {
                    "first_name": email.partition("@")[0],
                    "email": email,
                    "password": module.params["password"],
                    "organization_name": organization,
                },
            )
            open_still = not web.initiated()
        except RefusedError as refusal:
            module.fail_json(msg=str(refusal).replace(module.params["password"], "********"))
        except (OSError, ValueError, KeyError) as error:
            module.fail_json(msg=f"{web.url}/api/signup gave no answer to build on: {error}")
        if open_still:
            module.fail_json(msg="sign-up was accepted, yet the instance still says that it has no organisation")
    module.exit_json(changed=not initiated, email="" if initiated else module.params["email"])


if __name__ == "__main__":
    main()
