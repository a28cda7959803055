"""Every event type: what its bodies hold, and what is refused, with the place that is at fault."""

import json
import re
from typing import Any

import msgspec
import pytest
import rfc8785

from ledger.errors import Invalid
from ledger.events.body import CATALOGUE, decode_event, encode_event, field_reader
from ledger.events.fields import type_name
from ledger.limits import BODY_BYTES_MAX, ENTRY_MINUTES_MAX, LONG_TEXT_MAX, SHORT_TEXT_MAX, STATUS_LIST_SIZE
from ledger.tlog.entries import commitment_to
from tests.support.builders import (
    ABSENT,
    ACTIVITY,
    AUTHORITY,
    GROUP,
    PROOF,
    REGION,
    STATION,
    VOLUNTEER,
    body,
    event_id,
    fields,
    hours,
    vectors,
    vkey,
)
from tests.support.proofs import token_key

HOURS = "hours.recorded/1"
KINDS = sorted(CATALOGUE)
every_type = pytest.mark.parametrize("kind", KINDS)


def refused(data: bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        decode_event(data)
    return caught.value


def pointer_of(kind: str, /, **changes: Any) -> str:
    """Where a body is refused that is valid but for the changes."""
    return refused(body(kind, **changes)).pointer


# -- every type -----------------------------------------------------------------------------------------


@every_type
def test_a_body_is_read_and_written_back(kind: str):
    data = body(kind)
    event = decode_event(data)
    assert type_name(event) == kind
    assert encode_event(event) == data
    assert data == rfc8785.dumps(json.loads(data))
    assert encode_event(event) == rfc8785.dumps(msgspec.to_builtins(event))


def test_the_names_of_types_carry_a_version():
    assert all(re.fullmatch(r"[a-z]+\.[a-z_]+/[1-9][0-9]*", kind) for kind in KINDS)


@every_type
def test_a_body_from_the_log_is_read_as_it_was_when_it_came_in(kind: str):
    data = body(kind)
    whole = msgspec.to_builtins(decode_event(data))
    names = {"id", "subject", "minutes", "place", "key"}
    found = msgspec.to_builtins(field_reader(names)(kind, data))
    assert found == {name: value for name, value in whole.items() if name in names}


@pytest.mark.parametrize("data", vectors("bodies"))
def test_bodies_written_once_are_good_for_ever(data: bytes):
    assert encode_event(decode_event(data)) == data


def test_there_is_a_body_of_every_type_among_the_vectors():
    assert sorted(json.loads(one.values[0])["type"] for one in vectors("bodies")) == KINDS


@every_type
def test_an_unknown_field_is_refused(kind: str):
    assert pointer_of(kind, extra=1) == "/extra"
    assert pointer_of(kind, **{"a/b~c": 1}) == "/a~1b~0c"


@every_type
def test_a_missing_field_is_refused(kind: str):
    schema = {field.encode_name: field for field in msgspec.structs.fields(CATALOGUE[kind])}
    for name in ["type", *(name for name, field in schema.items() if field.required)]:
        assert pointer_of(kind, **{name: ABSENT}) == f"/{name}"


@every_type
@pytest.mark.parametrize("value", [None, [], {}, True, 1.5, "", "\u3000"], ids=repr)
def test_a_value_of_the_wrong_kind_is_refused(kind: str, value: Any):
    for name, example in fields(kind).items():
        if isinstance(example, list) and value == []:
            continue  # not of the wrong kind
        pointer = pointer_of(kind, **{name: value})
        inside = {one for one, other in fields(kind).items() if isinstance(other, dict)} if value == {} else set()
        assert pointer.split("/")[1] == name if name in inside else pointer == f"/{name}"


@pytest.mark.parametrize("kind", ["hours.recorded/2", "hours.recorded", "HOURS.RECORDED/1", "", 1, None])
def test_an_unknown_type_is_refused(kind: Any):
    assert pointer_of(HOURS, type=kind) == "/type"


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'"text"', b"1", b"{}", b"{", b"\xff", b"[" * 20_000])
def test_what_is_no_object_is_refused(data: bytes):
    refused(data)


# -- common fields --------------------------------------------------------------------------------------

