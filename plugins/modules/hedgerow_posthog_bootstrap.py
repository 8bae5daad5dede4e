#!/usr/bin/python
"""Close sign-up by signing up: the first organisation of a PostHog instance, made before the edge opens."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from ansible.module_utils.basic import AnsibleModule

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
  no_log: true
"""

RETURN = r"""
email:
  description: Address of the user that was made, or empty where an organisation was there already.
  type: str
  returned: always
"""
TIMEOUT = 20


class Web:
    """The web service, asked as the edge asks it: by its public name, as if over TLS."""

    def __init__(self, url: str, domain: str) -> None:
        self.url = url
        self.headers = {"Host": domain, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
        # No proxy of the environment has any business between two ends of one host.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def initiated(self) -> bool:
        """Say whether there is an organisation. Raises OSError, ValueError or KeyError."""
        return bool(json.loads(self._ask("/_preflight", None))["initiated"])

    def sign_up(self, values: dict[str, str]) -> None:
        """Create the first user and organisation. Raises OSError."""
        self._ask("/api/signup", json.dumps(values).encode())

    def _ask(self, path: str, body: bytes | None) -> bytes:
        # S310: the address is one that the role computed from the container's own.
        request = urllib.request.Request(self.url + path, data=body, headers=self.headers)  # noqa: S310
        with self.opener.open(request, timeout=TIMEOUT) as answer:
            return answer.read()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "email": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "organization": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    web = Web(module.params["url"], module.params["domain"])
    try:
        initiated = web.initiated()
    except (OSError, ValueError, KeyError) as error:
        if module.check_mode:
            # Before a first converge the service is only promised, and it will be new.
            module.exit_json(changed=True, email=module.params["email"])
        module.fail_json(msg=f"{web.url}/_preflight gave no answer to build on: {error}")
    if not initiated and not module.check_mode:
        email, organization = module.params["email"], module.params["organization"]
        try:
            web.sign_up(
                {
                    "first_name": email.partition("@")[0],
                    "email": email,
                    "password": module.params["password"],
                    "organization_name": organization,
                }
            )
            open_still = not web.initiated()
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace").replace(module.params["password"], "********")
            module.fail_json(msg=f"{web.url}/api/signup refused with {error.code}: {said}")
        except (OSError, ValueError, KeyError) as error:
            module.fail_json(msg=f"{web.url}/api/signup gave no answer to build on: {error}")
        if open_still:
            module.fail_json(msg="sign-up was accepted, yet the instance still says that it has no organisation")
    module.exit_json(changed=not initiated, email="" if initiated else module.params["email"])


if __name__ == "__main__":
    main()
