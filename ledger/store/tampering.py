"""A change to the log that nobody may make: what an audit has to find. Its transaction is to be rolled back."""

from __future__ import annotations

from ledger.store.postgres.database import Cursor


def change_one_byte(cursor: Cursor, schema: str) -> str:
    """Change one bit of a byte of the body in the middle of the log; the id of that event."""
    cursor.execute(
        f"UPDATE {schema}.events SET body = set_byte(body, 300, get_byte(body, 300) # 1)"
        f" WHERE position = (SELECT size / 2 FROM {schema}.head) RETURNING event_id"
    )
    row = cursor.fetchone()
    assert row is not None
    return str(row[0])
