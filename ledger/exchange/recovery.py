"""When a home is gone: its people's records are taken over from their own files, announced, endorsed, waited for."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as with_changes

from ledger.app.arrivals import Brought
from ledger.crypto.encoding import encode_base64url
from ledger.domain.recovery import RECOVERY_STEP, may_endorse
from ledger.domain.state import Need, State, Transfer, Volunteer, replace
from ledger.errors import Conflict, NotYet, Untrusted
from ledger.events.peers import RecordStated
from ledger.events.transfer import Closure, RecoveryAnnounced, RecoveryAnswered, TransferAccepted
from ledger.evidence.evidence import Verified
from ledger.exchange import incoming
from ledger.exchange.desk import Desk
from ledger.exchange.incoming import Answer, Message
from ledger.exchange.record_files import RecordFile
from ledger.federation.members import Region
from ledger.federation.trust_bundle import Trust
from ledger.ids import new_id
from ledger.limits import TRANSFER_KEYS_MAX
from ledger.store import decisions
from ledger.store.exchange import inbox, transfers


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a recovery stands: `accepted` is the position of the arrival, None while it waits."""

    transfer: str
    accepted: int | None
    until: int
    """When the waiting time ends, unix seconds."""
    endorsed: tuple[str, ...]
    objected: tuple[str, ...]
    quorum: int


def recover(desk: Desk, trust: Trust, file: RecordFile) -> Progress:
    """Announce the recovery of the record in a file that was checked; once announced, complete it when that may be.

    Raise Untrusted unless the federation says where the home's log ended, Conflict when a peer objects, Refused when a
    rule stands against it.
    """
    region = _ended(trust, file.manifest.origin)
    known = _announced(desk, file)
    if known is None:
        _announce(desk, trust, region, file)
        known = _announced(desk, file)
        assert known is not None
    if known.state == "accepted":
        return Progress(transfer=known.id, accepted=known.decided, until=0, endorsed=(), objected=(), quorum=0)
    answers = _answers(desk, known)
    progress = Progress(
        transfer=known.id,
        accepted=None,
        until=known.expires,
        endorsed=tuple(sorted(answer.sender for answer in answers if _outcome(answer) == "endorsed")),
        objected=tuple(sorted(answer.sender for answer in answers if _outcome(answer) == "objected")),
        quorum=known.quorum,
    )
    if progress.objected:
        raise Conflict(f"{', '.join(progress.objected)} knows of a later home: the record is not to be taken over")
    if desk.ledger.now() < known.expires or len(progress.endorsed) < known.quorum:
        return progress
    return with_changes(progress, accepted=_accept(desk, file, known, answers))


def _ended(trust: Trust, origin: str) -> Region:
    """The region whose log ended, as the federation says."""
    region = trust.by_origin(origin)
    if region is None or region.last_checkpoint() is None:
        raise Untrusted(f"the federation does not say that the log {origin} ended, and where")
    return region


def _announced(desk: Desk, file: RecordFile) -> Transfer | None:
    """The recovery of this record that was begun here."""
    transfer = transfers.announced(
        desk.ledger.database, desk.ledger.schema, file.manifest.volunteer, file.manifest.origin
    )
    return None if transfer is None else desk.ledger.record(Transfer, transfer)


def _announce(desk: Desk, trust: Trust, region: Region, file: RecordFile) -> None:
    last, stated = region.last_checkpoint(), file.stated[1]
    assert last is not None
    assert isinstance(stated.event, RecordStated)
    now = desk.ledger.now()
    event = RecoveryAnnounced(
        **desk.issuer.common(f"transfer:{new_id()}"),
        volunteer=file.manifest.volunteer,
        aliases=file.manifest.aliases,
        home=region.region,
        closure=Closure(
            federation=trust.federation.name,
            serial=trust.federation.serial,
            size=last.size,
            root=encode_base64url(last.root),
        ),
        basis=incoming.cite(stated),
        epoch=stated.event.epoch + RECOVERY_STEP,
        events=file.manifest.events,
        root=file.manifest.root,
        days=trust.recovery_days,
        quorum=trust.recovery_quorum(now, region.region, desk.code),
    )
    desk.issuer.issue(event, Brought(sender=region.region, cited=(file.stated,), support=file.support))


