"""The outbox: what was made of a file is made once, sent until it is answered, and survives any interruption."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from api import sheets
from api.client.queue import Outbox
from ledger import files
from ledger.crypto.keys import SigningKey
from ledger.errors import Busy, Conflict, Corrupt, Invalid, Unavailable, Untrusted
from ledger.events import submission
from tests.support.builders import ORIGIN, REGION, STATION, signing_key
from tests.support.sheet_files import NOW, VOLUNTEER, csv_file, row

KEY = signing_key(STATION)
OTHER_ORIGIN = "ledger.example/other"


def sheet(days: int = 5, **changes: str) -> sheets.Sheet:
    """A file of one service a day."""
    return sheets.parse(
        csv_file(*(row(date=f"2026-11-{day:02}", ref=f"r{day}", **changes) for day in range(1, days + 1)))
    )


def entries(file: sheets.Sheet) -> list[sheets.Entry]:
    return sheets.to_entries(file, issuer=STATION, ledger=REGION, now=NOW)


def opened(root: Path, file: sheets.Sheet, key: SigningKey = KEY, origin: str = ORIGIN) -> Outbox:
    return Outbox(root, digest=file.digest, key=key, region=REGION, origin=origin)


class Server:
    """A ledger as far as an outbox sees it: it keeps bodies by id in a file, and refuses other bytes under an id."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def bodies(self) -> dict[str, str]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def post(self, data: bytes) -> bytes:
        request = submission.open_submission(data, REGION, ORIGIN)
        request.verify(lambda issuer, key_id: KEY.verifier)
        log = self.bodies
        for one in request.events:
            assert log.setdefault(one.event.id, one.body.decode()) == one.body.decode(), "409"
        aside = self._path.with_suffix(".new")
        aside.write_text(json.dumps(log))
        os.rename(aside, self._path)
        return answer(data, first=list(log).index(request.events[0].event.id))


def answer(data: bytes, first: int = 0, **changes: object) -> bytes:
    """What a ledger says of a request."""
    ids = [event["id"] for event in json.loads(data)["events"]]
    found = [{"id": name, "position": first + index, "entry": "x"} for index, name in enumerate(ids)]
    members = {"region": REGION, "first": first, "count": len(ids), "tree_size": first + len(ids), "events": found}
    return json.dumps({**members, **changes}).encode()


# -- making and sending -----------------------------------------------------------------------------------


def test_a_file_is_sent_in_requests_of_its_events_in_order(tmp_path):
    file = sheet()
    made = entries(file)
    with opened(tmp_path / "outbox", file) as outbox:
        assert not outbox.prepared
        assert not outbox.finished
        outbox.prepare(made, events_max=2)
        sent = list(outbox.pending())
    requests = [submission.open_submission(data, REGION, ORIGIN) for _, data in sent]
    for request in requests:
        request.verify(lambda issuer, key_id: KEY.verifier)
    assert [len(request.events) for request in requests] == [2, 2, 1]
    assert [one.body for request in requests for one in request.events] == [entry.body for entry in made]
    assert [path.name for path, _ in sent] == ["0001.json", "0002.json", "0003.json"]
    assert [(item.row, item.ref) for item in outbox.batch(sent[1][0]).items] == [(4, "r3"), (5, "r4")]


def test_a_request_keeps_within_the_bytes_that_a_ledger_takes(tmp_path, monkeypatch):
    monkeypatch.setattr("api.client.queue.SUBMISSION_BYTES_MAX", 11_000)
    made = entries(sheet(8, content="容" * 500))
    with opened(tmp_path, sheet()) as outbox:
        outbox.prepare(made)
        sizes = [len(data) for _, data in outbox.pending()]
    assert len(sizes) > 1
    assert max(sizes) <= 11_000
    assert sum(len(batch.items) for batch in outbox.batches) == 8


def test_what_is_answered_is_not_sent_again(tmp_path):
    file = sheet()
    with opened(tmp_path, file) as outbox:
        outbox.prepare(entries(file), events_max=2)
        (first, data), *others = outbox.pending()
        assert outbox.done(first, answer(data, first=40)).first == 40
    with opened(tmp_path, file) as outbox:
        assert outbox.prepared
        assert list(outbox.pending()) == others
        for path, data in outbox.pending():
            outbox.done(path, answer(data))
        assert outbox.finished
        assert list(outbox.pending()) == []
        assert next((batch.name, found.first) for batch, found in outbox.answers()) == ("0001.json", 40)
    with opened(tmp_path, file) as outbox:
        assert outbox.finished
        with pytest.raises(Conflict):
            outbox.prepare(entries(file))


def test_requests_are_made_once(tmp_path):
    file = sheet()
    with opened(tmp_path, file) as outbox:
        with pytest.raises(Invalid):
            outbox.prepare([])
        outbox.prepare(entries(file))
        sent = list(outbox.pending())
        with pytest.raises(Conflict):
            outbox.prepare(entries(file))
    with opened(tmp_path, file) as outbox:
        assert list(outbox.pending()) == sent


