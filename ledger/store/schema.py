"""The tables of a region, and how they come to be. One schema a region; migrations are numbered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.errors import Corrupt
from ledger.store.postgres.database import Cursor, Database

LOG: Final = """
CREATE TABLE {schema}.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    size bigint NOT NULL,          -- number of events, and the next position
    frontier bytea NOT NULL,       -- roots of the perfect subtrees, largest first, 32 bytes each
    clock bigint NOT NULL          -- last recorded_at, unix seconds
);
INSERT INTO {schema}.head VALUES (true, 0, '', 0);
CREATE TABLE {schema}.events (
    position bigint PRIMARY KEY,
    entry bytea NOT NULL,          -- SHA-256(body), recorded_at as u64 big-endian
    event_id uuid UNIQUE,
    stream text,
    version bigint NOT NULL,
    topic text NOT NULL,
    body bytea,
    UNIQUE (stream, version)
);
CREATE TABLE {schema}.tiles (
    level smallint NOT NULL,
    index bigint NOT NULL,
    hashes bytea NOT NULL,
    PRIMARY KEY (level, index)
);
ALTER TABLE {schema}.tiles ALTER hashes SET STORAGE EXTERNAL;
CREATE TABLE {schema}.tracking (
    application_name text PRIMARY KEY,
    notification_id bigint NOT NULL
);
"""
"""Events in a log, and tracking: the tables that any application of the eventsourcing library needs."""

DECISIONS: Final = """
CREATE TABLE {schema}.submissions (
    first bigint PRIMARY KEY,
    count integer NOT NULL,
    key_id text NOT NULL,
    note text NOT NULL
);
CREATE TABLE {schema}.region (
    id text PRIMARY KEY, origin text NOT NULL, zh text NOT NULL, en text NOT NULL, log_key text NOT NULL
);
CREATE TABLE {schema}.keys (
    issuer text, key_id text, vkey text NOT NULL, added bigint NOT NULL, revoked bigint,
    PRIMARY KEY (issuer, key_id)
);
CREATE TABLE {schema}.organisations (
    id text PRIMARY KEY, name text NOT NULL, kind text NOT NULL, status text NOT NULL, successor text
);
CREATE TABLE {schema}.volunteers (
    id uuid PRIMARY KEY, status text NOT NULL, registrar text NOT NULL, verifier text
);
CREATE TABLE {schema}.activities (
    id uuid PRIMARY KEY, issuer text NOT NULL, start bigint NOT NULL, "end" bigint NOT NULL
);
CREATE TABLE {schema}.claims (
    kind text, key text, holder text NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE TABLE {schema}.entries ({entry_columns}, PRIMARY KEY (id));
CREATE INDEX entries_volunteer ON {schema}.entries (volunteer, start);
CREATE INDEX entries_signer ON {schema}.entries (signer, key_id, version);
CREATE TABLE {schema}.identities (
    volunteer uuid NOT NULL,
    event_id uuid PRIMARY KEY,     -- the event whose `identity` commits to these details
    sealed bytea NOT NULL          -- nonce and AES-256-GCM ciphertext under the volunteer's key
);
CREATE INDEX identities_volunteer ON {schema}.identities (volunteer);
CREATE SCHEMA IF NOT EXISTS vault;
CREATE TABLE vault.{schema} (volunteer uuid PRIMARY KEY, key bytea NOT NULL);
"""
"""The decision state. All but `identities` and the vault is derived from events, in their transaction."""

PROOFS: Final = """
ALTER TABLE {schema}.region ADD closed bigint;
CREATE TABLE {schema}.credential_keys (
    multikey text PRIMARY KEY, did text NOT NULL, use text NOT NULL, added bigint NOT NULL, revoked bigint
);
CREATE TABLE {schema}.proofs (
    id uuid PRIMARY KEY, position bigint NOT NULL, format text NOT NULL, list text NOT NULL, index bigint NOT NULL,
    revoked bigint, reason text, replaced_by uuid
);
CREATE UNIQUE INDEX proofs_index ON {schema}.proofs (list, index);
CREATE INDEX proofs_revoked ON {schema}.proofs (list) WHERE revoked IS NOT NULL;
CREATE INDEX proofs_ended ON {schema}.proofs (revoked) WHERE revoked IS NOT NULL;
CREATE INDEX proofs_position ON {schema}.proofs (position);
CREATE TABLE {schema}.holdings (
    proof uuid PRIMARY KEY,
    volunteer uuid NOT NULL,
    event_id uuid NOT NULL,        -- the event whose `holder` commits to this holding
    of uuid,                       -- of an SD-JWT, the credential it was made of
    seen bigint NOT NULL,          -- events taken into account when it was last compared with the record
    sealed bytea NOT NULL,         -- as in identities
    finished bytea                 -- the credential with evidence and proofs, or the SD-JWT, sealed too
);
CREATE INDEX holdings_of ON {schema}.holdings (of) WHERE of IS NOT NULL;
CREATE INDEX holdings_volunteer ON {schema}.holdings (volunteer);
CREATE TABLE {schema}.accesses (
    proof uuid NOT NULL, at bigint NOT NULL, action text NOT NULL, by text NOT NULL, outcome text NOT NULL
);
CREATE INDEX accesses_proof ON {schema}.accesses (proof, at);
CREATE TABLE {schema}.batches (
    id uuid PRIMARY KEY, requester text NOT NULL, request text NOT NULL, created bigint NOT NULL
);
CREATE TABLE {schema}.batch_items (
    batch uuid NOT NULL REFERENCES {schema}.batches ON DELETE CASCADE,
    number integer NOT NULL,
    volunteer uuid NOT NULL,
    proof uuid NOT NULL,           -- chosen beforehand, so that what was issued before a crash is known after it
    state text NOT NULL,           -- waiting, issued or refused
    problem text,
    PRIMARY KEY (batch, number)
);
CREATE INDEX batch_items_waiting ON {schema}.batch_items (batch) WHERE state = 'waiting';
"""
"""Proofs of service. `holdings` is sealed like `identities`; accesses and batches are kept for people to read."""

EXCHANGE: Final = """
ALTER TABLE {schema}.volunteers
    ADD home text, ADD epoch bigint NOT NULL DEFAULT 0, ADD transfer uuid, ADD alias_of uuid;
CREATE INDEX volunteers_alias ON {schema}.volunteers (alias_of) WHERE alias_of IS NOT NULL;
ALTER TABLE {schema}.entries ADD origin text NOT NULL DEFAULT '', ADD turn bigint NOT NULL DEFAULT 0;
ALTER TABLE {schema}.entries DROP CONSTRAINT entries_pkey, ADD PRIMARY KEY (id, origin);
CREATE INDEX entries_doubted ON {schema}.entries (volunteer)
    WHERE disputed_by IS NOT NULL AND disputed_by NOT LIKE 'volunteer:%' AND NOT withdrawn AND origin = '';
CREATE TABLE {schema}.peers (
    origin text, log_key text, region text NOT NULL, added bigint NOT NULL, dismissed bigint,
    PRIMARY KEY (origin, log_key)
);
CREATE TABLE {schema}.transfers (
    id uuid PRIMARY KEY, outgoing boolean NOT NULL, volunteer uuid NOT NULL, peer text NOT NULL,
    peer_origin text NOT NULL, state text NOT NULL, opened bigint NOT NULL, decided bigint NOT NULL,
    epoch bigint NOT NULL, size bigint NOT NULL, expires bigint NOT NULL, quorum bigint NOT NULL
);
CREATE INDEX transfers_volunteer ON {schema}.transfers (volunteer);
CREATE INDEX transfers_open ON {schema}.transfers (state) WHERE state IN ('requested', 'offered', 'announced');
CREATE TABLE {schema}.receipts (
    at bigint, turn bigint, origin text NOT NULL, position bigint NOT NULL,
    PRIMARY KEY (at, turn)
);
CREATE INDEX receipts_cited ON {schema}.receipts (origin, position);
CREATE TABLE {schema}.units (
    id text, origin text, name text NOT NULL, kind text NOT NULL,
    PRIMARY KEY (id, origin)
);
CREATE TABLE {schema}.texts (
    digest bytea PRIMARY KEY,      -- SHA-256 of the text
    text text NOT NULL             -- a submission's note or a checkpoint, shared by many imports
);
CREATE TABLE {schema}.imports (
    number bigint PRIMARY KEY,     -- from 1; negative, it is what entries call their position
    origin text NOT NULL, position bigint NOT NULL, entry bytea NOT NULL,
    event_id uuid NOT NULL, stream text NOT NULL, topic text NOT NULL, issuer text NOT NULL, key_id text NOT NULL,
    body bytea,
    sender text NOT NULL,          -- region that sent it
    at bigint NOT NULL,            -- position of the event that received it first
    note bytea NOT NULL REFERENCES {schema}.texts, index bigint NOT NULL, note_path bytea NOT NULL,
    log_path bytea NOT NULL, checkpoint bytea NOT NULL REFERENCES {schema}.texts,
    UNIQUE (origin, position)
);
CREATE INDEX imports_stream ON {schema}.imports (stream);
CREATE TABLE {schema}.sightings (
    origin text, size bigint, root bytea NOT NULL,
    note text NOT NULL,            -- the checkpoint of another log, as it was first seen
    PRIMARY KEY (origin, size)
);
CREATE INDEX imports_issuer ON {schema}.imports (origin, issuer);
"""
"""Records that move. `imports` holds the foreign events this ledger relies on, with all that proves them."""

DELIVERY: Final = """
CREATE TABLE {schema}.outbox (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- in the order of the events that they follow from
    peer text NOT NULL,            -- code of the region to which it goes
    lane uuid NOT NULL,            -- the person, or the transfer: one message at a time, in order
    kind text NOT NULL,            -- relay, offer, outcome, announcement or answer
    origin text NOT NULL,          -- log of the event that it tells of; empty for this one
    position bigint NOT NULL,
    transfer uuid,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'aside')),
    attempts integer NOT NULL DEFAULT 0,
    created bigint NOT NULL,       -- unix milliseconds, as are all times of both tables
    due bigint NOT NULL,
    reason text NOT NULL DEFAULT '',
    answer text NOT NULL DEFAULT '',                          -- what the peer made of it
    UNIQUE (peer, origin, position)
);
CREATE INDEX outbox_due ON {schema}.outbox (due, number) WHERE state = 'waiting';
CREATE INDEX outbox_lane ON {schema}.outbox (peer, lane, number) WHERE state = 'waiting';
CREATE INDEX outbox_aside ON {schema}.outbox (number) WHERE state = 'aside';
CREATE TABLE {schema}.inbox (
    origin text, position bigint,  -- the event that it tells of
    entry bytea NOT NULL,
    kind text NOT NULL,            -- type of that event
    sender text NOT NULL,
    message bytea NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'aside')),
    attempts integer NOT NULL DEFAULT 0,
    created bigint NOT NULL,
    due bigint NOT NULL,
    reason text NOT NULL DEFAULT '',
    answer bigint,                 -- position of the event of this log to which it led
    PRIMARY KEY (origin, position)
);
CREATE INDEX inbox_due ON {schema}.inbox (due) WHERE state = 'waiting';
CREATE INDEX inbox_aside ON {schema}.inbox (created) WHERE state = 'aside';
"""
"""Messages between regions, on their way and arrived. The log says which there are, not how far each came."""

ENTRY_COLUMNS: Final = """
    id uuid NOT NULL, position bigint NOT NULL, version bigint NOT NULL, volunteer uuid NOT NULL,
    issuer text NOT NULL, signer text NOT NULL, key_id text NOT NULL, activity uuid NOT NULL,
    category text NOT NULL, day date NOT NULL, start bigint NOT NULL, "end" bigint NOT NULL,
    minutes bigint NOT NULL, evidence text NOT NULL, rank bigint NOT NULL,
    approved boolean NOT NULL, disputed_by text, withdrawn boolean NOT NULL"""
"""The columns of an entry recorded here, as the second migration made it; `EXCHANGE` adds `origin` and `turn`."""

_MIGRATIONS: Final[Sequence[tuple[str, str]]] = (
    ("log", LOG),
    ("decisions", DECISIONS),
    ("proofs", PROOFS),
    ("exchange", EXCHANGE),
    ("delivery", DELIVERY),
)


def region_schema(region: str) -> str:
    """The schema of a region, such as `r_441300`."""
    return f"r_{region}"


def create(database: Database, schema: str) -> bool:
    """Create the schema of a new region; False, and nothing, when it is there already."""
    with database.transaction() as cursor:
        if exists(cursor, schema):
            return False
        create_region(cursor, schema)
        return True


def update(database: Database, schema: str) -> None:
    """Bring a region's schema up to date, or create it."""
    with database.transaction() as cursor:
        create_region(cursor, schema)


