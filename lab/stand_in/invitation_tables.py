"""PostgreSQL's part of invitations: every statement about them."""

from __future__ import annotations

import uuid

from psycopg.errors import UniqueViolation
from psycopg_pool import ConnectionPool

from stand_in.invitations import VALID_DAYS
from stand_in.records import Row


class InvitationTables:
    """Invitations and those who answer them. Every method raises psycopg.Error."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool

    def is_member(self, organization: object, email: str) -> bool:
        """Say whether somebody of this address belongs to the organisation."""
        text = (
            "SELECT 1 FROM posthog_organizationmembership m JOIN posthog_user u ON u.id = m.user_id"
            " WHERE m.organization_id = %s AND lower(u.email) = lower(%s)"
        )
        with self.pool.connection() as db:
            return db.execute(text, (organization, email)).fetchone() is not None

    def invite(self, row: Row) -> Row:
        """Keep an invitation, the only one of its address, and return it."""
        with self.pool.connection() as db:
            db.execute(
                "DELETE FROM posthog_organizationinvite WHERE organization_id = %(organization_id)s"
                " AND lower(target_email) = lower(%(target_email)s)",
                row,
            )
            made = db.execute(
                "INSERT INTO posthog_organizationinvite"
                " (organization_id, target_email, first_name, level, created_by_id)"
                " VALUES (%(organization_id)s, %(target_email)s, %(first_name)s, %(level)s, %(created_by_id)s)"
                " RETURNING *",
                row,
            ).fetchone()
        assert made is not None
        return dict(made)

    def invitation(self, which: uuid.UUID) -> Row | None:
        """Return an invitation, with `expired` and the organisation's name."""
        text = (
            "SELECT i.*, o.name AS organization_name, i.created_at < now() - make_interval(days => %s) AS expired"
            " FROM posthog_organizationinvite i JOIN posthog_organization o ON o.id = i.organization_id"
            " WHERE i.id = %s"
        )
        with self.pool.connection() as db:
            found = db.execute(text, (VALID_DAYS, which)).fetchone()
        return dict(found) if found else None

    def join(self, invitation: Row, password: str, first_name: str) -> bool:
        """Make a member of whoever answers and use up the invitation; say whether the address was free."""
        try:
            with self.pool.connection() as db:
                person = db.execute(
                    "INSERT INTO posthog_user (uuid, distinct_id, email, password, first_name,"
                    " current_organization_id, current_team_id)"
                    " SELECT gen_random_uuid(), gen_random_uuid()::text, %s, %s, %s, t.organization_id, t.id"
                    " FROM posthog_team t WHERE t.organization_id = %s ORDER BY t.id LIMIT 1 RETURNING id",
                    (invitation["target_email"], password, first_name, invitation["organization_id"]),
                ).fetchone()
                assert person is not None
                db.execute(
                    "INSERT INTO posthog_organizationmembership (organization_id, user_id, level) VALUES (%s, %s, %s)",
                    (invitation["organization_id"], person["id"], invitation["level"]),
                )
                db.execute(
                    "DELETE FROM posthog_organizationinvite WHERE lower(target_email) = lower(%s)",
                    (invitation["target_email"],),
                )
        except UniqueViolation:
            return False
        return True
