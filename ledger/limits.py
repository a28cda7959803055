"""Every limit, once. Sizes in bytes, times in seconds, unless the name says otherwise."""

from __future__ import annotations

from typing import Final

BODY_BYTES_MAX: Final = 16 * 1024
"""One event body in canonical form."""
BODY_DEPTH_MAX: Final = 8
"""Nesting of objects and arrays in a body."""
INTEGER_MAX: Final = 2**53 - 1
"""Largest magnitude of an integer that every JSON reader keeps exactly (RFC 8785, RFC 7493)."""
SUBMISSION_EVENTS_MAX: Final = 10_000
"""Events under one signature."""
SUBMISSION_BYTES_MAX: Final = 16 * 1024 * 1024
"""One submission request, decoded."""
SUBMISSION_SECONDS_MAX: Final = 60
"""From the first to the last byte of a submission request."""
REQUEST_BYTES_MAX: Final = 64 * 1024
"""Any other request body."""
NOTE_BYTES_MAX: Final = 16 * 1024
"""One signed note."""
NOTE_SIGNATURES_MAX: Final = 64
"""Signature lines on one note."""
PRIVATE_BYTES_MAX: Final = 4 * 1024
"""The private details of one person."""
CREDENTIAL_BYTES_MAX: Final = 512 * 1024
"""One credential, one SD-JWT. The largest statement (PROOF_LINES_MAX lines of the longest texts) fits."""
HOLDING_BYTES_MAX: Final = 3 * 512 * 1024
"""What a region keeps sealed of one proof: the credential, and which entries it rests on."""
WAITING_BYTES_MAX: Final = 256 * 1024 * 1024
"""Submissions and messages held in memory before they are committed; beyond it the answer is 429."""
GROUP_EVENTS_MAX: Final = 500
"""Events of small submissions that are committed together."""

CLOCK_AHEAD_MAX: Final = 5 * 60
"""How far an event's `time` may lie ahead of the ledger's clock."""
ENTRY_MINUTES_MAX: Final = 7 * 24 * 60
"""Longest time between start and end of one hours entry, minutes."""
LATE_WORKING_DAYS: Final = 10
"""Working days after the activity within which hours are to be recorded (Order 67, article 11)."""

SHORT_TEXT_MAX: Final = 120
"""Names, in characters."""
LONG_TEXT_MAX: Final = 2000
"""Descriptions and reasons, in characters."""
ORIGIN_MAX: Final = 200
"""A log's origin, in characters."""

SIGN_IN_SECONDS: Final = 300
"""How long a sign-in challenge may be answered."""
SESSION_SECONDS: Final = 3600
"""How long a bearer token is good."""
SESSIONS_MAX: Final = 100_000
"""Sessions of one server; beyond it the oldest ends."""
PAGE_ROWS_MAX: Final = 500
"""Rows of one page of a list."""
AFTER_WAIT_MAX: Final = 10
"""How long a read waits for the projection to reach `after`."""
SMALL_CELL_MIN: Final = 5
"""Public statistics hide cells about fewer people than this."""
CHECKPOINT_INTERVAL: Final = 1
"""Seconds between checkpoints of a log that grows."""

SHEET_BYTES_MAX: Final = 64 * 1024 * 1024
"""A file of hours that `submit` reads."""
SHEET_ROWS_MAX: Final = 200_000
"""Its rows, blank ones not counted."""
WORKBOOK_BYTES_MAX: Final = 512 * 1024 * 1024
"""All parts of an XLSX workbook, unpacked."""
WORKBOOK_PART_BYTES_MAX: Final = 128 * 1024 * 1024
"""One part that is held in memory as a whole: any but a worksheet."""
WORKBOOK_PARTS_MAX: Final = 1000
"""Parts of a workbook."""
OUTBOX_EVENTS_MAX: Final = 1000
"""Events of one request that `submit` makes of a file: a refusal is told soon, and costs little."""

