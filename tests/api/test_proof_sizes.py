"""The largest proof that there can be: as many activities as are listed, with the longest words."""

from typing import Any

from ledger.credentials import model
from ledger.limits import LONG_TEXT_MAX, PROOF_LINES_MAX, SHORT_TEXT_MAX
from tests.api.proving import newcomer
from tests.integration.world import at
from tests.support.builders import event_id

OCTOBER: dict[str, Any] = {"start": at("00:00", "2026-10-01"), "end": at("23:59", "2026-10-31")}
WIDE = "\U00020bb7"


def test_the_largest_proof_is_issued_and_holds(proving):
    holder = newcomer(proving)
    words = {"content": WIDE * LONG_TEXT_MAX, "activity_name": WIDE * SHORT_TEXT_MAX}
    for number in range(PROOF_LINES_MAX + 1):
        activity, hour = str(event_id()), 6 + number % 12
        proving.world.record("activity.published/1", subject=f"activity:{activity}", **OCTOBER)
        day = f"2026-10-{number // 12 + 1:02}"
        entry = {"start": at(f"{hour:02}:00", day), "end": at(f"{hour:02}:30", day), "minutes": 30}
        proving.world.record("hours.recorded/1", subject=holder.name, activity=activity, **words, **entry)
    proof = holder.proof(note=WIDE * SHORT_TEXT_MAX)
    found = holder.statement(proof)
    assert (len(found.lines), found.entries) == (PROOF_LINES_MAX, PROOF_LINES_MAX + 1)
    assert isinstance(found.others, model.Others)
    for part in ("credential", "pdf"):
        verdict = proving.service.checking.check_upload(holder.part(proof, part))
        assert str(verdict.outcome) == "valid", verdict