UUID = event_id(0)
BAD_UUIDS = [
    UUID.upper(),
    UUID.replace("-", ""),
    "{" + UUID + "}",
    "urn:uuid:" + UUID,
    UUID + "\n",
    UUID[:-1],
    "０" + UUID[1:],
]
BAD_SALTS = [
    "mJ2o4VqS0m0f4m0Jw1x3Yh",
    "mJ2o4VqS0m0f4m0Jw1x3Y",
    "mJ2o4VqS0m0f4m0Jw1x3Yg==",
    "mJ2o4VqS0m0f4m0Jw1x3/g",
    "A" * 23,
]
BAD_TIMES = [
    "2026-11-01t12:05:10+08:00",
    "2026-11-01T12:05:10z",
    "2026-11-01 12:05:10+08:00",
    "2026-11-01T12:05:10.5+08:00",
    "2026-11-01T12:05:10.000Z",
    "2026-11-01T12:05+08:00",
    "2026-11-01T12:05:10",
    "2026-11-01T12:05:10+0800",
    "2026-11-01T12:05:10+08",
    "2026-11-01",
    "20261101T120510Z",
    "2026-W44-7T12:05:10Z",
    "2026-02-30T12:05:10Z",
    "2027-02-29T12:05:10Z",
    "2026-13-01T12:05:10Z",
    "0000-01-01T12:05:10Z",
    "2026-11-01T24:00:00Z",
    "2026-11-01T12:60:00Z",
    "2026-12-31T23:59:60Z",
    "2026-11-01T12:05:10+24:00",
    "2026-11-01T12:05:10+08:60",
    "2026-11-01T12:05:10−08:00",
    "２026-11-01T12:05:10Z",
    "+2026-11-01T12:05:10Z",
    "2026-11-01T12:05:10Z\n",
]
BAD_ISSUERS = [
    STATION.lower(),
    STATION[:-1] + "Q",
    STATION[4:],
    "org:",
    "org:51441300MJM000001",
    "Org:51441300MJM000001P",
    "region:441399",
    "region:44130",
    "volunteer:" + STATION[4:],
    VOLUNTEER.upper(),
    "activity:" + ACTIVITY,
    STATION + " ",
]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("id", value) for value in BAD_UUIDS),
        *(("salt", value) for value in BAD_SALTS),
        *(("time", value) for value in BAD_TIMES),
        *(("issuer", value) for value in BAD_ISSUERS),
        *(("ledger", value) for value in ("44130", "4413000", "44130a", "44130０", "")),
        *(("subject", value) for value in (STATION, AUTHORITY, VOLUNTEER.upper(), VOLUNTEER + "\n")),
    ],
)
def test_a_common_field_is_refused(field: str, value: str):
    error = refused(
        json.dumps(fields(HOURS, **{field: value}), ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    )
    assert error.pointer == ("" if "\n" in value else f"/{field}")


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-01T12:05:10Z",
        "2026-11-01T00:00:00-00:00",
        "2028-02-29T23:59:59+23:59",
        "0001-01-01T00:00:00+08:00",
    ],
)
def test_a_time_is_accepted(time: str):
    assert hours(time=time).time == time


# -- fields of the types --------------------------------------------------------------------------------

PLACE = {"name": "江南街道社区服务中心", "region": "441302"}
FORM = {"method": "form", "given": "2026-11-01T12:05:10+08:00", "reference": "档案 17"}
SIGNED = {"method": "signed", "given": "2026-11-01T12:05:10+08:00"}
IDENTITY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
LONG, SHORT = "长" * LONG_TEXT_MAX, "短" * SHORT_TEXT_MAX