def test_another_key_signs_the_same_bodies(tmp_path):
    file, made = sheet(), entries(sheet())
    renewed = signing_key(STATION, 1)
    with opened(tmp_path, file) as outbox:
        outbox.prepare(made, events_max=3)
        (answered, data), _ = outbox.pending()
        outbox.done(answered, answer(data))
    before = answered.read_bytes()
    for _ in range(2):
        with opened(tmp_path, file, renewed) as outbox:
            ((_, data),) = outbox.pending()
        request = submission.open_submission(data, REGION, ORIGIN)
        request.verify(lambda issuer, key_id: renewed.verifier)
        assert [one.body for one in request.events] == [entry.body for entry in made[3:]]
    assert answered.read_bytes() == before


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"<html>502</html>",
        b"[" * 100_000,
        {"region": "442000"},
        {"count": 4},
        {"events": []},
        {"events": [{"id": VOLUNTEER, "position": number} for number in range(5)]},
    ],
)
def test_an_answer_that_is_not_about_these_events_is_not_believed(tmp_path, wrong):
    file = sheet()
    with opened(tmp_path, file) as outbox:
        outbox.prepare(entries(file))
        ((path, data),) = outbox.pending()
        with pytest.raises(Untrusted):
            outbox.done(path, answer(data, **wrong) if isinstance(wrong, dict) else wrong)
        assert [found for found, _ in outbox.pending()] == [path]


# -- other versions of a file -------------------------------------------------------------------------------


def test_rows_sent_under_another_version_of_the_file_are_found_by_their_reference(tmp_path):
    file = sheet(8)
    with opened(tmp_path, file) as outbox:
        outbox.prepare(entries(file), events_max=2)
        sending = outbox.pending()
        recorded, data = next(sending)
        outbox.done(recorded, answer(data))
        refused, _ = next(sending)
        outbox.refused(refused)
        next(sending)  # no answer came
        del sending
    changed = sheet(8, recorder="王老师")
    with opened(tmp_path, changed) as outbox:
        found = outbox.earlier({"r1", "r3", "r5", "r7", "r9"})
        assert [(sent.ref, sent.row, sent.recorded) for sent in found] == [("r1", 2, True), ("r5", 6, False)]
        assert {sent.digest for sent in found} == {file.digest}
        assert not outbox.prepared
    with opened(tmp_path, file) as outbox:
        assert outbox.earlier({"r1"}) == []  # its own rows are no earlier ones
        assert [path.name for path, _ in outbox.pending()] == ["0002.json", "0003.json", "0004.json"]
    with Outbox(
        tmp_path, digest=changed.digest, key=signing_key("region:441300"), region=REGION, origin=ORIGIN
    ) as outbox:
        assert outbox.earlier({"r1"}) == []  # nor are another issuer's


# -- the folder ----------------------------------------------------------------------------------------------


def test_nobody_else_may_read_what_is_stored(tmp_path):
    root = tmp_path / "outbox"
    root.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        with opened(root, sheet()) as outbox:
            outbox.prepare(entries(sheet()))
            for path, data in outbox.pending():
                outbox.done(path, answer(data))
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}
    assert modes == {
        "outbox": 0o700,
        outbox.folder.name: 0o700,
        f"{outbox.folder.name}.lock": 0o600,
        "manifest.json": 0o600,
        "0001.json": 0o600,
        "0001.attempt": 0o600,
        "0001.answer.json": 0o600,
    }


def test_one_process_at_a_time_sends_a_file(tmp_path):
    with opened(tmp_path, sheet()):
        with pytest.raises(Busy), opened(tmp_path, sheet()):
            pass
        with opened(tmp_path, sheet(recorder="王老师")):
            pass
    with opened(tmp_path, sheet()):
        pass


def test_a_folder_that_cannot_be_used_is_told(tmp_path):
    (tmp_path / "outbox").write_text("")
    with pytest.raises(Unavailable), opened(tmp_path / "outbox", sheet()):
        pass


def test_another_log_is_another_matter(tmp_path):
    with opened(tmp_path, sheet()) as outbox:
        outbox.prepare(entries(sheet()))
    with pytest.raises(Conflict), opened(tmp_path, sheet(), origin=OTHER_ORIGIN):
        pass


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("manifest.json", lambda data: data[:-1]),
        ("manifest.json", lambda data: data.replace(b'"version":1', b'"version":2')),
        ("manifest.json", lambda data: data.replace(REGION.encode(), b"442000", 1)),
        ("manifest.json", None),
        ("0001.json", lambda data: data.replace("陪诊".encode(), "陪护".encode(), 1)),
        ("0001.json", lambda data: data[:-1]),
        ("0001.json", None),
        ("0001.answer.json", lambda data: b""),
    ],
)
def test_what_was_changed_after_it_was_stored_is_corrupt(tmp_path, name, spoil):
    with opened(tmp_path, sheet()) as outbox:
        outbox.prepare(entries(sheet()))
        for path, data in outbox.pending():
            if "answer" in name:
                outbox.done(path, answer(data))
    path = outbox.folder / name
    if spoil:
        path.write_bytes(spoil(path.read_bytes()))
    else:
        path.unlink()

    def use() -> None:
        with opened(tmp_path, sheet()) as outbox:
            list(outbox.pending())
            list(outbox.answers())

    with pytest.raises(Corrupt):
        use()


