"""How Google refuses: one shape of answer, with the word that each family of services uses for the reason."""

from __future__ import annotations

from typing import Any

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class RefusedError(Exception):
    """A request that Google would refuse.

    `reason` is the older word (notFound), `status` the newer one (NOT_FOUND): https://cloud.google.com/apis/design/errors.
    """

    def __init__(self, code: int, message: str, reason: str = "invalid", *, status: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.reason = code, message, reason
        self.status = status or STATUS.get(code, "UNKNOWN")

    def answer(self) -> dict[str, Any]:
        """Return the body of the answer."""
        line = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.code, "message": self.message, "errors": [line], "status": self.status}}


def invalid(field: str, value: object, why: str = "") -> RefusedError:
    """Return the refusal of one field's value."""
    return RefusedError(400, f"Invalid value for field '{field}': '{value}'. {why}".rstrip(), "invalid")


def missing(path: str) -> RefusedError:
    """Return the refusal of a name that nothing has."""
    return RefusedError(404, f"The resource '{path}' was not found", "notFound")


def exists(path: str) -> RefusedError:
    """Return the refusal of a name that something has."""
    return RefusedError(409, f"The resource '{path}' already exists", "alreadyExists")


def not_modelled(what: str) -> RefusedError:
    """Return the answer to what this fake does not know."""
    return RefusedError(501, f"The fake does not model {what}.", "notImplemented")
