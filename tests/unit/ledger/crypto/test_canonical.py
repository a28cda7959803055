"""What is not canonical is refused, and the answer says what it is."""

import pytest

from ledger.crypto import canonical
from ledger.errors import Invalid

DEEPEST = b"[" * 8 + b"]" * 8
FORM = "canonical form"
ESCAPE = "escape"

REFUSED = {
    # how it is written
    "empty": (b"", "not JSON"),
    "only white space": (b" ", "not JSON"),
    "white space before": (b' {"a":1}', FORM),
    "white space after": (b'{"a":1} ', FORM),
    "white space inside": (b'{"a": 1}', FORM),
    "newline at the end": (b'{"a":1}\n', "U+000A"),
    "tab inside": (b'{"a":\t1}', "U+0009"),
    "key order": (b'{"b":1,"a":2}', FORM),
    "upper case sorts first": (b'{"a":1,"B":2}', FORM),
    "key order in an inner object": (b'[{"b":1,"a":2}]', FORM),
    "duplicate key": (b'{"a":1,"a":2}', FORM),
    "duplicate key, one value": (b'{"a":1,"a":1}', FORM),
    "trailing bytes": (b'{"a":1}x', "not JSON"),
    "two values": (b"{}{}", "not JSON"),
    "trailing comma": (b'{"a":1,}', "not JSON"),
    "comment": (b"{}/**/", "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
    "truncated": (b'{"a":"b', "not JSON"),
    "byte order mark": (b"\xef\xbb\xbf{}", "not JSON"),
    # numbers
    "float": (b"1.5", "float"),
    "float that is whole": (b"1.0", "float"),
    "exponent": (b"1e2", "float"),
    "negative zero": (b"-0", FORM),
    "negative zero, float": (b"-0.0", "float"),
    "leading zero": (b"01", "not JSON"),
    "plus sign": (b"+1", "not JSON"),
    "hexadecimal": (b"0x1", "not JSON"),
    "not a number": (b"NaN", "not JSON"),
    "infinity": (b"-Infinity", "not JSON"),
    "beyond a double": (b"1e400", "not JSON"),
    "2^53": (b"9007199254740992", "2^53"),
    "-2^53": (b"-9007199254740992", "2^53"),
    "2^53 + 1": (b"9007199254740993", "2^53"),
    "2^64": (b"18446744073709551616", "2^53"),
    "10^30": (b"1" + b"0" * 30, "2^53"),
    # characters
    "invalid UTF-8": (b'"\xff"', "not UTF-8 at byte 1"),
    "overlong UTF-8": (b'"\xc0\xaf"', "not UTF-8"),
    "truncated UTF-8": (b'"\xe6\x9e"', "not UTF-8"),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', "not UTF-8"),
    "UTF-16": ("{}".encode("utf-16-le"), "U+0000"),
    "raw U+0000": (b'"\x00"', "U+0000"),
    "raw newline": (b'"\n"', "U+000A"),
    "raw U+001F": (b'"\x1f"', "U+001F"),
    "raw U+007F": (b'"\x7f"', "U+007F"),
    "raw U+0080, a C1 control": ('"\x80"'.encode(), "U+0080"),
    "raw U+009F, a C1 control": ('"\x9f"'.encode(), "U+009F"),
    "raw U+061C, bidirectional": ('"\u061c"'.encode(), "U+061C"),
    "raw U+200E, bidirectional": ('"\u200e"'.encode(), "U+200E"),
    "raw U+200F, bidirectional": ('"\u200f"'.encode(), "U+200F"),
    "raw U+202A, bidirectional": ('"\u202a"'.encode(), "U+202A"),
    "raw U+202E, bidirectional": ('"林\u202e老"'.encode(), "U+202E"),
    "raw U+2066, bidirectional": ('"\u2066"'.encode(), "U+2066"),
    "raw U+2069, bidirectional": ('"\u2069"'.encode(), "U+2069"),
    "escaped U+0000": (rb'"\u0000"', ESCAPE),
    "escaped U+0001": (rb'"\u0001"', ESCAPE),
    "escaped newline": (rb'"\n"', ESCAPE),
    "escaped tab": (rb'"\t"', ESCAPE),
    "escaped backspace": (rb'"\b"', ESCAPE),
    "escaped U+007F": (rb'"\u007f"', ESCAPE),
    "escaped U+202E": (rb'"\u202e"', ESCAPE),
    "escaped letter": (rb'"\u0041"', ESCAPE),
    "escaped Chinese": (rb'"\u6797"', ESCAPE),
    "escaped pair of surrogates": (rb'"\ud842\udfb7"', ESCAPE),
    "escaped quote by number": (rb'"\u0022"', ESCAPE),
    "escaped slash": (rb'"\/"', ESCAPE),
    "escape after a backslash": (rb'"\\\n"', ESCAPE),
    "high surrogate alone": (rb'"\ud800"', ESCAPE),
    "low surrogate alone": (rb'"\udc00"', ESCAPE),
    "escape that is none": (rb'"\x41"', ESCAPE),
    "escape in a key": (rb'{"\u0061":1}', ESCAPE),
    # keys and depth
    "Chinese key": ('{"姓名":1}'.encode(), "not ASCII"),
    "accented key": ('{"é":1}'.encode(), "not ASCII"),
    "control in a key": (b'{"\x7f":1}', "U+007F"),
    "nine arrays": (b"[" + DEEPEST + b"]", "deeper than 8"),
    "nine objects": (b'{"a":' * 9 + b"1" + b"}" * 9, "deeper than 8"),
    "very deep": (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
}


@pytest.mark.parametrize(("data", "named"), REFUSED.values(), ids=REFUSED)
def test_refused(data: bytes, named: str):
    with pytest.raises(Invalid) as caught:
        canonical.decode(data)
    assert named in caught.value.detail


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b'{"A":1,"_":2,"a":3,"aa":4}',
        DEEPEST,
        b"[9007199254740991,-9007199254740991,0]",
        b"[true,false,null]",
        rb'["\\","\"","\\n","\\\\u0041","/"]',
        '["林老师","𠮷","e\u0301","\u3000","\u2028","\u200b","\ufeff"]'.encode(),
    ],
    ids=["empty", "key order", "depth 8", "integers", "words", "escapes", "text"],
)
def test_canonical_bytes_come_back_as_they_were(data: bytes):
    assert canonical.encode(canonical.decode(data)) == data


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"a": [0, {"b": 1.0}]}, "/a/1/b"),
        ({"a/b": {"c~d": 2**53}}, "/a~1b/c~0d"),
        ({"place": {"名": 1}}, "/place"),
        ([[0, [[[[[[[1]]]]]]]]], "/0/1/0/0/0/0/0/0"),
        ({"a": {1, 2}}, "/a"),
        ({"a": b"bytes"}, "/a"),
    ],
    ids=["float", "integer", "key", "depth", "set", "bytes"],
)
def test_the_pointer_leads_to_the_place(value, pointer: str):
    with pytest.raises(Invalid) as caught:
        canonical.encode(value)
    assert caught.value.pointer == pointer


@pytest.mark.parametrize("text", ["\n", "\x7f", "\u202e", "\ud800"], ids=ascii)
def test_nothing_is_encoded_that_would_be_refused(text: str):
    for value in (text, {text: 1}):
        with pytest.raises(Invalid):
            canonical.encode(value)
