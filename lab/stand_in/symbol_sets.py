"""Symbol sets in `web`'s API: what a build sends, so that cymbal can name frames (products/error_tracking/backend/api).

Upstream's are source maps with their scripts; ours are JSON, minified name to name.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

from stand_in.api import Api
from stand_in.asgi import Reply, Request, as_json
from stand_in.guard import fault, invalid
from stand_in.objects import Objects

if TYPE_CHECKING:
    from stand_in.optional_tables import Tables

PREFIX = "symbolsets"  # upstream's OBJECT_STORAGE_ERROR_TRACKING_SOURCE_MAPS_FOLDER, and cymbal's SS_PREFIX
REF = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class SymbolSets:
    """The API of symbol sets. `objects` is None where there is no object storage."""

    def __init__(self, api: Api, tables: Tables, objects: Objects | None) -> None:
        self.api, self.tables, self.objects = api, tables, objects

    def create(self, request: Request, which: str) -> Reply:
        """POST /api/projects/N/error_tracking/symbol_sets?chunk_id=ID: keep what a script's names stand for."""
        caller = self.api.caller(request, "error_tracking:write")
        if isinstance(caller, Reply):
            return caller
        if self.objects is None or self.api.team_fault(caller, which):
            return fault(404, "invalid_request", "not_found", "Not found.")
        ref = request.query.get("chunk_id", "")
        try:
            names = request.fields()
        except ValueError:
            names = {}
        if not REF.fullmatch(ref) or not names or not all(isinstance(name, str) for name in names.values()):
            return invalid("invalid_input", "A chunk id and its names are needed.")
        where = f"{PREFIX}/{uuid.uuid4()}"
        self.objects.put(where, json.dumps(names).encode())
        self.tables.keep_symbol_set(caller.team, ref, where)
        return as_json(201, {"ref": ref})
