"""The keys of issuers: the vkey of a name and an id, valid at the end of the log or not."""

from __future__ import annotations

from ledger.store.postgres.database import Database


def find(database: Database, schema: str, issuer: str, key_id: str) -> str | None:
    """The vkey that an issuer ever had under this id."""
    rows = database.query(f"SELECT vkey FROM {schema}.keys WHERE issuer = %s AND key_id = %s", (issuer, key_id))
    return rows[0][0] if rows else None


def find_valid(database: Database, schema: str, issuer: str, key_id: str) -> str | None:
    """The vkey that an issuer has under this id, unless it was revoked."""
    rows = database.query(
        f"SELECT vkey FROM {schema}.keys WHERE issuer = %s AND key_id = %s AND revoked IS NULL", (issuer, key_id)
    )
    return rows[0][0] if rows else None
