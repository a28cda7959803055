"""The demonstration's material: real kinds of activities, generated organisations and people."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from stdnum.cn import uscc

from ledger.crypto import keys
from ledger.crypto.canonical import encode
from ledger.crypto.keys import SigningKey
from ledger.events import drafts, private_details
from ledger.events.body import encode_event
from ledger.events.fields import Consent, Event, Place
from ledger.events.hours import ActivityPublished, HoursCorrected, HoursRecorded, HoursWithdrawn
from ledger.events.registration import OrganisationKeyAdded, OrganisationRegistered, VolunteerRegistered
from ledger.events.submission import pack, seal
from ledger.ids import new_id

CHINA: Final = timezone(timedelta(hours=8))

REGIONS: Final = (("441300", "Huizhou", "441302"), ("442000", "Zhongshan", "442000"))
"""Code, English name, and the code of the places where service is given."""

ACTIVITIES: Final = (
    ("社区独居长者陪诊代购", "empty-nest-elders", "陪同就医、代购药品和日用品"),
    ("长者智能手机使用辅导", "digital-elders", "教长者挂号、缴费、视频通话"),
    ("留守儿童周末学业辅导", "left-behind-children", "作业辅导、课外阅读"),
    ("残疾人居家助浴与康复陪练", "persons-with-disabilities", "助浴、康复动作陪练"),
    ("早晚高峰文明交通劝导", "civilised-traffic", "路口秩序引导、非机动车头盔劝导"),
    ("西湖景区文明旅游引导", "civilised-tourism", "游客咨询、文明游览提示"),
    ("社区图书馆流通与亲子共读", "culture-arts", "图书整理、亲子共读带领"),
    ("河涌巡护与净滩行动", "environment", "巡河记录、垃圾分类清理"),
    ("社区义诊与慢病随访", "health", "量血压血糖、用药提醒"),
    ("公共法律服务咨询", "legal-aid", "劳动、婚姻、租赁纠纷咨询"),
    ("科普进校园实验课", "science", "带领小学生完成科学小实验"),
    ("夜间平安巡逻", "public-safety", "街面巡查、消防通道检查"),
    ("台风防御与转移安置", "emergency", "协助转移群众、发放物资"),
    ("乡村人居环境整治", "rural", "村道清扫、菜园整理"),
    ("党员先锋入户走访", "party-members", "政策宣讲、诉求登记"),
    ("困境儿童结对陪伴", "children-in-difficulty", "入户探访、心理陪伴"),
)
_SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董"
_GIVEN: Final = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅建国志文海燕婷宇轩思涵子怡佳慧"
_KINDS: Final = ("organisation", "charity", "social-service", "community", "school", "hospital")
_NAMES: Final = (
    "义工联合会",
    "青年志愿者协会",
    "慈善服务中心",
    "社会工作服务中心",
    "社区居民委员会",
    "第一小学",
    "人民医院",
)


@dataclass(slots=True)
class Organisation:
    """A generated organisation with its key and the activities it published."""

    key: SigningKey
    name: str
    kind: str
    activities: list[tuple[str, ActivityPublished]] = field(default_factory=list)


@dataclass(slots=True)
class World:
    """One region's organisations and volunteers; everything follows from the seed but keys, ids and salts."""

    region: str
    origin: str
    place: str
    key: SigningKey
    random: random.Random
    stations: list[Organisation] = field(default_factory=list)
    organisations: list[Organisation] = field(default_factory=list)
    volunteers: list[str] = field(default_factory=list)

    def common(self, issuer: str, subject: str) -> dict[str, Any]:
        """The fields of every event."""
        return drafts.common(issuer, self.region, subject)

    def request(self, key: SigningKey, made: list[Event], private: dict[str, bytes] | None = None) -> bytes:
        """A sealed request."""
        bodies = [encode_event(event) for event in made]
        return pack(seal(bodies, key, self.origin), bodies, private)

    def registrations(self) -> bytes:
        """The region registers two stations and its organisations, each with its first key."""
        made: list[Event] = []
        for number in range(2 + len(_NAMES)):
            station = number < 2
            name = f"{self.place}第{number + 1}志愿服务站" if station else f"{self.place}{_NAMES[number - 2]}"
            kind = "station" if station else _KINDS[number % len(_KINDS)]
            made += self._register(name, kind, self.stations if station else self.organisations)
        return self.request(self.key, made)

    def _register(self, name: str, kind: str, among: list[Organisation]) -> Iterator[Event]:
        number = f"53{self.region}MJ{self.random.randrange(10**7):07}"
        number += uscc.calc_check_digit(number)
        key = keys.generate(f"org:{number}")
        among.append(Organisation(key, name, kind))
        issuer = self.key.name
        yield OrganisationRegistered(**self.common(issuer, key.name), name=name, kind=kind)
        yield OrganisationKeyAdded(**self.common(issuer, key.name), key=str(key))

    def volunteer_requests(self, count: int) -> Iterator[bytes]:
        """Stations register consenting people, 500 a submission."""
        for station, size in ((self.stations[number % 2], 500) for number in range((count + 499) // 500)):
            made: list[Event] = []
            private: dict[str, bytes] = {}
            for _ in range(min(size, count - len(self.volunteers))):
                event, details = self._person(station.key.name)
                made.append(event)
                private[event.id] = details
            yield self.request(station.key, made, private)

    def _person(self, station: str) -> tuple[VolunteerRegistered, bytes]:
        subject = f"volunteer:{new_id()}"
        self.volunteers.append(subject)
        details = encode(
            {
                "id_number": f"DEMO{self.region}{len(self.volunteers):06}",
                "id_type": "passport",
                "name": self.random.choice(_SURNAMES) + "".join(self.random.sample(_GIVEN, self.random.choice((1, 2)))),
                "salt": drafts.salt(),
            }
        )
        consent = Consent(
            method="form", given=_time(datetime.now(UTC)), reference=f"纸质同意书 {len(self.volunteers):05}"
        )
        common = self.common(station, subject)
        return VolunteerRegistered(**common, consent=consent, identity=private_details.identity_of(details)), details

    def activity_requests(self, first: datetime, last: datetime) -> Iterator[bytes]:
        """Every organisation publishes some activities over the whole period."""
        for number, organisation in enumerate(self.organisations):
            made: list[Event] = []
            for name, category, content in ACTIVITIES[number::3]:
                activity = new_id()
                event = ActivityPublished(
                    **self.common(organisation.key.name, f"activity:{activity}"),
                    name=name,
                    category=category,
                    content=content,
                    start=_time(first),
                    end=_time(last),
                    place=Place(name=f"{organisation.name}服务点", region=self.place_code),
                    responsible="陈站长",
                )
                organisation.activities.append((activity, event))
                made.append(event)
            yield self.request(organisation.key, made)

    @property
    def place_code(self) -> str:
        """Where service is given."""
        return next(place for code, _, place in REGIONS if code == self.region)

    def hours(self, organisation: Organisation, volunteer: str, start: datetime, minutes: int) -> HoursRecorded:
        """One entry of an activity of the organisation."""
        activity, published = self.random.choice(organisation.activities)
        return HoursRecorded(
            **self.common(organisation.key.name, volunteer),
            activity=activity,
            activity_name=published.name,
            category=published.category,
            content=published.content,
            start=_time(start),
            end=_time(start + timedelta(minutes=minutes)),
            minutes=minutes,
            place=published.place,
            responsible=published.responsible,
            recorder="林老师",
            evidence="check-in",
        )

    def corrected(self, entry: HoursRecorded, minutes: int, reason: str) -> HoursCorrected:
        """A correction of an entry to fewer minutes."""
        fields = {name: getattr(entry, name) for name in HoursRecorded.__struct_fields__}
        fields |= self.common(entry.issuer, entry.subject) | {"minutes": minutes}
        return HoursCorrected(**fields, entry=entry.id, reason=reason)

    def withdrawn(self, entry: HoursRecorded, reason: str) -> HoursWithdrawn:
        """A withdrawal of an entry."""
        return HoursWithdrawn(**self.common(entry.issuer, entry.subject), entry=entry.id, reason=reason)


def _time(moment: datetime) -> str:
    return moment.astimezone(CHINA).isoformat(timespec="seconds")