def create_log(cursor: Cursor, schema: str) -> None:
    """Create the log tables alone, if they are not there: what the library's own applications need."""
    _migrate(cursor, schema, _MIGRATIONS[:1])


def create_region(cursor: Cursor, schema: str) -> None:
    """Bring a region's schema up to date; each step and its record in the caller's transaction."""
    _migrate(cursor, schema, _MIGRATIONS)


def exists(cursor: Cursor, schema: str) -> bool:
    """Whether the schema was created."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{schema}.head",))
    row = cursor.fetchone()
    return bool(row and row[0])


def _migrate(cursor: Cursor, schema: str, steps: Sequence[tuple[str, str]]) -> None:
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('yongzhi migrations'))")
    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {schema}.migrations (number integer PRIMARY KEY, name text NOT NULL)")
    cursor.execute(f"SELECT number, name FROM {schema}.migrations ORDER BY number")
    done = cursor.fetchall()
    for number, (name, statements) in enumerate(steps):
        if number < len(done):
            if done[number] != (number, name):
                raise Corrupt(f"{schema} was migrated by another program: {done[number]}")
            continue
        cursor.execute(statements.format(schema=schema, entry_columns=ENTRY_COLUMNS))
        cursor.execute(f"INSERT INTO {schema}.migrations VALUES (%s, %s)", (number, name))
