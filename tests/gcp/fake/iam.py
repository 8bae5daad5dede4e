"""IAM: service accounts and custom roles. https://cloud.google.com/iam/docs/reference/rest."""

from __future__ import annotations

import re
from typing import Any

from . import named
from .asked import Asked
from .errors import RefusedError, not_modelled
from .world import EMAIL, NUMBER, PROJECT, etag

ACCOUNT = re.compile(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])")
ROLE = re.compile(r"[a-zA-Z0-9_.]{3,64}")
PERMISSION = re.compile(r"[a-z0-9]+\.[a-zA-Z0-9]+\.[a-zA-Z]+")


def answer(asked: Asked) -> dict[str, Any]:
    """Answer one request to IAM."""
    named.project_of(asked)
    if ".projects.serviceAccounts.keys." in asked.method.name and asked.action == "list":
        return {"keys": []}
    if asked.method.name.startswith("iam.projects.serviceAccounts.") and asked.collection == "serviceAccounts":
        return _accounts(asked)
    if asked.method.name.startswith("iam.projects.roles."):
        return _roles(asked)
    raise not_modelled(asked.method.name)


def _name(asked: Asked) -> str:
    """Return an account's full name; "-" stands for its own project, and a number for its address."""
    given = asked.path.get("name") or asked.path.get("resource", "")
    account = given.rpartition("/")[2]
    for key, row in asked.world.rows.items():
        if key.startswith("iam:") and row.get("uniqueId") == account:
            account = row["email"]
    return f"projects/{PROJECT}/serviceAccounts/{account}"


def _accounts(asked: Asked) -> dict[str, Any]:  # noqa: PLR0911 (one an action)
    match asked.action:
        case "create":
            return _create_account(asked)
        case "list":
            return named.listed(asked, f"projects/{PROJECT}/serviceAccounts", "accounts")
    name = _name(asked)
    if asked.action.endswith(("IamPolicy", "IamPermissions")):
        named.must(asked, name)
        return named.policy(asked, f"iam:{name}")
    row = named.must(asked, name)
    match asked.action:
        case "get":
            return row
        case "delete":
            del asked.world.rows[f"iam:{name}"]
            _forget(asked, row["email"], row["uniqueId"])
            return {}
        case "disable" | "enable":
            row.pop("disabled", None)
            row |= {"disabled": True} if asked.action == "disable" else {}
            return {}
        case "patch":
            given = asked.body.get("serviceAccount", {})
            fields = named.mask(asked, asked.body.get("updateMask", ""), may={"displayName", "description"})
            row |= {one: given.get(one, "") for one in fields}
            row["etag"] = etag({**row, "etag": ""})
            return row
    raise not_modelled(asked.method.name)


def _create_account(asked: Asked) -> dict[str, Any]:
    account = asked.body.get("accountId", "")
    if not ACCOUNT.fullmatch(account):  # https://cloud.google.com/iam/docs/service-accounts-create
        text = f'The account ID "{account}" does not have a length between 6 and 30, or is not of [a-z0-9-].'
        raise RefusedError(400, text, "badRequest")
    email = f"{account}@{PROJECT}.iam.gserviceaccount.com"
    if email == EMAIL:
        raise RefusedError(409, f"Service account {account} already exists within project.", "alreadyExists")
    name = f"projects/{PROJECT}/serviceAccounts/{email}"
    key, given = named.fresh(asked, name), asked.body.get("serviceAccount", {})
    identity = "1" + asked.world.identity()
    row = {
        **{one: given[one] for one in ("displayName", "description") if one in given},
        "name": name,
        "email": email,
        "projectId": PROJECT,
        "uniqueId": identity,
        "oauth2ClientId": identity,
    }
    asked.world.rows[key] = {**row, "etag": etag(row)}
    return asked.world.rows[key]


def _forget(asked: Asked, email: str, identity: str) -> None:
    """A deleted account's grants stay, under another name: https://cloud.google.com/iam/docs/service-accounts-delete-undelete."""
    gone = f"deleted:serviceAccount:{email}?uid={identity}"
    for found in asked.world.policies.values():
        for binding in found.get("bindings", []):
            members = binding["members"]
            binding["members"] = [gone if one == f"serviceAccount:{email}" else one for one in members]


def _roles(asked: Asked) -> dict[str, Any]:
    if asked.action == "create":
        return _create_role(asked)
    if asked.action == "list":
        found = [named.shown(one) for one in asked.world.under(f"iam:projects/{PROJECT}/roles/")]
        kept = [one for one in found if not one.get("deleted") or asked.yes("showDeleted")]
        return {"roles": kept} if kept else {}
    name = asked.path["name"].replace(NUMBER, PROJECT)
    row = named.must(asked, name)
    match asked.action:
        case "get":
            return row
        case "delete":
            row["deleted"] = True
        case "undelete":
            row.pop("deleted", None)
        case "patch":
            _permissions(asked.body)
            fields = named.mask(asked, asked.one("updateMask", "title,description,includedPermissions,stage"))
            row |= {one: asked.body[one] for one in fields if one in asked.body}
        case _:
            raise not_modelled(asked.method.name)
    row["etag"] = etag({**row, "etag": ""})
    return row


def _create_role(asked: Asked) -> dict[str, Any]:
    role = asked.body.get("roleId", "")
    if not ROLE.fullmatch(role):
        raise RefusedError(400, f'The role_id "{role}" must match [a-zA-Z0-9_.]{{3,64}}.', "badRequest")
    name = f"projects/{PROJECT}/roles/{role}"
    if asked.world.rows.get(f"iam:{name}", {}).get("deleted"):
        # https://cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role: the name stays taken for 44 days
        text = f"You can't create a role with role_id ({role}) where there is an existing role with that role_id in a"
        raise RefusedError(400, f"{text} deleted state.", "failedPrecondition", status="FAILED_PRECONDITION")
    key, given = named.fresh(asked, name), asked.body.get("role", {})
    _permissions(given)
    row = {"stage": "ALPHA", **given, "name": name}
    asked.world.rows[key] = {**row, "etag": etag(row)}
    return asked.world.rows[key]


def _permissions(given: dict[str, Any]) -> None:
    for one in given.get("includedPermissions", []):
        if not PERMISSION.fullmatch(one):
            raise RefusedError(400, f"Permission {one} is not valid.", "badRequest")
