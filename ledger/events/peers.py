"""Events that recognise peers, name visitors, receive entries of other logs, and state a record."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from ledger.errors import Invalid
from ledger.events.fields import (
    Code,
    Consent,
    Digest,
    Event,
    LongText,
    Origin,
    Position,
    RegionId,
    ShortText,
    VKey,
    VolunteerId,
    at,
    check_key,
)
from ledger.events.transfer import Aliases, Cited, Count, Events, Sums, _check_peer
from ledger.ids import check_origin

# -- peers ----------------------------------------------------------------------------------------


class PeerRecognised(Event, tag="region.peer_recognised/1", frozen=True, kw_only=True):
    """Trusts the log of another region from here on; once more with another key when that log's key is rotated."""

    subject: RegionId
    peer: Annotated[Code, Meta(description="code of the other region")]
    peer_origin: Annotated[Origin, Meta(description="name of its log")]
    log_key: Annotated[VKey, Meta(description="verifies its checkpoints; its name is the origin")]
    federation: Annotated[ShortText, Meta(description="which federation file says so: name, `#`, serial")]

    def check(self) -> None:
        _check_peer(self.peer, self.peer_origin, "peer")
        check_key(self.log_key, self.peer_origin, "/log_key")
        if self.peer == self.ledger:
            raise Invalid("a region is not its own peer", "/peer")


class PeerDismissed(Event, tag="region.peer_dismissed/1", frozen=True, kw_only=True):
    """Trusts a log no longer; what was received from it stays."""

    subject: RegionId
    peer_origin: Annotated[Origin, Meta(description="name of its log")]
    reason: LongText

    def check(self) -> None:
        at("/peer_origin", check_origin, self.peer_origin)


# -- visitors and relays --------------------------------------------------------------------------


class VolunteerVisiting(Event, tag="volunteer.visiting/1", frozen=True, kw_only=True):
    """Tells the ledger of a visitor, whose home is elsewhere and gets to know of the hours served here."""

    subject: VolunteerId
    home: Annotated[Code, Meta(description="code of the home region")]
    home_origin: Annotated[Origin, Meta(description="name of its log")]
    consent: Consent
    key: Annotated[VKey | UnsetType, Meta(description="the visitor's key; required when self-signed")] = UNSET

    def check(self) -> None:
        _check_peer(self.home, self.home_origin, "home")
        if self.key is not UNSET:
            check_key(self.key, self.subject)
        own = self.issuer == self.subject
        if own is not (self.consent.method == "signed") or (own and self.key is UNSET):
            raise Invalid("a visitor signs with the key it brings, a station keeps a form", "/consent")


class EntryReceived(Event, tag="entry.received/1", frozen=True, kw_only=True):
    """The region received an event about one of its volunteers' entries from another ledger, once."""

    subject: VolunteerId
    event: Annotated[Cited, Meta(description="the event as its own log has it")]
    sender: Annotated[Code, Meta(description="the region that sent it")]


class RecordStated(Event, tag="record.stated/1", frozen=True, kw_only=True):
    """The home's word on the whole record: how many events before `size` there are, and the root over them in order."""

    subject: VolunteerId
    aliases: Aliases
    epoch: Annotated[Count, Meta(description="number of the last move, or offer of one")]
    size: Annotated[Position, Meta(description="events of this log that were taken into account")]
    events: Annotated[Events, Meta(description="events of the record")]
    root: Annotated[Digest, Meta(description="RFC 6962 root over their log entries, in record order")]
    entries: Annotated[Events, Meta(description="hours entries among them")]
    sums: Sums
