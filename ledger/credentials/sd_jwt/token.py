"""Proofs of service as SD-JWT VC (RFC 9901; draft-ietf-oauth-sd-jwt-vc): the holder shows what is asked, no more.

Always to be seen are the issuer and with it the region, the type, when it was issued and ends, the holder's key and
where its status stands; all else is hidden until chosen (`ledger.credentials.sd_jwt.claims`). It carries no id of the
proof. Whoever is shown the same token twice can tell so by its signature: who wants to be unlinkable asks for another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.credentials.model import ServiceStatement, Statement
from ledger.credentials.sd_jwt import jws
from ledger.credentials.sd_jwt.claims import MEMBERS, Minutes, members
from ledger.credentials.sd_jwt.disclosures import ALGORITHM, Hider, Revealed, reveal
from ledger.crypto.encoding import digest
from ledger.crypto.multikey import TokenKey, jwk_of, multikey
from ledger.errors import Invalid, NotFound, TooLarge, Untrusted
from ledger.limits import BINDING_SECONDS_MAX, CLOCK_AHEAD_MAX, CREDENTIAL_BYTES_MAX

TYP: Final = "dc+sd-jwt"
BINDING_TYP: Final = "kb+jwt"
SERVICE: Final = "urn:yongzhi:vct:service/1"
STAR: Final = "urn:yongzhi:vct:star/1"
_PROTECTED: Final = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status", "iat", "aud", "region"})
"""Claims that are never hidden (draft-ietf-oauth-sd-jwt-vc, registered JWT claims), and those we rely on."""
_ISSUER: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+/regions/([0-9]{6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where to look whether it was revoked: a bit of a token status list."""

    uri: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a verifier asks a holder to sign: who asks, and a value never used before."""

    audience: str
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An SD-JWT whose signature holds. Whether it was revoked is still to be asked, see `status`."""

    type: str
    """`SERVICE` or `STAR`."""
    issuer: str
    """`<base>/regions/<code>`. The caller checks that the key `kid` is of this region."""
    region: str
    kid: str
    issued: int
    expires: int | None
    expired: bool
    """Whether it had expired at `now`: such a token is genuine, and no longer valid."""
    holder: bytes | None
    """The P-256 key it is bound to, 33 bytes."""
    bound: bool
    """Whether the holder signed for the audience and nonce asked for, just now."""
    status: Status
    claims: dict[str, Any]
    """What was disclosed."""


# -- issuing ------------------------------------------------------------------------------------


def issue(
    statement: Statement,
    key: TokenKey,
    *,
    issuer: str,
    issued: int,
    status: Status,
    randomness: Callable[[int], bytes],
    name: str | None = None,
    holder: bytes | None = None,
    expires: int | None = None,
    years: Minutes | None = None,
) -> str:
    """The SD-JWT of a statement with all its disclosures, for the holder alone: `<jws>~<disclosure>~…~`.

    `issuer` is `<base>/regions/<code>`; `issued` and `expires` are seconds since 1970; `randomness` gives as many
    unpredictable bytes as asked for; `holder` is the P-256 key (33 bytes) to bind it to; `years` gives the minutes by
    year and category of a statement over several years. Raise TooLarge for more than CREDENTIAL_BYTES_MAX.
    """
    if _region(issuer) != statement.region:
        raise Invalid(f"{issuer:.200} does not issue for region {statement.region}")
    hider = Hider(randomness)
    hidden = hider.members(members(statement, name, years, hider), MEMBERS)
    payload = {
        "iss": issuer,
        "iat": issued,
        **({} if expires is None else {"exp": expires}),
        "vct": SERVICE if isinstance(statement, ServiceStatement) else STAR,
        "region": statement.region,
        **({} if holder is None else {"cnf": {"jwk": jwk_of(holder)}}),
        "status": {"status_list": {"idx": status.index, "uri": status.uri}},
        "_sd_alg": ALGORITHM,
        **hidden,
    }
    token = "~".join([jws.sign(key, TYP, payload, key.multikey), *hider.disclosures, ""])
    if len(token) > CREDENTIAL_BYTES_MAX:
        raise TooLarge(f"an SD-JWT over {CREDENTIAL_BYTES_MAX} bytes")
    return token


def issuer_metadata(issuer: str, keys: Sequence[bytes]) -> dict[str, Any]:
    """The JWT VC Issuer Metadata of a region: its P-256 keys (33 bytes each) that were not revoked, as a JWK set."""
    _region(issuer)
    found = [{**jwk_of(key), "kid": multikey(key), "use": "sig", "alg": jws.ALGORITHM} for key in keys]
    return {"issuer": issuer, "jwks": {"keys": found}}


# -- showing ------------------------------------------------------------------------------------


def choices(token: str) -> dict[str, Any]:
    """What a holder may choose to show: value by path, such as `minutes`, `categories/emergency`, `lines/<activity>`,
    `at_least/all/hours/100` or `at_least/2026+emergency/hours/100`.
    """
    return {"/".join(one.path): one.value for one in _revealed(token).opened}


def present(token: str, wanted: Collection[str]) -> str:
    """The token with only the disclosures that the wanted paths of `choices` need, each with all beneath it.

    The issuer's signature is not checked. Raise NotFound for a path that is not among the choices.
    """
    needed: set[str] = set()
    opened = _revealed(token).opened
    for path in wanted:
        steps = tuple(path.split("/"))
        found = [one.texts for one in opened if one.path[: len(steps)] == steps]
        if not found:
            raise NotFound(f"the token has nothing to show at {path:.200}")
        needed.update(*found)
    signed, *disclosures = _split(token)[0]
    return "~".join([signed, *(text for text in disclosures if text in needed), ""])