def test_a_signature_that_no_longer_holds_is_corrupt(tmp_path):
    with opened(tmp_path, sheet()) as outbox:
        outbox.prepare(entries(sheet()))
        path = outbox.folder / "0001.json"
        data = path.read_bytes()
        signature = json.loads(data)["note"][-40:-10].encode()
        path.write_bytes(data.replace(signature, signature[::-1]))
        with pytest.raises(Corrupt):
            next(outbox.pending())


# -- interruptions ---------------------------------------------------------------------------------------------


def send_everything(root: Path, server: Server) -> None:
    """What `submit` does with an outbox."""
    file = sheet()
    with opened(root, file) as outbox:
        if not outbox.prepared:
            outbox.prepare(entries(file), events_max=2)
        for path, data in outbox.pending():
            outbox.done(path, server.post(data))
        assert outbox.finished


STEPS = ("open", "fsync", "replace", "rename", "mkdir", "unlink", "close", "chmod")
"""Calls of the operating system before and after each of which a process is killed."""


def killed_at(step: int, root: Path, server: Server) -> bool:
    """Run `send_everything` in a child that is killed at a step; false when it came to the end before."""
    child = os.fork()
    if child == 0:
        left = iter(range(step, -1, -1))

        def killed_if_due() -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def counted(call):
            def wrapper(*arguments, **named):
                killed_if_due()
                result = call(*arguments, **named)
                killed_if_due()
                return result

            return wrapper

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            send_everything(root, server)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(2)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"the child failed with {status}"
    return status != 0


def check_every_interruption(folder: Path) -> int:
    """Kill at the first step, at the second, …, and let a run that is not disturbed finish each time."""
    step = 0
    while True:
        root, server = folder / f"{step}" / "outbox", Server(folder / f"{step}.log")
        root.parent.mkdir()
        interrupted = killed_at(step, root, server)
        before = server.bodies
        if before:
            with opened(root, sheet()) as outbox:
                assert outbox.prepared, "sent from, and not there any more"
        send_everything(root, server)
        after = server.bodies
        assert list(after)[: len(before)] == list(before)
        assert [json.loads(body)["start"][:10] for body in after.values()] == [
            f"2026-11-{day:02}" for day in range(1, 6)
        ]
        assert not list(root.rglob("*.new"))
        if not interrupted:
            return step
        step += 1


def test_a_process_killed_at_any_step_sends_every_event_once_in_the_end(tmp_path):
    """In a process of its own: a test process has threads, and does not fork."""
    script = (
        "from pathlib import Path; from tests.unit.api.client import test_queue as t; "
        f"print(t.check_every_interruption(Path({str(tmp_path)!r})))"
    )
    root = Path(__file__).parents[4]
    found = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 40


def test_every_file_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """A power failure leaves no name without its content: what a killed process cannot show."""
    calls: list[tuple[str, int]] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(file: int) -> None:
        calls.append(("fsync", os.fstat(file).st_ino))
        fsync(file)

    def noted_replace(old: Path, new: Path) -> None:
        calls.append(("replace", os.stat(old).st_ino))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    with opened(tmp_path, sheet()) as outbox:
        calls.clear()
        outbox.prepare(entries(sheet()), events_max=2)
        for path, data in outbox.pending():
            outbox.done(path, answer(data))
    folder = outbox.folder.stat().st_ino
    files = [inode for name, inode in calls if name == "replace"]
    assert calls == [call for inode in files for call in (("fsync", inode), ("replace", inode), ("fsync", folder))]
    assert len(files) == 3 + 1 + 2 * 3


def test_a_preparation_cut_short_is_thrown_away(tmp_path, monkeypatch):
    def full(path: Path, data: bytes, mode: int) -> None:
        if path.name == "0003.json":
            raise Unavailable("no space left")
        write(path, data, mode)

    write = files.write
    monkeypatch.setattr(files, "write", full)
    with opened(tmp_path, sheet()) as outbox:
        with pytest.raises(Unavailable):
            outbox.prepare(entries(sheet()), events_max=2)
        assert not outbox.prepared
        assert (outbox.folder / "0001.json").exists()
    with opened(tmp_path, sheet()) as outbox:
        assert list(outbox.folder.iterdir()) == []
        assert not outbox.prepared
