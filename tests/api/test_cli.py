"""The command line on a data folder of its own, from the first command on, beside a server that runs."""

import csv
import http.server
import io
import json
import shutil
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx2
import pytest
from click.testing import CliRunner, Result

from api.cli import audit, common, main, totals
from api.cli import serving as serving_commands
from api.cli import submit as submitting
from ledger.crypto import keys
from ledger.crypto.keys import SigningKey
from ledger.ids import new_id
from ledger.store import log
from ledger.store.postgres.database import Database
from ledger.tlog.checkpoint import open_checkpoint
from tests.api import process
from tests.api.process import free_port, run, serving, start
from tests.api.site import wipe
from tests.integration.waiting import eventually
from tests.support.builders import AUTHORITY, GROUP, ORIGIN, REGION, STATION

CHINA = timezone(timedelta(hours=8))
SCHEMA = f"r_{REGION}"


@pytest.fixture(scope="module", autouse=True)
def wide() -> Iterator[None]:
    """Messages on one line each."""
    with pytest.MonkeyPatch.context() as patch:
        for console in (
            serving_commands.console,
            totals.console,
            audit.console,
            audit.errors,
            common.errors,
            submitting.console,
            submitting.errors,
        ):
            patch.setattr(console, "width", 400)
        yield


@dataclass(frozen=True, slots=True)
class Folder:
    """A data folder, with people in its ledger and a server over it."""

    data: Path
    work: Path
    """Files and keys of those who submit."""
    database: Database
    url: str
    activity: str
    volunteers: list[str]

    def __call__(self, *arguments: object, **environment: str) -> Result:
        """Run a command here."""
        return invoke(self.database.dsn, *arguments, "--data", self.data, **environment)

    def submit(self, file: Path, *options: object, by: str = STATION, url: str | None = None) -> Result:
        command = ("submit", file, "--region", REGION, "--url", url or self.url, "--key", self.key(by))
        return self(*command, *options)

    def key(self, name: str) -> Path:
        return self.data / "keys" / f"{REGION}.issuing" if name == AUTHORITY else self.work / name.replace(":", "-")

    def write(self, name: str, data: bytes) -> Path:
        file = self.work / name
        file.write_bytes(data)
        return file

    def drafts(self, *drafts: Mapping[str, Any]) -> Path:
        lines = (json.dumps(draft, ensure_ascii=False) + "\n" for draft in drafts)
        return self.write(f"{new_id()}.jsonl", "".join(lines).encode())

    @property
    def size(self) -> int:
        with self.database.read() as cursor:
            return log.read_head(cursor, SCHEMA).size

    def change(self, statement: str, *values: Any) -> None:
        with self.database.transaction() as cursor:
            cursor.execute(statement.format(schema=SCHEMA), values)


def invoke(database_url: str, *arguments: object, **environment: str) -> Result:
    env = {"YONGZHI_DATABASE_URL": database_url, **environment}
    return CliRunner().invoke(main.main, [str(one) for one in arguments], env=env)


