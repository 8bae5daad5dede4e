"""The JSON Schema of a declaration, for editors.

`python -m hedgerow.declaration.schema` writes it to inventories/deploy.schema.json; a test holds the two
equal. A file that begins with `# yaml-language-server: $schema=../deploy.schema.json` is checked and
completed while it is typed. The schema knows the form of each key; what only the whole can tell
is said by `./installer.py plan deploy.yml`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hedgerow.declaration.models import Declaration

FILE = Path(__file__).parents[2] / "inventories" / "deploy.schema.json"
TITLE = "Hedgerow: what an operator wants (deploy.yml)"


def schema() -> dict[str, Any]:
    """Return the schema, its keys in the same order each time."""
    document = _plain(Declaration.model_json_schema(mode="validation"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLE, **document}


def text() -> str:
    """Return the schema as the file holds it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(node: Any) -> Any:
    """Leave out the titles that pydantic makes of names, and nulls: a key without a value is refused."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    # A default that is a mapping only repeats the defaults of its keys.
    dropped = {"title": str, "default": dict}
    kept = {key: _plain(item) for key, item in node.items() if not isinstance(item, dropped.get(key, ()))}
    some = [item for item in kept.get("anyOf", ()) if item != {"type": "null"}]
    if len(some) == 1 and kept.get("default", 0) is None:
        del kept["anyOf"], kept["default"]
        kept = {**some[0], **kept}
    return kept


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
