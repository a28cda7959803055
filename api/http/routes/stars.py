"""Star levels and other awards of volunteers, explained."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.http.access import Reader, Served
from api.http.routes.proofs import may_ask_for
from ledger.errors import NotFound
from ledger.ids import check_volunteer
from ledger.schemes import recognition
from ledger.schemes.recognition import Recognised

router = APIRouter(prefix="/v1/regions/{region}", tags=["proofs"])


class StarOut(BaseModel):
    """A star level and how it follows, line by line."""

    scheme: str
    level: int
    title: str | None
    title_en: str | None
    minutes: int
    explanation: list[str]
    explanation_hant: list[str]
    explanation_en: list[str]


class StarsOut(StarOut):
    """The star level, and the other awards of the region."""

    awards: list[StarOut]


@router.get("/volunteers/{volunteer}/star", summary="A volunteer's star level, explained")
def get_star(region: Served, session: Reader, volunteer: str) -> StarsOut:
    """By the scheme in force in the region, on all counted service; see docs/proofs.md, "Star levels"."""
    if not may_ask_for(region, session, check_volunteer(volunteer)):
        raise NotFound("no such volunteer, or not yours to see")
    level, *awards = region.recognise(volunteer)
    return StarsOut(**_members(level), awards=[StarOut(**_members(award)) for award in awards])


def _members(recognised: Recognised) -> dict[str, Any]:
    return dict(
        scheme=recognised.scheme.reference,
        level=recognised.level,
        title=recognised.reached.title.zh if recognised.reached else None,
        title_en=recognised.reached.title.en if recognised.reached else None,
        minutes=recognised.minutes,
        explanation=list(recognition.explain(recognised, "zh")),
        explanation_hant=list(recognition.explain(recognised, "zh_hant")),
        explanation_en=list(recognition.explain(recognised, "en")),
    )
