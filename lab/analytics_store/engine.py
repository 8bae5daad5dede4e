"""ClickHouse's engine in this process: one connection for each user, each with that user's role and settings.

The library has one user, `default`. It is given nothing but roles, one for each user of users.d with that user's
grants; a connection takes one role and its user's settings profile before anybody's query reaches it. Clients cannot
take another role: only one statement at a time is run, and none that controls the session or the server but BACKUP and
RESTORE, which need a grant of their own (`classify_query`, which is the engine's own parser).
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from analytics_store.config import Config, User

LIBRARY = "/usr/lib/hedgerow-stand-in/chdb"
DEEPBIND = 0x8  # RTLD_DEEPBIND: the library brings its own allocator, and everything in it must use that one
EVENTS = User("events_consumer", "", (), "default", ("GRANT SELECT, INSERT ON posthog.*",))
"""Who inserts what the event log brings. The real server's Kafka tables have no user; nobody signs in as this one."""
READ, WRITE, CONTROL = 0, 1, 3
# Of what controls the server these two alone are run; the engine asks for the right to them, and where they may go.
BACKUPS = re.compile(r"(?i)\s*(BACKUP|RESTORE)\s")
OWN_GRANTS = re.compile(r"(?i)SHOW\s+GRANTS(\s+FOR\s+CURRENT_USER)?\s*;?")


class QueryError(Exception):
    """The engine's refusal, with its number and its words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass
class _Seat:
    connection: Any
    lock: threading.Lock


class Engine:
    """The engine; its data is under `config.path`. One process may open it at a time, and the library sees to that."""

    def __init__(self, config: Config, scratch: Path, library: str = LIBRARY) -> None:
        sys.path.insert(0, library)
        before = sys.getdlopenflags()
        sys.setdlopenflags(before | DEEPBIND)
        import _chdb  # noqa: PLC0415 - found by the path above

        sys.setdlopenflags(before)
        self._connect = _chdb.connect
        self._place = f"{config.path}?config-file={_write(config, scratch)}"
        self.users = {**config.users, EVENTS.name: EVENTS}
        self._seats: dict[str, _Seat] = {}
        self._lock = threading.Lock()
        self._judge = self._connect(self._place)
        # The real server has the database `default` from the start.
        self.version = self._judge.query("SELECT version()", "TSV").bytes().decode().strip()

    def kind(self, statement: str) -> int:
        """Return READ or WRITE. Raises QueryError for what nobody may send."""
        with self._lock:
            found = self._judge.classify_query(statement)
        kind, count = int(found["query_class"]), found["statement_count"]
        if count == 0:
            raise QueryError(62, "Syntax error: the engine cannot parse the query. (SYNTAX_ERROR)")
        if count > 1:
            raise QueryError(62, "Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")
        if kind == CONTROL and BACKUPS.match(statement):
            return WRITE
        if kind not in (READ, WRITE) or re.search(r"(?i)\bFROM\s+INFILE\b", statement[:4096]):
            raise QueryError(
                497, "Not enough privileges. The stand-in runs no statement that controls the server. (ACCESS_DENIED)"
            )
        return kind

    def query(
        self,
        user: User,
        statement: str,
        form: str,
        database: str,
        values: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> bytes:
        """Run one statement, which `kind` has seen, as a user. Raises QueryError."""
        seat = self._seat(user)
        with seat.lock:
            try:
                _run(seat, f"USE {_name(database)}")
                for key, value in values.items():
                    _run(seat, f"SET param_{key} = {_quoted(value)}")
                for key, value in settings.items():
                    _run(seat, f"SET {key} = {_quoted(value)}")
                if OWN_GRANTS.fullmatch(statement.strip()):
                    return _own_grants(seat, user, form)
                return _run(seat, statement, form)
            except QueryError as error:
                error.words = error.words.replace("default: ", f"{user.name}: ", 1)
                raise
            finally:
                for key in settings:
                    _restore(seat, key, user.settings.get(key))

    def _seat(self, user: User) -> _Seat:
        with self._lock:
            if user.name not in self._seats:
                seat = _Seat(self._connect(self._place), threading.Lock())
                _run(seat, f"SET ROLE {_role(user.name)}")
                # The profile brings its constraints and, in this library, not its values; readonly must come last.
                values = {key: value for key, value in user.settings.items() if key != "readonly"}
                for key, value in values.items():
                    _run(seat, f"SET {key} = {_quoted(value)}")
                _run(seat, f"SET profile = {_quoted(user.profile)}")
                if "readonly" in user.settings:
                    _run(seat, f"SET readonly = {_quoted(user.settings['readonly'])}")
                self._seats[user.name] = seat
            return self._seats[user.name]

    def close(self) -> None:
        """Put the data down."""
        with self._lock:
            for seat in self._seats.values():
                with seat.lock:
                    seat.connection.close()
            self._judge.close()


def _run(seat: _Seat, statement: str, form: str = "TSV") -> bytes:
    try:
        result = seat.connection.query(statement, form)
    except RuntimeError as error:
        text = str(error)
        found = re.search(r"Code: (\d+)\. DB::Exception: ", text)
        code = int(found[1]) if found else 1000
        words = text[found.end() :] if found else text
        raise QueryError(code, re.sub(rf"^(Code: {code}\. DB::Exception: )+", "", words).strip()) from None
    return b"" if result is None else bytes(result.bytes())


def _own_grants(seat: _Seat, user: User, form: str) -> bytes:
    """Answer what a user may do: what its role was granted, in the user's own name."""
    role = f"user_{user.name}"
    told = _run(seat, f"SHOW GRANTS FOR {_name(role)}", form).decode()
    return told.replace(f"TO `{role}`", f"TO {user.name}").replace(f"TO {role}", f"TO {user.name}").encode()


def _restore(seat: _Seat, key: str, value: str | None) -> None:
    try:
        _run(seat, f"SET {key} = {'DEFAULT' if value is None else _quoted(value)}")
    except QueryError:
        return  # it was refused before, or the engine has no such setting


def _name(text: str) -> str:
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _role(user: str) -> str:
    return _name(f"user_{user}")


def _write(config: Config, scratch: Path) -> Path:
    """Write the engine's own configuration: the users as roles. It holds no secret: passwords stay with the server."""
    users = [*config.users.values(), EVENTS]
    roles = "".join(f"<user_{user.name}><grants>{_grants(user)}</grants></user_{user.name}>" for user in users)
    everyone = ", ".join(_role(user.name) for user in users)
    (scratch / "users.xml").write_text(
        f"<clickhouse>{config.profiles}<quotas><default/></quotas><roles>{roles}</roles><users><default><password/>"
        "<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>"
        f"<grants><query>GRANT {escape(everyone)}</query></grants></default></users></clickhouse>"
    )
    place = scratch / "config.xml"
    functions = config.functions.xml if config.functions else ""
    # Without a place of their own nothing may be backed up anywhere, as with the real server.
    backups = f"<backups><allowed_path>{escape(config.backups)}</allowed_path></backups>" if config.backups else ""
    place.write_text(f"<clickhouse><users_config>{scratch}/users.xml</users_config>{functions}{backups}</clickhouse>")
    return place


def _grants(user: User) -> str:
    # To have a database as one's current one needs no grant with the real server; USE, which stands for it here, does.
    queries = ("GRANT SHOW DATABASES ON default.*", *(("GRANT ALL ON *.*",) if user.grants is None else user.grants))
    return "".join(f"<query>{escape(query)}</query>" for query in queries)