def bind(presentation: str, key: TokenKey, binding: Binding, now: int) -> str:
    """The presentation with the holder's signature over it (RFC 9901, 4.3); raise Invalid for another's key."""
    signed = _split(presentation)[0][0]
    if _holder(jws.parse(signed, TYP).payload) != key.public:
        raise Invalid("the token is not bound to this key")
    claims = {"iat": now, "aud": binding.audience, "nonce": binding.nonce, "sd_hash": digest(presentation.encode())}
    return presentation + jws.sign(key, BINDING_TYP, claims)


def _revealed(token: str) -> Revealed:
    (signed, *disclosures), signature = _split(token)
    if signature:
        raise Invalid("already signed by the holder: choose from the token as it was issued")
    return reveal(jws.parse(signed, TYP).payload, disclosures)


# -- checking -----------------------------------------------------------------------------------


def open_token(text: str, find_key: Callable[[str], bytes], *, now: int, binding: Binding | None = None) -> Token:
    """What an SD-JWT discloses, once it is known who signed it (RFC 9901, 7.1 and 7.3; numbers in the code).

    `find_key` gives the P-256 key (33 bytes) of a `kid`, or raises Untrusted. With `binding` the holder must have
    signed for it within BINDING_SECONDS_MAX; without it a holder's signature is not required, yet never wrong.
    `now` is in seconds. Raise Invalid, TooLarge or Untrusted; an expired token is opened and says so.
    """
    (signed, *disclosures), signature = _split(text)  # 7.1: 1
    token = jws.open_jws(signed, TYP, find_key)  # 2
    revealed = reveal(token.payload, disclosures)  # 2.3 to 5
    if any(one.path[0] in _PROTECTED for one in revealed.opened):
        raise Invalid("a claim that is never hidden was hidden")
    found = _token(token, revealed.claims, now, bound=binding is not None)  # 6
    if signature:  # 7.3
        _check_binding(signature, text.removesuffix(signature), found.holder, binding, now)
    elif binding is not None:
        raise Untrusted("the holder did not sign")
    return found


def _split(text: str) -> tuple[list[str], str]:
    """The issuer's JWS with the disclosures after it, and the holder's JWS or the empty text (RFC 9901, 4)."""
    if len(text) > CREDENTIAL_BYTES_MAX:
        raise TooLarge(f"an SD-JWT over {CREDENTIAL_BYTES_MAX} bytes")
    *parts, signature = text.split("~")
    if not parts or not text.isascii():
        raise Invalid("an SD-JWT is <jws>~<disclosure>~…~")
    return parts, signature


def _token(token: jws.Jws, claims: dict[str, Any], now: int, *, bound: bool) -> Token:
    issuer, kind, region = (claims.get(name) for name in ("iss", "vct", "region"))
    if not isinstance(issuer, str) or region != _region(issuer):
        raise Invalid("`region` is not that of the issuer", "/region")
    if kind not in (SERVICE, STAR):
        raise Invalid("not a type of proof that is known", "/vct")
    issued, expires = jws.time_of(token.payload, "iat"), jws.optional_time_of(token.payload, "exp")
    jws.check_begun(now, CLOCK_AHEAD_MAX, iat=issued, nbf=jws.optional_time_of(token.payload, "nbf"))
    return Token(
        type=kind,
        issuer=issuer,
        region=region,
        kid=token.kid,
        issued=issued,
        expires=expires,
        expired=expires is not None and expires <= now,
        holder=_holder(token.payload),
        bound=bound,
        status=_status(token.payload.get("status")),
        claims={name: value for name, value in claims.items() if name not in _PROTECTED},
    )


def _region(issuer: str) -> str:
    found = _ISSUER.fullmatch(issuer)
    if found is None:
        raise Invalid("an issuer is https://<host>/regions/<code>", "/iss")
    return found[1]


def _status(claim: object) -> Status:
    entry = claim.get("status_list") if isinstance(claim, dict) else None
    index, uri = (entry.get("idx"), entry.get("uri")) if isinstance(entry, dict) else (None, None)
    if not isinstance(uri, str) or not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise Invalid("no place in a status list", "/status")
    return Status(uri=uri, index=index)


def _holder(payload: dict[str, Any]) -> bytes | None:
    if "cnf" not in payload:
        return None
    claim = payload["cnf"]
    return jws.point_of(claim.get("jwk") if isinstance(claim, dict) else None)


def _check_binding(text: str, presentation: str, holder: bytes | None, binding: Binding | None, now: int) -> None:
    """The holder's signature (RFC 9901, 7.3, step 5) over the presentation, which ends with a tilde."""
    if holder is None:
        raise Untrusted("signed by a holder, yet bound to no key")
    signed = jws.parse(text, BINDING_TYP)
    signed.verify(holder)
    issued = jws.time_of(signed.payload, "iat")
    if signed.payload.get("sd_hash") != digest(presentation.encode()):
        raise Untrusted("the holder signed something else")
    if binding is None:
        return
    if (signed.payload.get("aud"), signed.payload.get("nonce")) != (binding.audience, binding.nonce):
        raise Untrusted("the holder signed for someone else, or another time")
    jws.check_begun(now, CLOCK_AHEAD_MAX, iat=issued)
    if issued < now - BINDING_SECONDS_MAX:
        raise Untrusted("the holder signed too long ago")
