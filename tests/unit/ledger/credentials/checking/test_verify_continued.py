"""A region that goes on under another log: what it certified under the old one stays as good as it was."""

from __future__ import annotations

from ledger.credentials.checking import verify
from ledger.credentials.checking.verdict import Outcome
from tests.support import issuing
from tests.support.builders import ORIGIN, vkey
from tests.support.issuing import LIST_URL, NOW
from tests.support.proofs import credential_key, token_key
from tests.unit.ledger.federation.test_trust_bundle import final_lines


def test_proofs_of_a_closed_log_stay_valid_while_the_region_goes_on_under_another() -> None:
    old = issuing.region(closed="2027-01-01T00:00:00Z", final=tuple(final_lines(ORIGIN)))
    origin, did = "ledger2.example/441300", "did:web:ledger2.example:regions:441300"
    new = issuing.region(
        origin=origin,
        log_keys=(vkey(origin),),
        base="https://ledger2.example",
        did=did,
        credential_keys=(credential_key(did).multikey,),
        token_keys=(token_key(4).multikey,),
    )
    trust, lists = issuing.trust(new, old), {LIST_URL: issuing.bits()}
    for data in (issuing.qr().encode(), issuing.encoded(issuing.document())):
        assert verify.check_data(data, trust, lists.get, NOW).outcome is Outcome.VALID