@pytest.mark.parametrize(
    ("kind", "changes", "pointer"),
    [
        # hours
        (HOURS, {"end": "2026-11-01T09:00:00+08:00"}, "/end"),
        (HOURS, {"end": "2026-11-01T08:59:59+08:00"}, "/end"),
        (HOURS, {"start": "2026-11-01T09:00:00-08:00"}, "/end"),
        (HOURS, {"start": "2026-02-30T09:00:00+08:00"}, "/start"),
        (HOURS, {"end": "2026-11-31T09:00:00+08:00"}, "/end"),
        (HOURS, {"minutes": 151}, "/minutes"),
        (HOURS, {"minutes": 150, "end": "2026-11-01T11:29:59+08:00"}, "/minutes"),
        (HOURS, {"minutes": 0}, "/minutes"),
        (HOURS, {"minutes": -1}, "/minutes"),
        (HOURS, {"minutes": ENTRY_MINUTES_MAX + 1, "end": "2026-12-01T09:00:00+08:00"}, "/minutes"),
        (HOURS, {"minutes": 2**64}, "/minutes"),
        (HOURS, {"minutes": 10**30}, "/minutes"),
        (HOURS, {"minutes": "150"}, "/minutes"),
        (HOURS, {"minutes": 150.0}, "/minutes"),
        (HOURS, {"category": "elders"}, "/category"),
        (HOURS, {"category": "空巢老人"}, "/category"),
        (HOURS, {"evidence": "Check-in"}, "/evidence"),
        (HOURS, {"activity": "activity:" + ACTIVITY}, "/activity"),
        (HOURS, {"activity_name": SHORT + "短"}, "/activity_name"),
        (HOURS, {"content": LONG + "长"}, "/content"),
        (HOURS, {"recorder": " "}, "/recorder"),
        (HOURS, {"place": {**PLACE, "region": "441399"}}, "/place/region"),
        (HOURS, {"place": {**PLACE, "region": "惠州"}}, "/place/region"),
        (HOURS, {"place": {**PLACE, "name": ""}}, "/place/name"),
        (HOURS, {"place": {**PLACE, "extra": 1}}, "/place/extra"),
        (HOURS, {"place": {"name": "x"}}, "/place/region"),
        ("hours.corrected/1", {"minutes": 151}, "/minutes"),
        ("hours.corrected/1", {"entry": ABSENT}, "/entry"),
        ("hours.decided/1", {"outcome": "approved"}, "/outcome"),
        ("activity.published/1", {"end": "2026-11-01T09:00:00+08:00"}, "/end"),
        ("activity.published/1", {"subject": ACTIVITY}, "/subject"),
        # keys
        ("region.established/1", {"key": vkey(STATION)}, "/key"),
        ("region.established/1", {"log_key": vkey(AUTHORITY)}, "/log_key"),
        ("region.established/1", {"origin": "ledger.example/other"}, "/log_key"),
        ("region.established/1", {"origin": STATION, "log_key": vkey(STATION)}, "/origin"),
        ("region.established/1", {"origin": "yongzhi.x", "log_key": vkey("yongzhi.x")}, "/origin"),
        ("region.established/1", {"origin": "惠州", "log_key": vkey("惠州")}, "/origin"),
        ("region.established/1", {"origin": "x" * 201, "log_key": vkey("x" * 201)}, "/origin"),
        ("region.established/1", {"name": {"zh": "惠州市"}}, "/name/en"),
        ("region.key_added/1", {"key": vkey(STATION)}, "/key"),
        ("organisation.key_added/1", {"key": vkey(GROUP)}, "/key"),
        ("organisation.key_added/1", {"key": vkey(AUTHORITY)}, "/key"),
        ("organisation.key_added/1", {"key": vkey(STATION)[:-1]}, "/key"),
        ("organisation.key_added/1", {"key": vkey(STATION) + " "}, "/key"),
        ("organisation.key_added/1", {"key": "x" * 401}, "/key"),
        ("volunteer.key_added/1", {"key": vkey("volunteer:" + event_id())}, "/key"),
        ("organisation.key_revoked/1", {"key_id": "0A1B2C3D"}, "/key_id"),
        ("organisation.key_revoked/1", {"key_id": "0a1b2c3"}, "/key_id"),
        ("organisation.key_revoked/1", {"suspect_from": -1}, "/suspect_from"),
        ("organisation.key_revoked/1", {"suspect_from": 2**53}, "/suspect_from"),
        ("organisation.key_revoked/1", {"suspect_from": None}, "/suspect_from"),
        # proofs of service
        ("proof.issued/1", {"subject": PROOF}, "/subject"),
        ("proof.issued/1", {"subject": f"proof:{PROOF.upper()}"}, "/subject"),
        ("proof.issued/1", {"credential": IDENTITY[:-1] + "V"}, "/credential"),
        ("proof.issued/1", {"holder": VOLUNTEER}, "/holder"),
        ("proof.issued/1", {"format": "jwt"}, "/format"),
        ("proof.issued/1", {"status": {"list": "442000-1", "index": 0}}, "/status/list"),
        ("proof.issued/1", {"status": {"list": f"{REGION}-t1", "index": 0}}, "/status/list"),
        ("proof.issued/1", {"format": "sd-jwt"}, "/status/list"),
        ("proof.issued/1", {"status": {"list": f"{REGION}-0", "index": 0}}, "/status/list"),
        ("proof.issued/1", {"status": {"list": f"{REGION}-1", "index": -1}}, "/status/index"),
        ("proof.issued/1", {"status": {"list": f"{REGION}-1", "index": STATUS_LIST_SIZE}}, "/status/index"),
        ("proof.issued/1", {"status": {"list": f"{REGION}-1", "index": 0, "extra": 1}}, "/status/extra"),
        ("proof.issued/1", {"status": {"list": f"{REGION}-1"}}, "/status/index"),
        ("proof.issued/1", {"replaces": f"proof:{PROOF}"}, "/replaces"),
        ("proof.revoked/1", {"reason": "Corrected"}, "/reason"),
        ("proof.revoked/1", {"subject": VOLUNTEER}, "/subject"),
        ("proof.revoked/1", {"detail": LONG + "长"}, "/detail"),
        ("region.credential_key_added/1", {"use": "token"}, "/use"),
        ("region.credential_key_added/1", {"use": "log"}, "/use"),
        ("region.credential_key_added/1", {"multikey": token_key().multikey}, "/use"),
        ("region.credential_key_added/1", {"multikey": vkey(AUTHORITY)}, "/multikey"),
        ("region.credential_key_added/1", {"multikey": token_key().multikey[:-1], "use": "token"}, "/multikey"),
        ("region.credential_key_added/1", {"did": "did:key:z6Mk"}, "/did"),
        # organisations
        ("organisation.registered/1", {"subject": STATION[:-1] + "Q"}, "/subject"),
        ("organisation.registered/1", {"subject": VOLUNTEER}, "/subject"),
        ("organisation.registered/1", {"kind": "志愿服务站"}, "/kind"),
        ("organisation.registered/1", {"name_en": ""}, "/name_en"),
        ("organisation.dissolved/1", {"successor": AUTHORITY}, "/successor"),
        # volunteers
        ("volunteer.registered/1", {"key": ABSENT}, "/consent"),
        ("volunteer.registered/1", {"consent": FORM}, "/consent"),
        ("volunteer.registered/1", {"consent": {**SIGNED, "reference": "档案 17"}}, "/consent"),
        (
            "volunteer.registered/1",
            {"consent": {**SIGNED, "given": "2026-02-30T00:00:00Z"}},
            "/consent/given",
        ),
        ("volunteer.registered/1", {"consent": {**SIGNED, "given": "yesterday"}}, "/consent/given"),
        ("volunteer.registered/1", {"consent": {**SIGNED, "method": "oral"}}, "/consent/method"),
        ("volunteer.registered/1", {"consent": {**SIGNED, "guardian": "yes"}}, "/consent/guardian"),
        ("volunteer.registered/1", {"key": vkey(STATION)}, "/key"),
        ("volunteer.registered/1", {"issuer": STATION}, "/consent"),
        ("volunteer.registered/1", {"issuer": STATION, "consent": FORM}, "/consent"),
        ("volunteer.registered/1", {"issuer": STATION, "consent": SIGNED, "identity": IDENTITY}, "/consent"),
        ("volunteer.registered/1", {"consent": {**FORM, "reference": ABSENT}}, "/consent"),
        ("volunteer.verified/1", {"identity": IDENTITY[:-1] + "V"}, "/identity"),
        ("volunteer.verified/1", {"identity": IDENTITY + "="}, "/identity"),
        ("volunteer.disclaimed/1", {"reference": ABSENT}, "/reference"),
        ("volunteer.disclaimed/1", {"issuer": VOLUNTEER}, "/reference"),
    ],
)
def test_a_field_is_refused(kind: str, changes: dict[str, Any], pointer: str):
    for name, value in changes.items():
        if isinstance(value, dict):
            changes = {**changes, name: {key: inner for key, inner in value.items() if inner is not ABSENT}}
    assert pointer_of(kind, **changes) == pointer


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (HOURS, {"minutes": 149, "end": "2026-11-01T11:29:59+08:00"}),
        (HOURS, {"minutes": 1, "start": "2026-11-01T11:29:00+08:00"}),
        (HOURS, {"minutes": ENTRY_MINUTES_MAX, "end": "2026-11-08T09:00:00+08:00"}),
        (HOURS, {"start": "2026-11-01T23:30:00+08:00", "end": "2026-11-02T02:00:00+08:00"}),
        (HOURS, {"start": "2026-11-01T01:00:00Z", "end": "2026-11-01T11:30:00+08:00"}),
        (HOURS, {"activity_name": SHORT, "content": LONG}),
        (HOURS, {"issuer": GROUP}),
        (HOURS, {"place": {**PLACE, "region": "449028"}}),
        ("volunteer.registered/1", {"identity": IDENTITY}),
        ("volunteer.registered/1", {"consent": {**SIGNED, "guardian": True}}),
        ("volunteer.registered/1", {"issuer": STATION, "consent": FORM, "identity": IDENTITY}),
        ("volunteer.registered/1", {"issuer": STATION, "consent": FORM, "identity": IDENTITY, "key": ABSENT}),
        ("volunteer.disclaimed/1", {"issuer": VOLUNTEER, "reference": ABSENT}),
        ("organisation.registered/1", {"subject": GROUP, "name_en": "Group", "kind": "group"}),
        ("organisation.dissolved/1", {"successor": ABSENT}),
        ("organisation.key_revoked/1", {"suspect_from": ABSENT}),
        ("organisation.key_revoked/1", {"suspect_from": 2**53 - 1}),
        ("proof.issued/1", {"status": {"list": f"{REGION}-2", "index": STATUS_LIST_SIZE - 1}}),
        ("proof.issued/1", {"status": {"list": f"{REGION}-t1", "index": 0}, "format": "sd-jwt"}),
        ("proof.issued/1", {"replaces": PROOF}),
        ("proof.revoked/1", {"detail": LONG}),
        ("region.credential_key_added/1", {"multikey": token_key().multikey, "use": "token"}),
    ],
)
def test_a_field_is_accepted(kind: str, changes: dict[str, Any]):
    data = body(kind, **changes)
    assert encode_event(decode_event(data)) == data


