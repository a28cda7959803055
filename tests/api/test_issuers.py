"""What software that was written elsewhere fetches of an issuer: did document, token keys, lists, achievements."""

import json

import httpx2
import pytest

from ledger.credentials import status_list
from ledger.credentials.checking import verify
from ledger.credentials.sd_jwt import token_status
from ledger.crypto.did import did_of
from ledger.crypto.keys import VerifyingKey
from ledger.crypto.multikey import multikey, parse_multikey
from ledger.errors import Untrusted
from ledger.federation.trust_bundle import open_bundle
from ledger.limits import STATUS_LIST_SECONDS
from tests.api.proving import Holder, listed, newcomer
from tests.api.site import OTHER, Site
from tests.support.builders import REGION, signing_key
from tests.support.tokens import payload_of

DAY = 24 * 3600


@pytest.fixture(scope="module")
def holder(proving: Site) -> Holder:
    return newcomer(proving, ("09:00", "10:00"))


def get(site: Site, path: str, **headers: str) -> httpx2.Response:
    answer = site.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer


# -- keys -----------------------------------------------------------------------------------------------


def test_a_did_document_names_the_keys_of_the_region(proving):
    answer = get(proving, f"/regions/{REGION}/did.json")
    found, keys = answer.json(), proving.deployment.proof_keys(REGION)
    assert answer.headers["cache-control"] == "public, max-age=300"
    did = f"did:web:{proving.origin.replace(':', '%3A')}:regions:{REGION}"
    assert found["id"] == keys.did == did
    methods = {method["id"]: method for method in found["verificationMethod"]}
    assert keys.credential.id in methods
    assert all(method["controller"] == did for method in methods.values())
    assert parse_multikey(methods[keys.credential.id]["publicKeyMultibase"]) == parse_multikey(keys.credential.multikey)
    assert keys.credential.id in found["assertionMethod"]


def test_the_keys_of_tokens_are_where_their_issuer_says(proving):
    answer = get(proving, f"/.well-known/jwt-vc-issuer/regions/{REGION}")
    found, key = answer.json(), proving.deployment.proof_keys(REGION).token
    assert found["issuer"] == f"{proving.url}/regions/{REGION}"
    assert [one["kid"] for one in found["jwks"]["keys"]] == [key.multikey]
    assert all("d" not in one for one in found["jwks"]["keys"])


def test_a_revoked_key_is_in_neither(proving):
    world, key = proving.other, proving.deployment.proof_keys(OTHER)
    for one in (key.credential.multikey, key.token.multikey):
        assert one in get(proving, f"/regions/{OTHER}/did.json").text
        world.record("region.credential_key_revoked/1", multikey=one)
        assert one not in get(proving, f"/regions/{OTHER}/did.json").text
    assert get(proving, f"/.well-known/jwt-vc-issuer/regions/{OTHER}").json()["jwks"] == {"keys": []}
    trust = open_bundle(bundle(proving), [signer(proving)], int(proving.world.now))
    found = next(one for one in trust.federation.regions if one.region == OTHER)
    assert (found.credential_keys, found.token_keys) == ((), ())


@pytest.mark.parametrize("kind", ["service", "star"])
def test_an_achievement_is_where_credentials_say(proving, holder, kind):
    path = f"/regions/{REGION}/achievements/{kind}"
    found = get(proving, path).json()
    assert found["id"] == proving.url + path
    if kind == "service":
        named = json.loads(holder.part(holder.proof(), "credential"))["credentialSubject"]["achievement"]
        assert {name: found[name] for name in named} == named


@pytest.mark.parametrize(
    "path",
    [
        "/regions/999999/did.json",
        "/regions/x/did.json",
        "/.well-known/jwt-vc-issuer/regions/999999",
        f"/regions/{REGION}/achievements/other",
        f"/regions/{REGION}/achievements/%00",
        *(f"/status/{name}" for name in ("999999-1", f"{REGION}-2", f"{REGION}-t2", f"{REGION}-0", f"{REGION}-01")),
        *(f"/status/{name}" for name in (REGION, f"{REGION}-", f"{REGION}-1.json", "x", "%00", "４４１３００-1")),
        f"/status/{REGION}-999999999",
    ],
)
def test_what_is_not_there_is_not_found(proving, path):
    assert proving.http.get(path).status_code == 404


# -- status lists ---------------------------------------------------------------------------------------