@pytest.fixture(scope="module")
def folder(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    wipe(database)
    data, work = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("work")
    made = invoke(database.dsn, "init", "--data", data, "--region", REGION, "--origin", ORIGIN, "--name-en", "Huizhou")
    assert made.exit_code == 0, made.output
    with serving(data, database.dsn) as server:
        folder = Folder(data, work, database, server.url, new_id(), [f"volunteer:{new_id()}" for _ in range(4)])
        populate(folder)
        yield folder


def populate(folder: Folder) -> None:
    """By commands alone: a station with a key, volunteers that it registered, and an activity of the last weeks."""
    for name in (STATION, GROUP):
        assert folder_free("keygen", name, "--out", folder.key(name)).exit_code == 0
    public = folder.key(STATION).with_suffix(".pub").read_text(encoding="utf-8").strip()
    registered = {
        "type": "organisation.registered/1",
        "subject": STATION,
        "name": "江南街道志愿服务站",
        "kind": "station",
    }
    added = {"type": "organisation.key_added/1", "subject": STATION, "key": public}
    done = folder.submit(folder.drafts(registered, added), by=AUTHORITY)
    assert done.exit_code == 0, done.output
    people = [
        {
            "type": "volunteer.registered/1",
            "subject": name,
            "consent": {"method": "form", "given": moment(-1), "reference": f"档案 {number}"},
            "private": {"name": f"测试员{number}", "id_type": "passport", "id_number": f"E{number:08}"},
        }
        for number, name in enumerate(folder.volunteers)
    ]
    published = {
        "type": "activity.published/1",
        "subject": f"activity:{folder.activity}",
        "name": "江南街道助老服务",
        "category": "empty-nest-elders",
        "content": "陪诊、代购",
        "start": moment(-60),
        "end": moment(30),
        "place": {"name": "江南街道社区服务中心", "region": "441302"},
        "responsible": "陈站长",
    }
    done = folder.submit(folder.drafts(*people, published))
    assert done.exit_code == 0, done.output


def folder_free(*arguments: object) -> Result:
    """A command that needs no data folder."""
    return CliRunner().invoke(main.main, [str(one) for one in arguments])


def moment(days: int) -> str:
    """Midnight there, some days from now."""
    day = datetime.now(CHINA).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return day.isoformat()


ROW = {
    "志愿者编号": "",
    "活动编号": "",
    "活动名称": "江南街道助老服务",
    "服务类别": "空巢老人",
    "服务内容": "陪诊、代购",
    "日期": "",
    "开始时间": "09:00",
    "结束时间": "11:30",
    "地点": "江南街道社区服务中心",
    "地区代码": "441302",
    "负责人": "陈站长",
    "记录人": "林老师",
    "凭证等级": "现场签到",
}
_days = iter(range(2, 60))


def row(folder: Folder, **changes: str) -> dict[str, str]:
    """A good row, of a day that no other row has."""
    day = datetime.now(CHINA).date() - timedelta(days=next(_days))
    return {**ROW, "志愿者编号": folder.volunteers[0], "活动编号": folder.activity, "日期": str(day), **changes}


def sheet(*rows: Mapping[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def told(result: Result, status: int = 0) -> Any:
    """What a command that speaks JSON says."""
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


# -- init and keygen ------------------------------------------------------------------------------------


def test_init_makes_keys_that_only_their_owner_reads(folder):
    kept = folder.data / "keys"
    secrets = [f"{REGION}.{kind}" for kind in ("log", "issuing", "claims")]
    assert {stat.S_IMODE((kept / name).stat().st_mode) for name in secrets} == {0o600}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert [keys.load(kept / name).name for name in secrets[:2]] == [ORIGIN, AUTHORITY]
    for name in secrets[:2]:
        assert (kept / f"{name}.pub").read_text(encoding="utf-8").strip() == str(keys.load(kept / name).verifier)


def test_init_does_it_once(folder):
    size, kept = folder.size, (folder.data / "keys" / f"{REGION}.log").read_bytes()
    again = folder("init", "--region", REGION, "--origin", ORIGIN, "--name-en", "Huizhou")
    assert (again.exit_code, folder.size) == (1, size)
    assert (folder.data / "keys" / f"{REGION}.log").read_bytes() == kept


def test_init_takes_no_ledger_whose_keys_it_has_not(folder, data):
    """As when the data folder was lost: new keys for an old log would fork it."""
    size = folder.size
    another = invoke(
        folder.database.dsn, "init", "--data", data, "--region", REGION, "--origin", ORIGIN, "--name-en", "x"
    )
    assert (another.exit_code, folder.size) == (1, size)
    assert list((data / "keys").iterdir()) == []


@pytest.mark.parametrize(
    ("region", "origin"),
    [("999999", "ledger.example/999999"), ("44130", ORIGIN), ("820000", "org:x"), ("820000", "a b"), ("820000", "a+b")],
)
def test_init_refuses_what_can_be_no_region(folder, region, origin):
    made = folder("init", "--region", region, "--origin", origin, "--name-en", "x")
    assert made.exit_code == 1
    assert not (folder.data / "keys" / f"{region}.log").exists()


def test_keygen_makes_a_key_and_never_overwrites_one(tmp_path):
    path = tmp_path / "key"
    made = folder_free("keygen", GROUP, "--out", path)
    key = keys.load(path)
    assert (made.exit_code, key.name) == (0, GROUP)
    assert str(key.verifier) in made.stdout
    assert key.secret_text() not in made.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.with_suffix(".pub").read_text(encoding="utf-8") == f"{key.verifier}\n"
    assert folder_free("keygen", GROUP, "--out", path).exit_code != 0
    assert keys.load(path) == key


@pytest.mark.parametrize("name", ["school:1", "org:51441300MJM000001Q", "region:999999", "ledger.example/441300", ""])
def test_keygen_names_keys_after_issuers(tmp_path, name):
    assert folder_free("keygen", name, "--out", tmp_path / "key").exit_code == 1
    assert list(tmp_path.iterdir()) == []


# -- submitting -----------------------------------------------------------------------------------------


def test_hours_with_chinese_headings_are_submitted_and_repeated(folder):
    file = folder.write("hours.csv", sheet(row(folder), row(folder, 凭证等级="")))
    size = folder.size
    first = told(folder.submit(file, "--json"))
    assert first == {"region": REGION, "events": 2, "first": size, "last": size + 1, "new": True}
    again = told(folder.submit(file, "--json"))
    assert again == {**first, "new": False}
    assert folder.size == size + 2
    plain = folder.submit(file)
    assert (plain.exit_code, f"{size}–{size + 1}" in plain.stdout) == (0, True)
    with folder.database.read() as cursor:
        bodies = [json.loads(one.body or b"") for one in log.read_events(cursor, SCHEMA, size, 2)]
    assert [one["evidence"] for one in bodies] == ["check-in", "manual"]
    assert {one["subject"] for one in bodies} == {folder.volunteers[0]}
    assert {one["category"] for one in bodies} == {"empty-nest-elders"}


def test_bad_rows_are_all_told_before_anything_is_signed(folder):
    rows = [
        row(folder),
        row(folder, 服务类别="园艺"),
        row(folder, 志愿者编号="张三"),
        row(folder, 结束时间="25:00", 地区代码="449999"),
    ]
    size, boxes = folder.size, requests(folder)
    result = folder.submit(folder.write("bad.csv", sheet(*rows)))
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if "│" in line]
    for number, column in ((3, "服务类别"), (4, "志愿者编号"), (5, "结束时间"), (5, "地区代码")):
        assert any(f" {number} " in line and column in line for line in lines), (number, column)
    assert not any(" 2 " in line.split("│")[1] for line in lines)
    assert (folder.size, requests(folder)) == (size, boxes)


def requests(folder: Folder) -> int:
    """How many requests were ever prepared."""
    return len(list((folder.data / "outbox").glob("*/[0-9]*.json")))


def test_rows_that_the_ledger_refuses_are_told_by_their_number(folder):
    stranger = f"volunteer:{new_id()}"
    file = folder.write("refused.csv", sheet(row(folder), row(folder, 志愿者编号=stranger)))
    size = folder.size
    result = folder.submit(file)
    assert (result.exit_code, folder.size) == (1, size)
    (line,) = (line for line in result.stderr.splitlines() if "unknown-volunteer" in line)
    assert line.split("│")[1].strip() == "3"


def test_markup_in_a_file_is_shown_as_it_is(folder):
    rows = [row(folder, 服务类别="[/b] [red]志[/red]", 服务内容="[/]"), row(folder, 志愿者编号="[bold]")]
    result = folder.submit(folder.write("markup.csv", sheet(*rows)))
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    assert "[/b] [red]志[/red]" in result.stderr
    drafts = folder.write("[red].jsonl", b'{"type":"hours.withdrawn/1","subject":"[/b]"}')
    result = folder.submit(drafts)
    assert (result.exit_code, isinstance(result.exception, SystemExit)) == (1, True)
    size = folder.work / "a[bold]"
    result = folder.submit(folder.write("good.csv", sheet(row(folder))), "--write", size)
    assert (result.exit_code, str(size) in result.stdout) == (0, True)


def test_a_request_can_be_written_and_sent_by_other_means(folder):
    request = folder.work / "request.json"
    size = folder.size
    written = told(folder.submit(folder.write("later.csv", sheet(row(folder))), "--write", request, "--json"))
    assert (written, folder.size) == ({"written": str(request), "events": 1}, size)
    answer = httpx2.post(f"{folder.url}/v1/regions/{REGION}/submissions", content=request.read_bytes())
    assert (answer.status_code, answer.json()["first"]) == (201, size)


def test_rows_that_were_sent_in_another_file_are_told(folder):
    first, second = row(folder, 行号="甲-1"), row(folder, 行号="甲-2")
    assert folder.submit(folder.write("one.csv", sheet(first))).exit_code == 0
    file, size = folder.write("two.csv", sheet({**first, "服务内容": "陪诊"}, second)), folder.size
    refused = folder.submit(file)
    assert (refused.exit_code, folder.size) == (1, size)
    assert "甲-1" in refused.stderr
    assert "甲-2" not in refused.stderr


def test_drafts_of_any_events_are_submitted(folder):
    entry = told(folder.submit(folder.write("entry.csv", sheet(row(folder))), "--json"))["first"]
    with folder.database.read() as cursor:
        (found,) = log.read_events(cursor, SCHEMA, entry, 1)
    draft = {"type": "hours.withdrawn/1", "subject": found.stream, "entry": found.event_id, "reason": "重复登记"}
    size = folder.size
    assert told(folder.submit(folder.drafts(draft), "--json")) == {
        "region": REGION,
        "events": 1,
        "first": size,
        "last": size,
        "new": True,
    }


DRAFTS = {
    "not JSON": b'{"type":"hours.withdrawn/1"}\n{\n',
    "not an object": b'{"type":"hours.withdrawn/1","subject":"volunteer:1"}\n[]\n',
    "no such type": b'{"type":"hours.imagined/1"}\n',
    "a field too many": b'{"type":"organisation.suspended/1","subject":"%s","reason":"x","more":1}\n'
    % STATION.encode(),
    "private details that are none": b'{"type":"volunteer.verified/1","private":[]}\n',
}


@pytest.mark.parametrize("name", DRAFTS)
def test_drafts_that_are_no_events_are_told_by_their_line(folder, name):
    size = folder.size
    result = folder.submit(folder.write("drafts.jsonl", DRAFTS[name]))
    assert (result.exit_code, folder.size) == (1, size)
    assert "line " in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_private_details_are_kept_and_can_be_destroyed(folder):
    person = f"volunteer:{new_id()}"
    draft = {
        "type": "volunteer.registered/1",
        "subject": person,
        "consent": {"method": "form", "given": moment(-1), "reference": "档案 9"},
        "private": {"name": "欧阳测试", "id_type": "passport", "id_number": "E99999999"},
    }
    assert folder.submit(folder.drafts(draft)).exit_code == 0
    count = f"SELECT count(*) FROM {SCHEMA}.identities WHERE volunteer = %s"
    kept = [found(folder, count, person.removeprefix("volunteer:"))]
    assert folder("erase", person, "--region", REGION).exit_code == 1  # nobody said yes
    kept.append(found(folder, count, person.removeprefix("volunteer:")))
    assert folder("erase", person, "--region", REGION, "--yes").exit_code == 0
    kept.append(found(folder, count, person.removeprefix("volunteer:")))
    assert kept == [1, 1, 0]
    assert folder("erase", person, "--region", REGION, "--yes").exit_code == 1
    assert told(folder("audit", "--json"))[0]["ok"] is True


def found(folder: Folder, statement: str, *values: Any) -> Any:
    with folder.database.read() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()[0][0]


# -- interrupted ----------------------------------------------------------------------------------------


@contextmanager
def between(url: str, hold: Callable[[int], str]) -> Iterator[tuple[str, threading.Event]]:
    """A server in front of another that passes requests on, until it holds one.

    `hold` tells of the number of a submission whether to "pass" it, or to keep its "request" from the server, or
    its "answer" from the client. The event is set once one is held.
    """
    holding, over = threading.Event(), threading.Event()
    count = iter(range(1_000))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass(httpx2.get(url + self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            fate = hold(next(count))
            answer = None if fate == "request" else httpx2.post(url + self.path, content=body)
            if answer is not None and fate == "pass":
                self._pass(answer)
            else:
                holding.set()
                over.wait()

        def _pass(self, answer: httpx2.Response) -> None:
            self.send_response(answer.status_code)
            for name in ("content-type", "content-length"):
                self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", holding
        finally:
            over.set()
            server.shutdown()
            thread.join()


def passing(sent: list[int], number: int) -> str:
    sent.append(number)
    return "pass"


@pytest.mark.parametrize("what", ["request", "answer"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_submission_that_was_killed_goes_on_where_it_stopped(folder, what, number):
    """Killed while the first or the second of two requests is on its way, before or after it was recorded."""
    minutes = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(0, 60, 5)]
    day = row(folder)["日期"]
    # 1,001 entries are two requests: four people, five minutes each.
    rows = [
        {**ROW, "志愿者编号": name, "活动编号": folder.activity, "日期": day, "开始时间": begin, "结束时间": end}
        for name in folder.volunteers
        for begin, end in zip(minutes, [*minutes[1:], "24:00"], strict=True)
    ][:1001]
    file = folder.write(f"many-{what}-{number}.csv", sheet(*rows))
    size = folder.size
    with between(folder.url, lambda one: what if one == number else "pass") as (url, holding):
        command = ("submit", file, "--region", REGION, "--url", url, "--key", folder.key(STATION))
        process = start(*command, "--data", folder.data, database_url=folder.database.dsn)
        eventually(holding.is_set)
        process.send_signal(signal.SIGKILL)
        process.wait()
    recorded = 1000 * number + (0 if what == "request" else [1000, 1][number])
    assert folder.size == size + recorded
    sent: list[int] = []
    with between(folder.url, lambda one: passing(sent, one)) as (url, _):
        done = told(folder.submit(file, "--json", url=url))
        # What was answered is not sent again.
        assert told(folder.submit(file, "--json", url=url)) == {**done, "new": False}
    assert len(sent) == 2 - number
    assert done == {"region": REGION, "events": 1001, "first": size, "last": size + 1000, "new": recorded < 1001}
    assert folder.size == size + 1001
    withdraw(folder, size)


def withdraw(folder: Folder, first: int) -> None:
    """Take entries back: the day is free again."""
    with folder.database.read() as cursor:
        rows = log.read_events(cursor, SCHEMA, first, 2000)
    drafts = [
        {"type": "hours.withdrawn/1", "subject": one.stream, "entry": one.event_id, "reason": "测试"} for one in rows
    ]
    assert folder.submit(folder.drafts(*drafts)).exit_code == 0


# -- totals ---------------------------------------------------------------------------------------------


def test_totals_are_the_same_from_the_folder_and_from_a_server(folder):
    who = folder.volunteers[3]
    file = folder.write("fourth.csv", sheet(row(folder, 志愿者编号=who)))
    assert folder.submit(file).exit_code == 0
    key = ("--key", folder.key(AUTHORITY), "--url", folder.url)
    for name in ([], [who], [STATION]):
        local = told(folder("totals", *name, "--region", REGION, "--json"))
        eventually(partial(lambda name, total: remote(folder, name, key)["total"] == total, name, local["total"]))
    mine = told(folder("totals", who, "--region", REGION, "--json"))
    assert mine["total"]["counted"]["minutes"] >= 150
    assert "2:30" in folder("totals", who, "--region", REGION).stdout or mine["total"]["counted"]["minutes"] > 150


def remote(folder: Folder, name: list[str], key: tuple[object, ...]) -> Any:
    return told(folder("totals", *name, "--region", REGION, *key, "--json"))


def test_totals_of_a_server_are_for_those_who_may_see_them(folder):
    who = folder.volunteers[0]
    asked = ("totals", who, "--region", REGION, "--url", folder.url)
    assert folder(*asked).exit_code == 1
    assert folder(*asked, "--key", folder.key(GROUP)).exit_code == 1
    assert folder(*asked, "--key", folder.key(STATION)).exit_code == 0
    assert folder("totals", STATION, "--region", REGION, "--url", folder.url).exit_code == 1


# -- audit, rebuild, checkpoint -------------------------------------------------------------------------


def test_audit_of_a_whole_log(folder):
    (report,) = told(folder("audit", "--json"))
    assert {name: report[name] for name in ("region", "ok", "events", "findings")} == {
        "region": REGION,
        "ok": True,
        "events": folder.size,
        "findings": [],
    }
    plain = folder("audit", "--region", REGION)
    assert plain.exit_code == 0
    assert report["root"] in plain.stdout


def test_audit_names_the_event_that_was_changed(folder):
    place = folder.size // 2
    name = str(found(folder, f"SELECT event_id FROM {SCHEMA}.events WHERE position = %s", place))
    flip = "UPDATE {schema}.events SET body = set_byte(body, 100, get_byte(body, 100) # 1) WHERE position = %s"
    folder.change(flip, place)
    try:
        (report,) = told(folder("audit", "--json"), 1)
        assert [(one["position"], one["id"]) for one in report["findings"]] == [(place, name)]
        plain = folder("audit")
        assert (plain.exit_code, name in plain.stdout) == (1, True)
    finally:
        folder.change(flip, place)
    assert folder("audit").exit_code == 0


def test_audit_looks_at_the_checkpoint_that_was_signed(folder, data):
    """In a copy of the folder: the server beside it would not go on with another file."""
    for part in ("keys", "checkpoints"):
        shutil.copytree(folder.data / part, data / part)
    file, audit = data / "checkpoints" / REGION, ("audit", "--data", data, "--json")
    kept, size = file.read_text(encoding="utf-8"), folder.size
    assert told(invoke(folder.database.dsn, *audit))[0]["ok"] is True
    lines = kept.split("\n")
    for other in ("garbage", "", "\n".join([lines[0], str(size + 1), *lines[2:]]), None):
        file.unlink()
        if other is not None:
            file.write_text(other, encoding="utf-8")
        (report,) = told(invoke(folder.database.dsn, *audit), 1)
        assert "checkpoint" in report["findings"][0]["detail"]
        assert file.exists() is (other is not None)
        file.touch()


def test_rebuild_tells_what_differed_and_puts_it_right(folder):
    folder("totals", "--region", REGION)
    same, outgoing = told(folder("rebuild", "--json"))
    assert (same["projection"], outgoing["projection"]) == ("totals", "outgoing")
    assert (same["region"], same["projection"], same["events"]) == (REGION, "totals", folder.size)
    assert not any(same["differences"].values())
    wrong = "UPDATE {schema}_totals.volunteer_totals SET minutes = minutes + 1 WHERE volunteer = %s"
    folder.change(wrong, folder.volunteers[0].removeprefix("volunteer:"))
    differs, _ = told(folder("rebuild", "--json"), 1)
    assert differs["differences"]["volunteer_totals"] > 0
    assert any("volunteer_totals" in one for one in differs["examples"])
    assert told(folder("rebuild", "--json"))[0]["differences"] == same["differences"]
    assert folder("rebuild", "--region", REGION).exit_code == 0


def test_checkpoint_signs_at_once(folder):
    for _ in range(3):
        draft = {"type": "organisation.suspended/1", "subject": STATION, "reason": "测试"}
        assert folder.submit(folder.drafts(draft), by=AUTHORITY).exit_code == 0
        draft = {"type": "organisation.reinstated/1", "subject": STATION, "reason": "测试"}
        assert folder.submit(folder.drafts(draft), by=AUTHORITY).exit_code == 0
        result = folder("checkpoint", "--region", REGION)
        verifier = keys.load(folder.data / "keys" / f"{REGION}.log").verifier
        assert (result.exit_code, open_checkpoint(result.stdout, verifier).size) == (0, folder.size)


# -- exit statuses --------------------------------------------------------------------------------------

USAGE: list[list[object]] = [
    [],
    ["nothing"],
    ["init"],
    ["init", "--region", REGION],
    ["totals"],
    ["totals", "--nothing"],
    ["checkpoint"],
    ["submit"],
    ["submit", "/nowhere.csv", "--region", REGION, "--key", "/nowhere"],
    ["audit", "more"],
    ["serve", "--port", "x"],
    ["keygen"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=str)
def test_wrong_usage_is_2(arguments):
    assert folder_free(*arguments).exit_code == 2


def test_help_is_0():
    assert folder_free("--help").exit_code == 0
    for name in main.main.list_commands(click.Context(main.main)):
        assert folder_free(name, "--help").exit_code == 0


def test_what_cannot_be_reached_is_5(folder, data):
    nowhere = f"http://127.0.0.1:{free_port()}"
    asked = ("--region", REGION, "--url", nowhere)
    assert folder("totals", *asked).exit_code == 5
    assert folder.submit(folder.write("away.csv", sheet(row(folder))), url=nowhere).exit_code == 5
    for command in (["audit"], ["rebuild"], ["totals"], ["checkpoint"]):
        region = [] if command[0] in ("audit", "rebuild") else ["--region", REGION]
        lost = invoke("host=/nowhere dbname=x", *command, *region, "--data", folder.data)
        assert (lost.exit_code, isinstance(lost.exception, SystemExit)) == (5, True), command
    assert invoke(folder.database.dsn, "checkpoint", "--region", REGION, "--data", data).exit_code == 5


def test_what_is_refused_is_1(folder):
    unknown = folder.work / "unknown"
    keys.save(SigningKey(STATION, b"\7" * 32), unknown)
    file = folder.write("untrusted.csv", sheet(row(folder)))
    result = folder("submit", file, "--region", REGION, "--url", folder.url, "--key", unknown)
    assert result.exit_code == 1
    assert folder("submit", file, "--region", "110000", "--url", folder.url, "--key", unknown).exit_code == 1
    assert folder("totals", "school:1", "--region", REGION).exit_code == 1
    assert folder("totals", "--region", "110000", "--url", folder.url).exit_code == 1


def test_a_server_needs_a_region(folder, data):
    ended = run("serve", "--data", data, database_url=folder.database.dsn)
    assert ended.status == 1
    assert "init" in ended.err


# -- with the embedded database -------------------------------------------------------------------------


def test_the_embedded_database_runs_as_long_as_it_is_needed(tmp_path):
    """A server that is told to end signs what was committed, and stops the database it started."""
    data = tmp_path / "var"
    made = run("init", "--data", data, "--region", REGION, "--origin", ORIGIN, "--name-en", "Huizhou")
    assert made.status == 0, made.err
    running = data / "pg" / "postmaster.pid"
    assert not running.exists()
    with serving(data, "") as server:
        assert running.exists()
        assert run("audit", "--data", data, "--json").json[0]["events"] == 3
        assert running.exists()
        log_key = keys.load(data / "keys" / f"{REGION}.log")
        eventually(lambda: httpx2.get(f"{server.url}/readyz").json()["ready"])
        assert server.stop() == 0
    assert not running.exists()
    ended = run("checkpoint", "--data", data, "--region", REGION)
    assert open_checkpoint(ended.out, log_key.verifier).size == 3
    assert not running.exists()


def test_a_port_that_is_taken_is_told_of_as_out_of_reach(folder):
    """3 would mean that something is revoked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = process.run("serve", "--data", folder.data, "--port", port, database_url=folder.database.dsn)
    assert ended.status == 5
    assert f"127.0.0.1:{port}" in ended.err
    assert "Traceback" not in ended.err