# -- bytes ----------------------------------------------------------------------------------------------


def body_of_size(size: int) -> bytes:
    """A correction of exactly that many bytes: the type that can be longest."""
    filler = {"content": "𠮷" * LONG_TEXT_MAX, "reason": "x"}
    missing = size - len(body("hours.corrected/1", id=event_id(0), **filler))
    four, one = divmod(missing, 4)
    return body("hours.corrected/1", id=event_id(0), **filler | {"reason": "x" + "𠮷" * four + "x" * one})


def test_a_body_has_at_most_16_kib():
    largest = body_of_size(BODY_BYTES_MAX)
    assert len(largest) == 16_384
    decode_event(largest)
    assert "16384" in refused(body_of_size(BODY_BYTES_MAX + 1)).detail


SAMPLE = body(HOURS)


@pytest.mark.parametrize(
    "data",
    [
        b" " + SAMPLE,
        SAMPLE + b"\n",
        SAMPLE.replace(b'"minutes":150', b'"minutes": 150'),
        SAMPLE.replace(b'"minutes":150', b'"minutes":1.5e2'),
        SAMPLE.replace(b'"minutes":150', b'"minutes":150.0'),
        SAMPLE.replace(b'"minutes":150', b'"minutes":0150'),
        SAMPLE.replace(b'"minutes":150', b'"minutes":150,"minutes":150'),
        SAMPLE.replace(b'"minutes":150', b'"minutes":1,"minutes":150'),
        SAMPLE.replace(f'"ledger":"{REGION}",'.encode(), b"").replace(b"{", f'{{"ledger":"{REGION}",'.encode(), 1),
        SAMPLE.replace("陪诊".encode(), rb"\u966a\u8bca"),
        SAMPLE.replace("陪诊".encode(), rb"\/"),
        SAMPLE.replace("陪诊".encode(), rb"\n"),
        SAMPLE.replace("陪诊".encode(), b"\n"),
        SAMPLE.replace("陪诊".encode(), "\u202e".encode()),
        SAMPLE.replace("陪诊".encode(), b"\xff"),
        SAMPLE.replace(b'"minutes"', rb'"\u006dinutes"'),
        b"\xef\xbb\xbf" + SAMPLE,
        SAMPLE + SAMPLE,
        SAMPLE[:-1],
    ],
    ids=[
        "blank before",
        "newline after",
        "blank inside",
        "exponent",
        "float",
        "leading zero",
        "duplicate key",
        "duplicate key, other value",
        "key order",
        "escaped letters",
        "escaped slash",
        "escaped newline",
        "raw newline",
        "bidirectional control",
        "invalid UTF-8",
        "escape in a key",
        "byte order mark",
        "twice",
        "cut short",
    ],
)
def test_a_body_that_is_not_canonical_is_refused(data: bytes):
    decode_event(SAMPLE)
    assert data != SAMPLE
    refused(data)


def test_what_a_receiver_would_refuse_is_not_encoded():
    event = hours()
    for changes in (
        {"minutes": 0},
        {"content": "\n"},
        {"content": "\ud800"},
        {"salt": "short"},
        {"content": LONG + "长"},
    ):
        with pytest.raises(Invalid):
            encode_event(msgspec.structs.replace(event, **changes))


def test_the_commitment_is_the_hash_of_the_bytes():
    assert commitment_to(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
