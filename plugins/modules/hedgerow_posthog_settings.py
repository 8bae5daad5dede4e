#!/usr/bin/python
"""PostHog's own access and privacy settings, as declared: read from the running service, changed where they differ."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.hedgerow_posthog_dropping import Dropping
from ansible.module_utils.hedgerow_posthog_web import Owner, RefusedError, Web

DOCUMENTATION = r"""
module: hedgerow_posthog_settings
short_description: Holds PostHog's organisation and projects to the declared settings
description:
  - Signs in as the owner, reads the settings over the API and changes those that differ.
  - Gives the owner a second factor before it is demanded of everybody, and keeps its seed on this host.
  - Two columns of the organisation that upstream's API only shows, or not even that, are set from inside the web
    service's container, with the service's own connection.
  - Deletes what the instance's own settings say about mail, from the same place; the environment then decides. A
    running process remembers what it has read of them (C(stale)).
  - Deletes the owner's personal API keys that may do everything or are too old. Nobody's key but one's own can be
    deleted over the API.
  - Keeps transformations of ours in every project, which take C(drop_properties) out of each event before others run.
options:
  url: {description: The web service as this host reaches it., type: str, required: true}
  domain: {description: The public name., type: str, required: true}
  email: {description: The owner., type: str, required: true}
  password: {description: The owner's password., type: str, required: true}
  folder: {description: Where the seed of the second factor and the session are kept., type: path, required: true}
  container: {description: The web service's container., type: str, required: true}
  organization:
    description: Settings of PATCH /api/organizations/@current/. With enforce_2fa the owner gets a second factor first.
    type: dict
    default: {}
  projects: {description: Settings of PATCH /api/projects/ID/ for every project., type: dict, default: {}}
  columns: {description: Columns of posthog_organization that the API does not write., type: dict, default: {}}
  drop_properties:
    description: Paths of properties to take out of every event. None leaves no transformation of ours.
    type: list
    elements: str
    default: []
  key_days: {description: How old the owner's keys may be., type: int, default: 90}
author: Hedgerow
"""

EXAMPLES = r"""
- name: Settings | Hold PostHog to the declaration
  hedgerow_posthog_settings:
    url: http://10.90.0.10:8000
    domain: analytics.acme.example
    email: jane@acme.example
    password: "{{ vault.posthog.owner_password }}"
    folder: /var/lib/hedgerow/posthog
    container: hedgerow-web
    organization: {enforce_2fa: true, allow_publicly_shared_resources: false}
    projects: {anonymize_ips: true}
    columns: {plugins_access_level: 0}
    drop_properties: [email, $set.email]
  no_log: true
"""

RETURN = r"""
changes:
  description: What was changed, or would be.
  type: list
  returned: always
stale:
  description: Whether services must be restarted to forget a setting of the instance that was deleted.
  type: bool
  returned: always
"""
ORGANIZATION, PROJECTS, KEYS = "/api/organizations/@current/", "/api/projects/", "/api/personal_api_keys/"
PATIENCE = 90  # seconds that a service is waited for which is just starting anew
# Told on standard input, as an argument could be read by everybody on the host. An integer column each.
INSIDE = """
import json, os, psycopg
from psycopg import sql
wanted, write = json.loads({said!r})
names = sorted(wanted)
columns = sql.SQL(", ").join(map(sql.Identifier, names))
with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=10) as db:
    rows = db.execute(sql.SQL("SELECT {{}} FROM posthog_organization").format(columns)).fetchall()
    if write and any(row != tuple(wanted[name] for name in names) for row in rows):
        pairs = [sql.SQL("{{}} = {{}}").format(sql.Identifier(name), sql.Literal(wanted[name])) for name in names]
        db.execute(sql.SQL("UPDATE posthog_organization SET {{}}").format(sql.SQL(", ").join(pairs)))
    mail = db.execute("SELECT key FROM posthog_instancesetting WHERE key LIKE %s", [{mail!r}]).fetchall()
    if write and mail:
        db.execute("DELETE FROM posthog_instancesetting WHERE key LIKE %s", [{mail!r}])
print(json.dumps([[dict(zip(names, row)) for row in rows], [row[0] for row in mail]]))
"""
# Rows of upstream's dynamic settings (posthog/models/instance_setting.py): one that is there wins over the environment.
MAIL = "constance:posthog:EMAIL\\_%"


def differing(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the wanted settings that are not so. Raises RefusedError for one the service does not have."""
    if missing := sorted(wanted.keys() - found.keys()):
        raise RefusedError(f"this PostHog does not know the setting {', '.join(missing)}; was it renamed?")
    return {name: value for name, value in wanted.items() if found[name] != value}


def too_wide_or_old(keys: list[dict[str, Any]], days: int, now: datetime) -> list[dict[str, Any]]:
    """Return the keys that may do everything (no scopes is how keys of before scopes say it) or are too old."""
    oldest = now - timedelta(days=days)
    return [
        key
        for key in keys
        if not key.get("scopes") or "*" in key["scopes"] or datetime.fromisoformat(key["created_at"]) < oldest
    ]


def lines(settings: dict[str, Any]) -> str:
    """Return settings as text that a diff can show line by line."""
    return json.dumps(settings, indent=2, sort_keys=True, default=str) + "\n" if settings else ""


class Settings:
    """One run: `changes` says what differed, `before` and `after` how."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.given = module.params
        self.dry = module.check_mode
        self.web = Web(self.given["url"], self.given["domain"])
        self.owner = Owner(
            self.web, self.given["email"], self.given["password"], Path(self.given["folder"]), keep=not self.dry
        )
        self.changes: list[str] = []
        self.stale = False
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}

    def run(self) -> None:
        """Bring everything to what is wanted. Raises RefusedError, OSError."""
        columns = self._columns()
        self.owner.sign_in()
        wanted = self.given["organization"]
        if wanted.get("enforce_2fa") and not self.owner.has_second_factor():
            self._note("owner", {"second_factor": False}, {"second_factor": True})
            if self.dry:
                # Where it is demanded already, nothing more can be read without one.
                if self.web.ask("GET", ORGANIZATION).status != 200:
                    return
            else:
                self.owner.enrol()
        found = self.web.want("GET", ORGANIZATION)
        changed = differing(found, wanted)
        if changed:
            self._note("organization", found, changed)
        if (changed or columns) and not self.dry:
            # After columns too: upstream keeps a session's age in its cache, and saving renews that.
            self.web.want("PATCH", ORGANIZATION, wanted)
        for project in self._pages(PROJECTS):
            path = f"{PROJECTS}{project['id']}/"
            found = self.web.want("GET", path)
            if changed := differing(found, self.given["projects"]):
                self._note(f"project {project['id']}", found, changed)
                if not self.dry:
                    self.web.want("PATCH", path, changed)
            self._drop(project["id"])
        for key in too_wide_or_old(self._pages(KEYS), self.given["key_days"], datetime.now(UTC)):
            self._note(f"key {key['label']!r}", key, {"scopes": None})
            if not self.dry:
                self.web.want("DELETE", f"{KEYS}{key['id']}/")

    def _drop(self, project: object) -> None:
        """Have the transformations of a project that are ours."""

        def note(found: dict[str, Any], changed: dict[str, Any]) -> None:
            self._note(f"project {project}", found, changed)

        paths = self.given["drop_properties"]
        Dropping(self.web, self._pages, project, note, self._fetch_templates, dry=self.dry).settle(paths)

    def _fetch_templates(self) -> str:
        """Have web copy its templates by upstream's own command; return the end of what that said."""
        line = ["podman", "exec", self.given["container"], "python3", "manage.py", "sync_hog_function_templates"]
        _, said, complaint = self.module.run_command(line)
        return (said + complaint).strip()[-300:] or "it said nothing"

    def _columns(self) -> bool:
        """Set what the API does not; say whether anything differed."""
        wanted = self.given["columns"]
        if not wanted:
            return False
        program = INSIDE.format(said=json.dumps([wanted, not self.dry]), mail=MAIL)
        line = ["podman", "exec", "--interactive", self.given["container"], "python3", "-"]
        code, said, complaint = self.module.run_command(line, data=program)
        if code != 0:
            raise RefusedError(f"{self.given['container']} could not read its organisation: {complaint.strip()[-500:]}")
        found, mail = json.loads(said)
        if mail:
            self.stale = True
            self._note("instance", dict.fromkeys(mail, "(set)"), dict.fromkeys(mail))
        rows = [row for row in found if differing(row, wanted)]
        for row in rows:
            self._note("organization", row, differing(row, wanted))
        return bool(rows)

    def _pages(self, path: str) -> list[dict[str, Any]]:
        """Return every row of a list, which upstream gives whole or in pages."""
        value = self.web.want("GET", path)
        rows = list(value if isinstance(value, list) else value["results"])
        while isinstance(value, dict) and value.get("next"):
            value = self.web.want("GET", value["next"].removeprefix(self.web.origin))
            rows += value["results"]
        return rows

    def _note(self, where: str, found: dict[str, Any], changed: dict[str, Any]) -> None:
        self.before.setdefault(where, {}).update({name: found.get(name) for name in changed})
        self.after.setdefault(where, {}).update(changed)
        self.changes += [f"{where}: {name}" for name in changed]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "domain": {"type": "str", "required": True},
            "email": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "folder": {"type": "path", "required": True},
            "container": {"type": "str", "required": True},
            "organization": {"type": "dict", "default": {}},
            "projects": {"type": "dict", "default": {}},
            "columns": {"type": "dict", "default": {}},
            "drop_properties": {"type": "list", "elements": "str", "default": []},
            "key_days": {"type": "int", "default": 90, "no_log": False},
        },
        supports_check_mode=True,
    )
    settings = Settings(module)
    try:
        try:
            reachable = settings.web.initiated(0 if module.check_mode else PATIENCE)
        except (OSError, ValueError, KeyError):
            reachable = False
        if reachable:
            settings.run()
        elif module.check_mode:
            # Before a first converge the service or its owner is only promised.
            module.exit_json(changed=True, changes=["everything, once PostHog runs"])
        else:
            raise RefusedError(f"{settings.web.url} does not say that it has an organisation")
    except (RefusedError, OSError) as error:
        module.fail_json(msg=str(error).replace(module.params["password"], "********"), changes=settings.changes)
    module.exit_json(
        changed=bool(settings.changes),
        changes=settings.changes,
        stale=settings.stale,
        diff={"before": lines(settings.before), "after": lines(settings.after)},
    )


if __name__ == "__main__":
    main()
