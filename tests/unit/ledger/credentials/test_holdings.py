"""What a region keeps of a proof: which bytes are a holding, which event it belongs to, and what may be asked for."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from ledger.credentials import holdings, model
from ledger.credentials.holdings import Request
from ledger.crypto.encoding import digest
from ledger.errors import Invalid, LedgerError, TooLarge
from ledger.events.proofs import ProofIssued
from ledger.limits import HOLDING_BYTES_MAX, LONG_TEXT_MAX, PROOF_ENTRIES_MAX, PROOF_LINES_MAX
from tests.api.proving import YEAR, holding
from tests.support.builders import PROOF, REGION, event_id, example
from tests.support.proofs import credential, line, service

VALID = holdings.encode(holding())


def issued(**changes: Any) -> ProofIssued:
    event = example("proof.issued/1", **changes)
    assert isinstance(event, ProofIssued)
    return event


# -- bytes ----------------------------------------------------------------------------------------------


def test_a_holding_is_read_and_written_back():
    for one in (
        holding(),
        holding(credential=UNSET, token="eyJ", of=PROOF),
        holding(entries=()),
        holding(request=Request(kind="star", named=True, star=True, note="升学", consent="档案 1", **YEAR)),
    ):
        data = holdings.encode(one)
        assert holdings.decode(data) == one
        assert data == rfc8785.dumps(json.loads(data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 20_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        VALID + b"\n",
        b" " + VALID,
        VALID[:-1],
        VALID + VALID,
        b"\xef\xbb\xbf" + VALID,
        VALID.replace(b'"seen":7', b'"seen":7.0'),
        VALID.replace(b'"seen":7', b'"seen":-1'),
        VALID.replace(b'"seen":7', b'"seen":true'),
        VALID.replace(b'"seen":7', b'"seen":9007199254740992'),
        VALID.replace(b'"seen":7', b'"seen":7,"seen":7'),
        VALID.replace(b'"entries":[3,5]', b'"entries":[3,null]'),
        VALID.replace(b'"entries":[3,5]', b'"entries":["3"]'),
        VALID.replace(b'"volunteer":"volunteer:', b'"volunteer":"org:'),
        VALID.replace(b'"kind":"service","last"', b'"kind":"other","last"'),
        VALID.replace("江南".encode(), rb"\u6c5f\u5357"),
        VALID.replace("江南".encode(), "江\u202e南".encode()),
        VALID.replace("江南".encode(), b"\xed\xa0\x80"),
        VALID.replace(b'{"credential"', b'{"a":1,"credential"'),
    ],
)
def test_other_bytes_are_no_holding(data):
    assert data != VALID
    with pytest.raises(Invalid):
        holdings.decode(data)


def test_a_holding_has_a_largest_size():
    filler = b'"' + b"x" * (HOLDING_BYTES_MAX - 2) + b'"'
    with pytest.raises(Invalid):
        holdings.decode(filler)
    with pytest.raises(TooLarge):
        holdings.decode(filler + b" ")


def test_a_holding_rests_on_so_many_entries():
    most = tuple(range(PROOF_ENTRIES_MAX))
    assert holdings.decode(holdings.encode(holding(entries=most))).entries == most
    with pytest.raises(LedgerError):
        holdings.encode(holding(entries=(*most, PROOF_ENTRIES_MAX)))


@pytest.mark.parametrize(
    "changes",
    [{"salt": "short"}, {"volunteer": "x"}, {"seen": -1}, {"of": "x"}, {"token": "\ud800"}, {"token": "\n"}],
    ids=repr,
)
def test_what_a_receiver_would_refuse_is_not_encoded(changes):
    with pytest.raises(LedgerError):
        holdings.encode(holding(**changes))


pieces = st.sampled_from([b"", b"{", b"}", b'"', b",", b"[]", b"null", b"1e9", b"-0", b"\\", rb"\ud800", b'"a":1,'])


@st.composite
def spoiled(draw):
    data = VALID
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(st.binary(max_size=4) | pieces) + data[end:]
    return data


@settings(max_examples=500)
@given(st.binary(max_size=200) | spoiled())
def test_any_bytes(data):
    with contextlib.suppress(LedgerError):
        assert holdings.encode(holdings.decode(data)) == data
    with contextlib.suppress(LedgerError):
        assert digest(data) == issued(holder=digest(data)).holder
        found = holdings.open_holding(data, issued(holder=digest(data), credential=digest(b"credential")))
        raise AssertionError(found)


# -- what it is committed to by -------------------------------------------------------------------------


def test_a_holding_belongs_to_the_event_that_has_its_hash():
    for one, kind in ((holding(), "vc"), (holding(credential=UNSET, token="eyJ"), "sd-jwt")):
        data = holdings.encode(one)
        listed = f"{REGION}-{'1' if kind == 'vc' else 't1'}"
        members = {"format": kind, "status": {"list": listed, "index": 1}}
        committed = {"holder": digest(data), "credential": holdings.committed(one)}
        assert holdings.open_holding(data, issued(**members, **committed)) == one
        for spoiled_members in ({"holder": digest(b"")}, {"credential": digest(b"")}):
            with pytest.raises(Invalid):
                holdings.open_holding(data, issued(**members, **{**committed, **spoiled_members}))


def test_two_holdings_of_one_volunteer_have_nothing_in_common():
    one, other = holding(), holding(salt="A" * 22)
    assert digest(holdings.encode(one)) != digest(holdings.encode(other))


def test_a_credential_is_committed_to_before_evidence_and_proofs():
    bare = credential(service(line(minutes=120)))
    evidence = model.LogEvidence(id=f"urn:uuid:{event_id(1)}", type=("Evidence",), name="x", event="{}", tlogProof="")
    assert holdings.committed(holding(credential=bare)) == model.commitment(replace(bare, evidence=(evidence,)))
    assert holdings.committed(holding(credential=bare)) != holdings.committed(holding())


# -- what is asked for ----------------------------------------------------------------------------------


def pointer_of(**members: Any) -> str:
    """Where a request is refused."""
    try:
        found = msgspec.convert({"kind": "service", **YEAR, **members}, Request)
        holdings.check_request(found)
    except msgspec.ValidationError as error:
        detail, pointer = holdings.explain(error)
        assert detail
        return pointer
    except Invalid as error:
        return error.pointer
    raise AssertionError(found)


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"first": "2026-02-30"}, "/first"),
        ({"last": "2026-13-01"}, "/last"),
        ({"last": "2025-12-31"}, "/last"),
        ({"first": "2026-1-1"}, "/first"),
        ({"first": "２０２６-01-01"}, "/first"),
        ({"first": 20260101}, "/first"),
        ({"first": "0000-01-01"}, "/first"),
        ({"last": "2026-12-31\n"}, "/last"),
        ({"kind": "other"}, "/kind"),
        ({"named": "yes"}, "/named"),
        ({"star": 1}, "/star"),
        ({"note": ""}, "/note"),
        ({"note": "x" * (LONG_TEXT_MAX + 1)}, "/note"),
        ({"consent": "\t"}, "/consent"),
        ({"note": "甲\u202e"}, "/note"),
        ({"note": "\ud800"}, "/note"),
        ({"consent": "甲\x00"}, "/consent"),
        ({"filter": {"categories": ["elders"]}}, "/categories/0"),
        ({"filter": {"categories": []}}, "/categories"),
        ({"filter": {"activities": ["x"]}}, "/activities/0"),
        ({"filter": {"organisations": ["region:441300"]}}, "/organisations/0"),
        ({"filter": {"evidence": ["check-in", "guess"]}}, "/evidence/1"),
        ({"filter": {"activities": [str(event_id()) for _ in range(PROOF_LINES_MAX + 1)]}}, "/activities"),
    ],
)
def test_a_request_is_refused(members, pointer):
    assert pointer_of(**members) == pointer


def test_one_day_is_a_period():
    holdings.check_request(Request(kind="service", first="2028-02-29", last="2028-02-29"))
