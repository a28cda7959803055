"""A region with its people, and the hours they give: realistic bodies of some 600 bytes, built fast.

Eight organisations of five activities each. Each block of 500 volunteers serves two of the organisations. A
submission is a sheet of one organisation: a day's mornings and afternoons of a block, in order of time, one
entry in ten without a check-in. The next sheet of the same block is of the day after.
"""

from __future__ import annotations

import base64
import os
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from api.deployment.data_folder import RegionKeys
from ledger import codes
from ledger.app.ledger import Ledger
from ledger.crypto import keys
from ledger.crypto.keys import SigningKey
from ledger.events import private_details, submission
from tests.support.builders import canonical

ORGANISATIONS = 8
BLOCKS = 4
BLOCK = 500
SHEET = 2 * BLOCK
"""Entries of one submission."""
_DAYS = 1_500
"""How long ago the first day lies: time for `_DAYS * BLOCKS` sheets."""

_TITLES = ("江南街道助老服务", "西湖公园文明引导", "市第一医院导诊", "流动图书车进校园", "红花湖垃圾分类")
_CONTENT = "陪诊、代购，打扫居室"
_PLACE = '{"name":"下角社区服务中心","region":"441302"}'


class People:
    """The issuers and volunteers of one region, and the requests that they make."""

    def __init__(self, region: str, secrets: RegionKeys) -> None:
        self.region = region
        self.origin = secrets.log.name
        self.authority = secrets.issuing
        self._log_key = secrets.log
        self._random = random.Random(region)
        self._first_day = datetime.now(UTC).date() - timedelta(days=_DAYS)
        self._now = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime())
        self.organisations = [keys.generate(f"org:{self._uuid()}") for _ in range(ORGANISATIONS)]
        self.volunteers = [f"volunteer:{self._uuid()}" for _ in range(BLOCKS * BLOCK)]
        self._templates = [[self._template(key.name, title) for title in _TITLES] for key in self.organisations]
        self._sheets = self._all_sheets()

    # -- before there are hours -------------------------------------------------------------------------

    def settle(self, ledger: Ledger) -> None:
        """Establish the region; admit organisations and volunteers; publish the activities."""
        key, name = self.authority, {"en": "Huizhou", "zh": "惠州市"}
        members = {"name": name, "origin": self.origin, "log_key": str(self._log_key), "key": str(key)}
        self._submit(ledger, key, [self._body("region.established/1", key.name, key.name, **members)])
        admitted = []
        for one in self.organisations:
            described = {"kind": "station", "name": "江南街道社区志愿服务站"}
            admitted.append(self._body("organisation.registered/1", key.name, one.name, **described))
            admitted.append(self._body("organisation.key_added/1", key.name, one.name, key=str(one)))
        self._submit(ledger, key, admitted)
        self._register(ledger)
        for one, templates in zip(self.organisations, self._templates, strict=True):
            self._submit(ledger, one, [activity for activity, _ in templates])

    def _register(self, ledger: Ledger) -> None:
        station = self.organisations[0]
        consent = {"given": self._now, "method": "form", "reference": "档案 2026-18"}
        bodies, private = [], {}
        for number, volunteer in enumerate(self.volunteers):
            person = {"id_number": f"E{number:08d}", "id_type": "passport", "name": "测试员", "salt": _salts(1)[0]}
            details = canonical(person)
            event_id = self._uuid()
            private[event_id] = details
            members = {"id": event_id, "consent": consent, "identity": private_details.identity_of(details)}
            bodies.append(self._body("volunteer.registered/1", station.name, volunteer, **members))
        self._submit(ledger, station, bodies, private)

    def _submit(
        self, ledger: Ledger, key: SigningKey, bodies: Sequence[bytes], private: dict[str, bytes] | None = None
    ) -> None:
        ledger.submit(submission.pack(submission.seal(bodies, key, self.origin), bodies, private))

    def _body(self, kind: str, issuer: str, subject: str, /, **members: object) -> bytes:
        common = {"id": self._uuid(), "type": kind, "issuer": issuer, "subject": subject, "ledger": self.region}
        return canonical({**common, "time": self._now, "salt": _salts(1)[0], **members})

    # -- hours ------------------------------------------------------------------------------------------

    def sheets(self, count: int) -> Iterator[bytes]:
        """The next submissions of 1,000 entries."""
        for key, bodies in islice(self._sheets, count):
            yield self._request(key, bodies)

    def singles(self, count: int) -> list[bytes]:
        """The next submissions of one entry each, four organisations taking turns."""
        found: list[bytes] = []
        while len(found) < count:
            sheets = list(islice(self._sheets, BLOCKS))
            for entries in zip(*(bodies for _, bodies in sheets), strict=True):
                found += [self._request(key, [body]) for (key, _), body in zip(sheets, entries, strict=True)]
        return found[:count]

    def bodies(self, count: int) -> list[list[bytes]]:
        """The bodies alone of the next submissions."""
        return [bodies for _, bodies in islice(self._sheets, count)]

    def _request(self, key: SigningKey, bodies: Sequence[bytes]) -> bytes:
        return submission.pack(submission.seal(bodies, key, self.origin), bodies)

    def _all_sheets(self) -> Iterator[tuple[SigningKey, list[bytes]]]:
        for number in range(_DAYS * BLOCKS):
            yield self.organisations[number % ORGANISATIONS], self._sheet(number)

    def _sheet(self, number: int) -> list[bytes]:
        block = number % BLOCKS
        volunteers = self.volunteers[block * BLOCK : (block + 1) * BLOCK]
        templates = [hours for _, hours in self._templates[number % ORGANISATIONS]]
        day = (self._first_day + timedelta(days=number // BLOCKS)).isoformat()
        made = f"{day}T20:00:00+08:00"
        ids, salts = self._uuids(SHEET), _salts(SHEET)
        bodies = []
        for index in range(SHEET):
            hour = 8 if index < BLOCK else 14
            late, seconds = self._random.randrange(1800), self._random.randrange(7200, 10800)
            start, end = _clock(day, hour, late), _clock(day, hour, late + seconds)
            evidence = "manual" if index % 10 == 9 else "check-in"
            values = (end, evidence, ids[index], seconds // 60, salts[index], start, volunteers[index % BLOCK], made)
            bodies.append((templates[index % len(templates)] % values).encode())
        return bodies

    def _template(self, issuer: str, title: str) -> tuple[bytes, str]:
        """An activity's publication, and its entries with places for what differs between them."""
        activity, category = self._uuid(), self._random.choice(list(codes.CATEGORIES))
        first = self._first_day.isoformat()
        published = self._body(
            "activity.published/1",
            issuer,
            f"activity:{activity}",
            name=title,
            category=category,
            content=_CONTENT,
            responsible="陈站长",
            start=f"{first}T00:00:00+08:00",
            end=self._now,
            place={"name": "下角社区", "region": "441302"},
        )
        hours = (
            f'{{"activity":"{activity}","activity_name":"{title}","category":"{category}","content":"{_CONTENT}",'
            f'"end":"%s","evidence":"%s","id":"%s","issuer":"{issuer}","ledger":"{self.region}","minutes":%d,'
            f'"place":{_PLACE},"recorder":"林老师","responsible":"陈站长",'
            '"salt":"%s","start":"%s","subject":"%s","time":"%s","type":"hours.recorded/1"}'
        )
        return published, hours

    def life(self, volunteer: str, entries: int) -> Iterator[bytes]:
        """Submissions of 1,000 entries of one volunteer, seven early hours of every day, organisations taking turns."""
        for first in range(0, entries, SHEET):
            number = first // SHEET % ORGANISATIONS
            templates = [hours for _, hours in self._templates[number]]
            ids, salts = self._uuids(SHEET), _salts(SHEET)
            bodies = []
            for index in range(min(SHEET, entries - first)):
                days, hour = divmod(first + index, 7)
                day = (self._first_day + timedelta(days=days)).isoformat()
                start, end, made = _clock(day, hour, 0), _clock(day, hour, 3000), f"{day}T20:00:00+08:00"
                values = (end, "check-in", ids[index], 50, salts[index], start, volunteer, made)
                bodies.append((templates[index % len(templates)] % values).encode())
            yield self._request(self.organisations[number], bodies)

    # -- ids --------------------------------------------------------------------------------------------

    def _uuid(self) -> str:
        return self._uuids(1)[0]

    def _uuids(self, count: int) -> list[str]:
        """UUIDs of version 7, as clients make them one after another."""
        head = f"{time.time_ns() // 1_000_000:012x}"
        tail = [os.urandom(10).hex() for _ in range(count)]
        return [f"{head[:8]}-{head[8:]}-7{t[1:4]}-8{t[5:8]}-{t[8:]}" for t in tail]


def _salts(count: int) -> list[str]:
    """128 random bits each, in base64url."""
    return [base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=") for _ in range(count)]


def _clock(day: str, hour: int, seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{day}T{hour + hours:02d}:{minute:02d}:{second:02d}+08:00"
