"""A request held against its method: fields, types, formats, patterns and enums of the discovery document."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from .discovery import Document, Method
from .errors import RefusedError, invalid

WHOLE = re.compile(r"-?\d{1,20}")
LIMITS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


def query(method: Method, given: dict[str, list[str]]) -> None:
    """Refuse a parameter that the method does not have, or a value that it does not take."""
    for name, values in given.items():
        if name in method.document.common or name.startswith("$"):
            continue
        known = method.parameters.get(name)
        if known is None or known["location"] != "query":
            text = f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
            raise RefusedError(400, text, "badRequest")
        if len(values) > 1 and not known.get("repeated"):
            raise RefusedError(400, f"Parameter {name} is given twice.", "badRequest")
        for value in values:
            if known["type"] == "integer" and not WHOLE.fullmatch(value):
                raise invalid(name, value)
            if known["type"] == "boolean" and value.lower() not in ("true", "false"):
                raise invalid(name, value)
            if "enum" in known and value not in known["enum"]:
                raise invalid(name, value)
    for name, known in method.parameters.items():
        if known.get("required") and known["location"] == "query" and name not in given:
            raise RefusedError(400, f"Required parameter: {name}", "required")


def path(method: Method, given: dict[str, str]) -> None:
    """Refuse a name in the path that is none."""
    for name, value in given.items():
        pattern = method.parameters.get(name, {}).get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            raise invalid(name, value, f"Must be a match of regex '{pattern}'")


def body(method: Method, given: Any) -> Any:
    """Return what of a body is taken: fields that are only ever output are left out, as every API of Google's must do.

    https://google.aip.dev/203 (Output only): "the service must not throw an error".
    """
    if method.request is None:
        if given not in (None, {}):
            raise RefusedError(400, "Invalid JSON payload received: this method takes no body.", "badRequest")
        return {}
    return _Check(method.document, method.name).value(
        {"$ref": method.request}, {} if given is None else given, "resource"
    )


class _Check:
    def __init__(self, document: Document, method: str) -> None:
        self.document, self.method = document, method

    def value(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        if "$ref" in schema:
            schema = self.document.schemas[schema["$ref"]]
        kind = schema.get("type", "any")
        check: Callable[[dict[str, Any], Any, str], Any] = getattr(self, f"_{kind}")
        return check(schema, given, where)

    def _any(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        return given

    def _object(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        if not isinstance(given, dict):
            raise invalid(where, given, "Expected an object.")
        known, rest = schema.get("properties", {}), schema.get("additionalProperties")
        taken: dict[str, Any] = {}
        for name, value in given.items():
            if name not in known and rest is None:
                text = f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
                raise RefusedError(400, text, "badRequest")
            field = known.get(name, rest)
            if value is None:
                taken[name] = None
            elif not output_only(field):
                taken[name] = self.value(field, value, f"{where}.{name}")
        for name, field in known.items():
            if self.method in field.get("annotations", {}).get("required", ()) and taken.get(name) in (None, ""):
                raise RefusedError(400, f"Required field '{where}.{name}' not specified", "required")
        return taken

    def _array(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        if not isinstance(given, list):
            raise invalid(where, given, "Expected a list.")
        return [self.value(schema["items"], one, f"{where}[{number}]") for number, one in enumerate(given)]

    def _boolean(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        if not isinstance(given, bool):
            raise invalid(where, given, "Expected a boolean.")
        return given

    def _number(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise invalid(where, given, "Expected a number.")
        return given

    def _integer(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        if isinstance(given, bool) or not WHOLE.fullmatch(str(given)):
            raise invalid(where, given, "Expected an integer.")
        _in_range(schema.get("format", "int32"), int(given), where)
        return int(given)

    def _string(self, schema: dict[str, Any], given: Any, where: str) -> Any:
        form = schema.get("format", "")
        if form in LIMITS:
            if isinstance(given, bool) or not WHOLE.fullmatch(str(given)):
                raise invalid(where, given, "Expected an integer.")
            _in_range(form, int(given), where)
            return str(given)
        if isinstance(given, int) and not isinstance(given, bool) and "enum" in schema:
            return given  # an enum's number, as protobuf's JSON allows: the service knows which name it has
        if not isinstance(given, str):
            raise invalid(where, given, "Expected a string.")
        if "enum" in schema and given not in schema["enum"]:
            raise invalid(where, given, f"Must be one of {schema['enum']}.")
        if "pattern" in schema and not re.fullmatch(schema["pattern"], given):
            raise invalid(where, given, f"Must be a match of regex '{schema['pattern']}'")
        FORMATS.get(form, _anything)(given, where)
        return given


def output_only(field: dict[str, Any]) -> bool:
    """Tell whether a field is only ever said by Google; older parts of the documents say it in words alone."""
    return bool(field.get("readOnly")) or field.get("description", "").startswith(("[Output Only]", "Output only."))


def _in_range(form: str, number: int, where: str) -> None:
    low, high = LIMITS[form]
    if not low <= number <= high:
        raise invalid(where, number, f"Out of the range of {form}.")


def _anything(given: str, where: str) -> None:
    return None


def _byte(given: str, where: str) -> None:
    try:
        base64.b64decode(given, altchars=b"-_" if set("-_") & set(given) else None, validate=True)
    except (binascii.Error, ValueError) as wrong:
        raise invalid(where, given, "Base64 decoding failed.") from wrong


def _duration(given: str, where: str) -> None:
    if not re.fullmatch(r"-?\d+(\.\d{1,9})?s", given):
        raise invalid(where, given, "Illegal duration format; duration must end with 's'.")


def _time(given: str, where: str) -> None:
    try:
        datetime.fromisoformat(given)
    except ValueError as wrong:
        raise invalid(where, given, "Illegal timestamp format.") from wrong


FORMATS = {"byte": _byte, "google-duration": _duration, "google-datetime": _time, "date-time": _time}