def _accept(desk: Desk, file: RecordFile, known: Transfer, answers: list[Message]) -> int:
    stated = file.stated[1]
    checker = desk.checker()
    checker.learn(item for item, _ in file.support)
    ids = (file.manifest.volunteer, *file.manifest.aliases)
    keys = [key for name in ids for key in checker.valid_keys(file.manifest.origin, name, file.manifest.size)]
    event = TransferAccepted(
        **desk.issuer.common(f"transfer:{known.id}"),
        volunteer=file.manifest.volunteer,
        aliases=file.manifest.aliases,
        home=known.peer,
        basis=incoming.cite(stated),
        epoch=known.epoch,
        events=file.manifest.events,
        root=file.manifest.root,
        entries=file.manifest.entries,
        minutes=sum(sums.minutes for sums in file.manifest.sums),
        keys=tuple(keys[:TRANSFER_KEYS_MAX]),
        recovery=known.opened,
    )
    joined = incoming.joined(desk, event, None)
    if joined is not None:
        event = replace(event, joined=joined)
    support: dict[tuple[str, int], Verified] = {}
    for verified in (*file.support, *(verified for answer in answers for verified in answer.support)):
        support[verified[0].origin, verified[0].position] = verified
    told = tuple(answer.told for answer in answers)
    brought = Brought(sender=known.peer, cited=(file.stated, *told, *file.record), support=tuple(support.values()))
    return desk.issuer.issue(event, brought).first


def _answers(desk: Desk, known: Transfer) -> list[Message]:
    """The answers of peers to an announcement, each verified again."""
    with desk.ledger.database.read() as cursor:
        rows = inbox.of_kind(cursor, desk.ledger.schema, "recovery.answered/1")
    messages = (incoming.check(desk, row.message) for row in rows)
    return [message for message in messages if message.foreign.event.subject == f"transfer:{known.id}"]


def _outcome(message: Message) -> str:
    event = message.foreign.event
    assert isinstance(event, RecoveryAnswered)
    return event.outcome


# -- at a peer --------------------------------------------------------------------------------------


def answer(desk: Desk, message: Message) -> Answer:
    """Endorse a recovery that was announced elsewhere, or object to it; once.

    Raise NotYet while the federation that is installed here does not know that the home has ended.
    """
    announced = message.foreign.event
    assert isinstance(announced, RecoveryAnnounced)
    known = _answered(desk, message)
    if known is not None:
        return Answer("done", known)
    trust = desk.trust()
    region = None if trust is None else trust.by_origin(announced.basis.origin)
    last = None if region is None else region.last_checkpoint()
    if last is None or (last.size, encode_base64url(last.root)) != (announced.closure.size, announced.closure.root):
        raise NotYet("the federation that is installed here does not say that this log ended, and there")
    outcome = "endorsed" if may_endorse(_people(desk, announced), announced) else "objected"
    made = RecoveryAnswered(
        **desk.issuer.common(announced.subject),
        announcement=incoming.cite(message.foreign),
        outcome=outcome,  # type: ignore[arg-type]
    )
    return Answer("done", desk.issuer.issue(made, message.brought(message.sender)).first)


def _answered(desk: Desk, message: Message) -> int | None:
    for row in desk.ledger.stream(message.foreign.event.subject):
        if row.topic == "recovery.answered/1":
            return row.position
    return None


def _people(desk: Desk, announced: RecoveryAnnounced) -> State:
    state = State()
    with desk.ledger.database.read() as cursor:
        needs = [Need(Volunteer, name) for name in (announced.volunteer, *announced.aliases)]
        decisions.load(cursor, desk.ledger.schema, needs, state)
    return state