def credential_list(site: Site, data: bytes) -> status_list.StatusList:
    key = site.deployment.proof_keys(REGION).credential
    public = parse_multikey(key.multikey)
    return status_list.open_list(data, f"{site.url}/status/{REGION}-1", {key.id: public}.__getitem__)


def test_a_list_is_signed_dated_and_cacheable(proving, holder):
    proof = holder.proof()
    entry = holder.credential(proof).credentialStatus
    assert entry.statusListCredential == f"{proving.url}/status/{REGION}-1"
    found = credential_list(proving, listed(proving))
    assert not found.is_revoked(int(entry.statusListIndex))
    holder.post(f"proofs/{proof}/revocation")
    answer = get(proving, f"/status/{REGION}-1")
    assert answer.headers["cache-control"] == "public, max-age=60"
    found = credential_list(proving, answer.content)
    assert found.is_revoked(int(entry.statusListIndex))
    assert found.valid_from == int(proving.world.now)
    assert found.valid_until == found.valid_from + STATUS_LIST_SECONDS
    assert get(proving, f"/status/{REGION}-1").content == answer.content


def test_a_list_is_dated_anew_each_day(proving, monkeypatch):
    before = credential_list(proving, listed(proving))
    monkeypatch.setattr(proving.world, "now", proving.world.now + 3 * DAY)
    after = credential_list(proving, listed(proving))
    assert after.valid_from == int(proving.world.now) // DAY * DAY
    assert after.valid_until == after.valid_from + STATUS_LIST_SECONDS
    assert before.valid_from < after.valid_from
    monkeypatch.setattr(proving.world, "now", proving.world.now + 3600)
    assert credential_list(proving, listed(proving)).valid_from == after.valid_from


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/vc", "application/vc"),
        ("text/html, application/vc;q=0.9", "application/vc"),
        ("application/vc", None),
    ],
)
def test_a_list_comes_as_what_was_asked_for(proving, accept, kind):
    answer = get(proving, f"/status/{REGION}-1", accept=accept)
    assert answer.headers["content-type"] == (kind or answer.headers["content-type"])
    assert answer.headers["vary"] == "accept"
    assert answer.content == listed(proving)


def test_the_list_of_tokens_is_a_token(proving, holder):
    made = holder.post(f"proofs/{holder.proof()}/sd-jwt").json()
    place = payload_of(made["token"])["status"]["status_list"]
    key = proving.deployment.proof_keys(REGION).token

    def opened() -> token_status.StatusList:
        answer = get(proving, place["uri"])
        assert answer.headers["content-type"] == "application/statuslist+jwt"
        return token_status.open_list(answer.text, place["uri"], lambda kid: key.public if kid == key.multikey else b"")

    assert not opened().is_revoked(place["idx"])
    holder.post(f"proofs/{made['id']}/revocation")
    assert opened().is_revoked(place["idx"])


def test_lists_are_there_before_the_first_proof(proving):
    for name in (f"{OTHER}-1", f"{OTHER}-t1"):
        assert get(proving, f"/status/{name}").content


# -- the trust bundle -----------------------------------------------------------------------------------


def bundle(site: Site) -> bytes:
    answer = site.get("/v1/trust-bundle")
    assert answer.status_code == 200, answer.text
    return answer.content


def signer(site: Site) -> VerifyingKey:
    return site.deployment.federation_key().verifier


def test_a_trust_bundle_has_every_region_and_list(proving, holder):
    proof = holder.proof()
    holder.post(f"proofs/{proof}/revocation")
    data = bundle(proving)
    trust = open_bundle(data, [signer(proving)], int(proving.world.now))
    assert {region.region for region in trust.federation.regions} == {REGION, OTHER}
    assert trust.lists[f"{proving.url}/status/{REGION}-1"] == listed(proving)
    assert bundle(proving) == data
    verdict = verify.check_data(holder.part(proof, "credential"), trust, trust.lists.get, int(proving.world.now))
    assert str(verdict.outcome) == "revoked"
    with pytest.raises(Untrusted):
        open_bundle(data, [signing_key("federation.example").verifier], int(proving.world.now))


def test_a_trust_bundle_is_newer_once_a_region_changed(proving):
    def serial() -> int:
        data = bundle(proving)
        return open_bundle(data, [signer(proving)], int(proving.world.now)).federation.serial

    before = serial()
    proving.world.now += 60
    key = multikey(signing_key("another").verifier.public)
    proving.world.record("region.credential_key_added/1", did=did_of(proving.url, REGION), multikey=key)
    assert serial() > before