PROOF_LINES_MAX: Final = 40
"""Activities that a proof of service lists; the others are summed up."""
PROOF_ENTRIES_MAX: Final = 50_000
"""Entries that one proof rests on."""
TRUST_BUNDLE_SECONDS: Final = 30 * 24 * 3600
"""How long a trust bundle may be relied on."""
ACCESSES_SHOWN_MAX: Final = 1000
"""Accesses to one proof that its holder is shown, the latest of each action; and as many are kept in an hour."""
PROOFS_PER_DAY: Final = 50
"""Proofs that one volunteer may ask for within a day."""
BATCH_VOLUNTEERS_MAX: Final = 10_000
"""People for whom one request may issue proofs."""
BATCHES_OPEN_MAX: Final = 10
"""Batches of one requester in which something waits."""
BATCH_BYTES_MAX: Final = 1024 * 1024
"""A request to issue proofs for many."""
NAME_GUESSES_MAX: Final = 20
"""Names that may be tried on the page of one proof within an hour."""
VERIFY_BYTES_MAX: Final = 8 * 1024 * 1024
"""A file that is handed in to be checked."""
CHECKS_AT_ONCE: Final = 4
"""Proofs that one server checks at a time; others wait a little, then the answer is 429."""
SIGNATURES_MAX: Final = 4
"""Data Integrity proofs on one document."""
QR_CHARACTERS_MAX: Final = 700
"""The text of a certificate's QR; a longer one gives modules too small to be read from paper."""
CODE_CHARACTERS_MAX: Final = 1000
"""The signed code of a QR with the address before it; ours have about 360 characters."""
SEAL_BYTES_MAX: Final = 512 * 1024
"""The image of a region's seal."""
PICTURE_PIXELS_MAX: Final = 16_000_000
"""A picture of a QR that is no JPEG, in pixels."""
PHOTO_PIXELS_MAX: Final = 64_000_000
"""A photo of a QR, in pixels."""
PDF_BYTES_MAX: Final = 4 * 1024 * 1024
"""A certificate that is handed in."""
STATUS_LIST_TTL: Final = 300
"""Seconds after which whoever keeps a token status list asks for it again."""
BINDING_SECONDS_MAX: Final = 300
"""How old the signature of an SD-JWT's holder may be."""
DISCLOSURES_MAX: Final = 1000
"""Disclosures of one SD-JWT."""
STATUS_LIST_BYTES_MAX: Final = 64 * 1024
"""A status list as it is served: one whose every second bit is set takes less."""
FEDERATION_BYTES_MAX: Final = 4 * 1024 * 1024
"""A federation without its lists: some 4,000 regions."""
BUNDLE_BYTES_MAX: Final = 64 * 1024 * 1024
"""A trust bundle with all status lists that it carries."""
SCHEME_BYTES_MAX: Final = 64 * 1024
"""The file of one award scheme."""
SCHEME_LEVELS_MAX: Final = 20
"""Levels of one scheme, and conditions of one level."""
STATUS_LIST_SIZE: Final = 131_072
"""Indexes of one status list: the least that hides one holder among others (W3C Bitstring Status List, 6.1)."""
STATUS_LIST_SECONDS: Final = 7 * 24 * 3600
"""How long a signed status list may be relied on."""

LOCK_TIMEOUT_MS: Final = 10_000
"""How long an append waits for the head row."""
STATEMENT_TIMEOUT_MS: Final = 60_000
"""Longest statement of a writer."""
IDLE_IN_TRANSACTION_TIMEOUT_MS: Final = 30_000
"""A writer paused inside its transaction loses the head row after this."""

ALIASES_MAX: Final = 16
"""Other ids of one person that a transfer names."""
TRANSFER_KEYS_MAX: Final = 16
"""Keys of a volunteer that a transfer brings."""
TRANSFER_REASONS_MAX: Final = 20
"""Reasons that a rejection names."""
TRANSFER_OFFER_SECONDS: Final = 14 * 24 * 3600
"""How long an offer may be accepted, by the destination's clock."""
RECOVERY_DAYS_MAX: Final = 365
"""Longest waiting time of a recovery, in days."""
BUNDLE_EVENTS_MAX: Final = 1_000_000
"""Events of one record that moves."""

MESSAGE_EVENTS_MAX: Final = 1000
"""Events of one message to an inbox: the one it is about, and those that are needed to check it."""
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
"""One message to an inbox."""
BUNDLE_LINE_BYTES_MAX: Final = 64 * 1024
"""One line of a bundle."""
TRANSFER_BYTES_MAX: Final = 4 * 1024 * 1024 * 1024
"""A whole bundle; one of BUNDLE_EVENTS_MAX events of common length fits."""
EVIDENCE_NOTES_KEPT: Final = 1024
"""Notes, and checkpoints, that a reader of a bundle keeps at hand; an older one is stated again before it is used."""
LISTED_MAX: Final = 150
"""Names of events on one line of a bundle."""

DELIVERY_DELAY_MIN: Final = 1
"""Longest wait after the first attempt to deliver a message that failed; it doubles with each that follows."""
DELIVERY_DELAY_MAX: Final = 15 * 60
"""Longest wait between two attempts, whatever the peer asks for."""
DELIVERY_LEASE: Final = 120
"""How long a message is left to the process that took it, before another may."""
DELIVERY_REASON_MAX: Final = 500
"""What is kept of why a message was not delivered, in characters."""

MISCONDUCT_BYTES_MAX: Final = 128 * 1024 * 1024
"""Evidence of a region's misconduct; one that lists BUNDLE_EVENTS_MAX events of a record and as many keys fits."""

BUNDLE_REQUEST_SECONDS: Final = 300
"""How far the time of a signed request for a bundle may be from the clock of whoever is asked."""
PEER_KEYS_SECONDS: Final = 300
"""How long the keys of a peer are relied on before they are asked for again."""
MESSAGES_AT_ONCE: Final = 4
"""Messages of other regions that one server handles at a time; others wait their turn."""
BUNDLES_AT_ONCE: Final = 4
"""Bundles that one server sends at a time; beyond it the answer is 429."""
BUNDLE_RATE_MIN: Final = 16 * 1024
"""Bytes a second that a bundle comes in at least; a peer that is slower is given up."""
EPOCH_JUMP_MAX: Final = 1_000
"""Moves by which an offer may be ahead of the last that is known of somebody: or one offer could use up all numbers."""
