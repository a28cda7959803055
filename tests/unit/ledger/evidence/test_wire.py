"""Messages and bundles: every form but the right one is refused, and so is what is cut off or out of order."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Invalid, TooLarge
from ledger.events.body import decode_event
from ledger.evidence import wire
from ledger.evidence.evidence import Checker, Evidence, Foreign
from ledger.evidence.wire import (
    BundleReader,
    EventItem,
    KeyItem,
    Manifest,
    Private,
    bundle_lines,
    message,
    read_message,
)
from ledger.exchange.bundles import Objected, Receiver
from ledger.limits import BUNDLE_LINE_BYTES_MAX, EVIDENCE_NOTES_KEPT, MESSAGE_BYTES_MAX, MESSAGE_EVENTS_MAX
from tests.support.builders import canonical
from tests.support.evidence import PaperLog

MANIFEST = b'{"format":"opaque","list":[1,{"a":"b"}]}'


@pytest.fixture(scope="module")
def items() -> list[Evidence]:
    return PaperLog().populate().all()


def noted(number: int) -> Evidence:
    """Evidence whose note is another for every number: nothing here looks into notes."""
    return Evidence(
        origin="o",
        position=number,
        recorded_at=0,
        body=b"{}",
        note=f"note {number}\n",
        index=0,
        note_path=(),
        log_path=(bytes(32),),
        checkpoint="c\n",
    )


# -- messages ---------------------------------------------------------------------------------------------


def test_a_message_is_read_as_it_was_written(items):
    assert read_message(message(items)) == items
    assert read_message(message(items[::-1])) == items[::-1]


def test_a_message_by_hand(items):
    """The form as another implementation would write it."""
    item = items[4]
    members = {
        "origin": item.origin,
        "position": 4,
        "recorded_at": item.recorded_at,
        "note": 0,
        "index": 0,
        "note_path": base64.b64encode(b"".join(item.note_path)).decode(),
        "log_path": base64.b64encode(b"".join(item.log_path)).decode(),
        "checkpoint": 0,
        "body": json.loads(item.body),
    }
    assert message([item]) == canonical({"notes": [item.note], "checkpoints": [item.checkpoint], "events": [members]})


def test_notes_and_checkpoints_stand_once(items):
    found = json.loads(message(items))
    assert len(found["notes"]) == 4
    assert found["checkpoints"] == [items[0].checkpoint]


def test_bodies_are_taken_as_they_came(items):
    odd = rb'{"b" : 1,"a":"\u0041"}'
    (found,) = read_message(message([dataclasses.replace(items[0], body=odd)]))
    assert found.body == odd


def edited(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """Edit a message as the object it is, and write it canonically again."""

    def edit(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return canonical(value)

    return edit


def event(**members: Any) -> Callable[[bytes], bytes]:
    return edited(lambda value: value["events"][0].update(members))


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "no object": lambda data: b"[]",
    "cut off": lambda data: data[:-1],
    "white space": lambda data: data.replace(b'"notes":', b'"notes": '),
    "white space behind": lambda data: data + b"\n",
    "two of them": lambda data: data + data,
    "unordered": lambda data: json.dumps(dict(reversed(json.loads(data).items()))).encode(),
    "duplicate key": lambda data: data.replace(b'"notes":[', b'"notes":[],"notes":['),
    "duplicate key in an event": lambda data: data.replace(b'"index":0', b'"index":0,"index":0', 1),
    "an escape that is not needed": lambda data: data.replace(b'0","position":0,', rb'\u0030","position":0,', 1),
    "a lone surrogate": lambda data: data.replace(b'0","position":0,', rb'\ud800","position":0,', 1),
    "not UTF-8": lambda data: data.replace(b'0","position":0,', b'\xff","position":0,', 1),
    "nested too deeply": lambda data: b'{"checkpoints":' + b"[" * 100_000,
    "unknown member": edited(lambda value: value.update(more=1)),
    "unknown member of an event": event(more=1),
    "no events": edited(lambda value: value.update(events=[])),
    "no notes": edited(lambda value: value.pop("notes")),
    "note twice": edited(lambda value: value["notes"].append(value["notes"][0])),
    "note twice, both referred to": edited(
        lambda value: (value["notes"].append(value["notes"][3]), value["events"][5].update(note=4))
    ),
    "note that is not referred to": edited(lambda value: value["notes"].append("more")),
    "checkpoint that is not referred to": edited(lambda value: value["checkpoints"].append("more")),
    "empty note": edited(lambda value: value["notes"].__setitem__(0, "")),
    "note out of range": event(note=4),
    "note below range": event(note=-1),
    "checkpoint out of range": event(checkpoint=1),
    "position below range": event(position=-1),
    "position beyond range": event(position=2**53),
    "position as text": event(position="0"),
    "position as a fraction": lambda data: data.replace(b'"position":0,', b'"position":0.0,', 1),
    "recorded_at beyond range": event(recorded_at=2**63),
    "origin too long": event(origin="o" * 201),
    "origin empty": event(origin=""),
    "path in pieces": event(log_path=base64.b64encode(bytes(33)).decode()),
    "path too long": event(log_path=base64.b64encode(bytes(32 * 65)).decode()),
    "path without padding": event(log_path=base64.b64encode(bytes(32)).decode().rstrip("=")),
    "path with unused bits": event(log_path=base64.b64encode(bytes(32)).decode()[:-2] + "B="),
    "path in the other alphabet": event(log_path="_" * 43 + "="),
    "path as a list": event(log_path=[]),
}


@pytest.mark.parametrize("name", SPOILED)
def test_spoiled_messages(items, name):
    data = message(items)
    spoiled = SPOILED[name](data)
    assert spoiled != data
    with pytest.raises(Invalid):
        read_message(spoiled)


def test_messages_over_the_limits(items):
    with pytest.raises(TooLarge):
        message([])
    with pytest.raises(TooLarge):
        message([items[0]] * (MESSAGE_EVENTS_MAX + 1))
    assert len(read_message(message([items[0]] * MESSAGE_EVENTS_MAX))) == MESSAGE_EVENTS_MAX
    with pytest.raises(TooLarge):
        message([dataclasses.replace(items[0], body=b'"%s"' % (b"x" * MESSAGE_BYTES_MAX))])
    with pytest.raises(TooLarge):
        read_message(b" " * (MESSAGE_BYTES_MAX + 1))
    many = json.loads(message(items[:1]))
    many["events"] *= MESSAGE_EVENTS_MAX + 1
    with pytest.raises(Invalid, match="length <= 1000"):
        read_message(canonical(many))


# -- bundles ------------------------------------------------------------------------------------------------


def bundle(items: list[Evidence], private: bytes | None = None) -> list[bytes]:
    """The lines of a bundle: key events, events, perhaps what is private."""
    return list(bundle_lines(MANIFEST, items[:4], items[4:], private))


def parts(chunks: Iterable[bytes]) -> list[wire.Part]:
    return list(BundleReader(chunks))


def test_a_bundle_is_read_as_it_was_written(items):
    expected = [Manifest(MANIFEST), *map(KeyItem, items[:4]), *map(EventItem, items[4:])]
    assert parts(bundle(items)) == expected
    assert parts(bundle(items, b"sealed")) == [*expected, Private(b"sealed")]
    assert parts(bundle_lines(MANIFEST, [], [])) == [Manifest(MANIFEST)]


def test_the_lines_of_a_bundle(items):
    lines = [json.loads(line) for line in bundle(items, b"sealed")]
    names = [next(iter(line)) for line in lines]
    told = "manifest note checkpoint key note key key note key note event event private end"
    assert names == told.split()
    assert lines[0]["manifest"] == json.loads(MANIFEST)
    assert [line["key"]["note"] for line in lines if "key" in line] == [0, 1, 1, 2]
    assert lines[-2:] == [{"private": base64.b64encode(b"sealed").decode()}, {"end": {"events": 2, "keys": 4}}]


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
def test_chunks_of_any_size(items, size):
    data = b"".join(bundle(items, b"sealed"))
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert parts([b"", *chunks, b""]) == parts([data])


def test_parts_come_as_soon_as_their_line_is_there(items):
    read = []

    def arriving() -> Iterator[bytes]:
        for line in bundle(items):
            read.append(line)
            yield line

    found = iter(BundleReader(arriving()))
    assert next(found) == Manifest(MANIFEST)
    assert next(found) == KeyItem(items[0])
    assert len(read) == 4


def test_lines_are_made_as_they_are_asked_for(items):
    def failing() -> Iterator[Evidence]:
        yield items[4]
        raise AssertionError("asked for too early")

    lines = bundle_lines(MANIFEST, [], failing())
    assert [next(lines)[:9] for _ in range(4)] == [b'{"manifes', b'{"note":"', b'{"checkpo', b'{"event":']


def test_a_bundle_that_is_cut_off_anywhere(items):
    lines = bundle(items, b"sealed")
    for count in range(len(lines)):
        with pytest.raises(Invalid, match="cut off"):
            parts(lines[:count])
        with pytest.raises(Invalid, match="cut off in the middle"):
            parts([*lines[:count], lines[count][:-1]])


def test_a_bundle_of_which_any_line_is_missing_or_stands_twice(items):
    lines = bundle(items, b"sealed")
    for number in range(len(lines)):
        if json.loads(lines[number]).keys() != {"private"}:  # the manifest has to tell whether there is one
            with pytest.raises(Invalid):
                parts(lines[:number] + lines[number + 1 :])
        with pytest.raises(Invalid):
            parts(lines[: number + 1] + lines[number:])


def test_lines_out_of_order(items):
    lines = bundle(items, b"sealed")
    names = [next(iter(json.loads(line))) for line in lines]
    for number in range(len(lines) - 1):
        if (names[number], names[number + 1]) in (("note", "checkpoint"), ("key", "key"), ("event", "event")):
            continue  # nothing here says which is to be first
        if (names[number], names[number + 1]) in (("key", "note"), ("event", "note")):
            continue  # a note may stand earlier than it has to
        swapped = [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]
        with pytest.raises(Invalid):
            parts(swapped)


END = b'{"end":{"events":2,"keys":4}}\n'


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("fewer events", END, b'{"end":{"events":1,"keys":4}}\n'),
        ("more keys", END, b'{"end":{"events":2,"keys":5}}\n'),
        ("a line behind the end", END, END + END),
        ("an empty line behind the end", END, END + b"\n"),
        ("bytes behind the end", END, END + b"{"),
        ("an empty line", END, b"\n" + END),
        ("an unknown line", END, b'{"more":1}\n' + END),
        ("no object", END, b"[]\n" + END),
        ("not UTF-8", END, b'{"\xff\xfe":1}\n' + END),
        ("a note behind the private part", END, b'{"note":"more"}\n' + END),
        ("an end with more", END, b'{"end":{"events":2,"keys":4,"more":1}}\n'),
        ("two members in a line", END, b'{"end":{"events":2,"keys":4},"note":"x"}\n'),
        ("white space", END, b'{"end":{"events":2, "keys":4}}\n'),
        ("a carriage return", END, END[:-1] + b"\r\n"),
        ("duplicate key", END, b'{"end":{"events":2,"events":2,"keys":4}}\n'),
        ("duplicate key in an event", b'"index":0,', b'"index":0,"index":0,'),
        ("duplicate key in a line", b'{"note":"', b'{"note":"x","note":"'),
        ("a manifest that is no object", MANIFEST, b'"opaque"'),
        ("a manifest that is no JSON", MANIFEST, b'{"a"}'),
        ("a note that was not stated", b'"note":0', b'"note":9'),
        ("a checkpoint that was not stated", b'"checkpoint":0', b'"checkpoint":1'),
        ("what is private not in base64", b'{"private":"c2VhbGVk"}', b'{"private":"c2VhbGV"}'),
        ("a lone surrogate", b'{"note":"yong', rb'{"note":"\udfffyong'),
    ],
)
def test_spoiled_bundles(items, name, old, new):
    data = b"".join(bundle(items, b"sealed"))
    assert old in data
    with pytest.raises(Invalid):
        parts([data.replace(old, new, 1)])


def test_a_bundle_without_a_manifest():
    with pytest.raises(Invalid, match="out of its place"):
        parts([b'{"end":{"events":0,"keys":0}}\n'])


def test_errors_tell_the_line(items):
    lines = bundle(items)
    with pytest.raises(Invalid, match="line 3 of the bundle"):
        parts([*lines[:2], b"{}\n"])


def test_notes_are_stated_again_when_they_were_too_long_ago():
    """Both sides keep the last EVIDENCE_NOTES_KEPT: memory does not grow with the bundle."""
    rounds = [noted(number % (EVIDENCE_NOTES_KEPT + 1)) for number in range(3 * EVIDENCE_NOTES_KEPT)]
    lines = list(bundle_lines(MANIFEST, [], rounds))
    assert sum(line.startswith(b'{"note"') for line in lines) == len(rounds)
    assert sum(line.startswith(b'{"checkpoint"') for line in lines) == 1
    assert parts(lines)[1:] == list(map(EventItem, rounds))

    few = [noted(number % EVIDENCE_NOTES_KEPT) for number in range(3 * EVIDENCE_NOTES_KEPT)]
    lines = list(bundle_lines(MANIFEST, [], few))
    assert sum(line.startswith(b'{"note"') for line in lines) == EVIDENCE_NOTES_KEPT
    assert parts(lines)[1:] == list(map(EventItem, few))


def test_a_note_that_was_stated_too_long_ago():
    lines = list(bundle_lines(MANIFEST, [], map(noted, range(EVIDENCE_NOTES_KEPT + 1))))
    late = lines[-2].replace(b'"note":%d' % EVIDENCE_NOTES_KEPT, b'"note":0')
    assert late != lines[-2]
    with pytest.raises(Invalid, match="too long ago"):
        parts([*lines[:-2], late, lines[-1]])


def test_bundles_over_the_limits(items, monkeypatch):
    with pytest.raises(TooLarge):
        parts([b'{"note":"' + b"x" * BUNDLE_LINE_BYTES_MAX])
    with pytest.raises(TooLarge):
        parts([b"x" * (BUNDLE_LINE_BYTES_MAX // 2)] * 2)
    with pytest.raises(TooLarge):
        parts([*bundle(items)[:1], b'{"note":"' + b"x" * BUNDLE_LINE_BYTES_MAX + b'"}\n'])
    with pytest.raises(TooLarge):
        bundle(items, bytes(BUNDLE_LINE_BYTES_MAX))
    lines = bundle(items)
    monkeypatch.setattr(wire, "BUNDLE_EVENTS_MAX", 3)
    with pytest.raises(TooLarge):
        parts(lines)
    with pytest.raises(TooLarge):
        bundle(items)
    monkeypatch.setattr(wire, "BUNDLE_EVENTS_MAX", 4)
    monkeypatch.setattr(wire, "TRANSFER_BYTES_MAX", sum(map(len, lines)) - 1)
    with pytest.raises(TooLarge):
        parts(lines)
    monkeypatch.setattr(wire, "TRANSFER_BYTES_MAX", sum(map(len, lines)))
    assert len(parts(lines)) == 7


def test_a_bundle_over_the_limits_is_an_answer_to_the_offer():
    body = (Path(__file__).parents[3] / "vectors/bodies/transfer.offered-1.json").read_bytes().rstrip(b"\n")
    offer = Foreign(
        origin="o", position=0, recorded_at=0, entry=bytes(40), key_id="", event=decode_event(body), body=body
    )
    receiver = Receiver(offer=offer, own_origin="p", checker=Checker(lambda origin: []), sealing_key=bytes(32))
    with pytest.raises(Objected) as objected:
        receiver.read([b"x" * BUNDLE_LINE_BYTES_MAX])
    assert [one.code for one in objected.value.reasons] == ["too-large"]


@pytest.mark.parametrize("manifest", [b'{\n"a":1}', b"{}\n{}"])
def test_a_manifest_of_several_lines_is_not_written(manifest):
    with pytest.raises(Invalid):
        list(bundle_lines(manifest, [], []))
