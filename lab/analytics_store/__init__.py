"""The stand-in for the analytics store (ClickHouse). Lab only, and it says so in every answer.

The engine is ClickHouse's own, as the library chdb: parser, tables on disk, settings, limits and grants are the real
ones. What is ours is the server around it, which the library does not have: the HTTP interface over TLS, signing in,
and reading the server's configuration files. It therefore answers as the real server does to the questions of the
catalog, with these differences:

- the native protocol (port 9440) is not spoken and not opened;
- `currentUser()` is always `default`: a user of ours is a role of the engine's, with exactly the grants of its entry;
- quotas are read and not enforced; sessions (`session_id`), compression and external data are refused;
- it does not replicate, and it keeps no `system.query_log`: a query is a line on standard output instead.
"""

HEADERS = (
    ("Server", "hedgerow-stand-in"),
    ("X-Hedgerow-Stand-In", "1"),
    ("X-ClickHouse-Server-Display-Name", "stand-in"),
)
