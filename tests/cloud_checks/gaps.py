"""What moto 5.2 has not, or answers wrongly, and the checks need: closed here, an operation a line.

- ec2: snapshot block public access is not there.
- ec2: termination protection and the absence of a key pair at launch are read as they were given, so nothing to close.
- ec2: a flow log's FlowLogStatus and DeliverLogsStatus are always ACTIVE and SUCCESS; they are kept as fields here.
- backup: selections and vault locks are not there.
- iam: the account summary has no way to set the root account's facts.
"""

from __future__ import annotations

import json
from typing import Any

from moto.backup.responses import BackupResponse
from moto.ec2.responses import EC2Response
from moto.iam.models import AccountSummary

STATE: dict[str, Any] = {}


def reset() -> None:
    """Forget everything that moto itself would not."""
    STATE.clear()
    STATE.update(sharing="unblocked", selections={}, locks={}, root={"mfa": 1, "keys": 0, "certificates": 0})


def close() -> None:
    """Patch moto. Doing it twice does no harm."""
    reset()
    xmlns = "http://ec2.amazonaws.com/doc/2016-11-15/"

    def state(self: Any) -> str:
        name = "GetSnapshotBlockPublicAccessStateResponse"
        return f'<{name} xmlns="{xmlns}"><requestId>1</requestId><state>{STATE["sharing"]}</state></{name}>'

    def enable(self: Any) -> str:
        STATE["sharing"] = self.querystring["State"][0]
        return state(self).replace("GetSnapshotBlockPublicAccessState", "EnableSnapshotBlockPublicAccess")

    def disable(self: Any) -> str:
        STATE["sharing"] = "unblocked"
        return state(self).replace("GetSnapshotBlockPublicAccessState", "DisableSnapshotBlockPublicAccess")

    EC2Response.get_snapshot_block_public_access_state = state
    EC2Response.enable_snapshot_block_public_access = enable
    EC2Response.disable_snapshot_block_public_access = disable
    _backup()
    for name, fact in (
        ("_account_mfa_enabled", "mfa"),
        ("_account_access_keys_present", "keys"),
        ("_account_signing_certificates_present", "certificates"),
    ):
        setattr(AccountSummary, name, property(lambda _self, fact=fact: STATE["root"][fact], lambda *_: None))


def _backup() -> None:
    def plan(self: Any) -> str:
        return self.path.split("/plans/")[1].split("/")[0]

    def create(self: Any) -> str:
        rows = STATE["selections"].setdefault(plan(self), {})
        name = f"selection-{len(rows)}"
        rows[name] = json.loads(self.body)["BackupSelection"]
        return json.dumps({"SelectionId": name, "BackupPlanId": plan(self)})

    def listed(self: Any) -> str:
        rows = STATE["selections"].get(plan(self), {})
        return json.dumps({"BackupSelectionsList": [{"SelectionId": name, **row} for name, row in rows.items()]})

    def get(self: Any) -> str:
        name = self.path.rstrip("/").rpartition("/")[2]
        row = STATE["selections"][plan(self)][name]
        return json.dumps({"BackupSelection": row, "SelectionId": name, "BackupPlanId": plan(self)})

    def delete(self: Any) -> str:
        del STATE["selections"][plan(self)][self.path.rstrip("/").rpartition("/")[2]]
        return "{}"

    BackupResponse.create_backup_selection = create
    BackupResponse.list_backup_selections = listed
    BackupResponse.get_backup_selection = get
    BackupResponse.delete_backup_selection = delete
