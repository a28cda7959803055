// The signed code in the QR of a certificate: a tagged COSE_Sign1 (RFC 9052, 4.2), EdDSA.

import { CODE_CHARACTERS_MAX, LIST_PATTERN, STATUS_LIST_SIZE, TIME_MAX } from "./agreed.js";
import {
  Invalid,
  Untrusted,
  concat,
  equal,
  fromBase64url,
  hex,
  sha256,
  toBase64url,
  utf8,
  verifyEd25519,
} from "./bytes.js";
import { Tag, decode } from "./cbor.js";

const COSE_SIGN1 = 18;
const ALGORITHM = 1;
const KID = 4;
const EDDSA = -8;
const LIST = new RegExp(LIST_PATTERN);
// The language is let pass: it stands in the address when a reader has chosen one, and copies the address.
const PAGE = /^(https?:\/\/[!-~]{1,300}\/p\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}))(?:\?lang=[A-Za-z-]{2,10})?$/;
const DAY_MS = 86_400_000;
const KINDS = ["service", "star"];

// Key in the payload → name, and what its value is.
const MEMBERS = new Map([
  [1, ["proof", "bytes"]],
  [2, ["region", "number"]],
  [3, ["list", "text"]],
  [4, ["index", "number"]],
  [5, ["issued", "number"]],
  [6, ["kind", "number"]],
  [7, ["minutes", "number"]],
  [8, ["entries", "number"]],
  [9, ["first", "number"]],
  [10, ["last", "number"]],
  [11, ["digest", "bytes"]],
  [12, ["level", "number"]],
  [13, ["name", "bytes"]],
]);
const OPTIONAL = new Set(["level", "name"]);

/** The kid of an Ed25519 key: the first 8 bytes of SHA-256 over its 32, as hexadecimal digits. */
export const keyId = async (publicKey) => hex((await sha256(publicKey)).slice(0, 8));

/** The address of the proof's page in a QR's text; null when there is none, or it is not one. */
export const pageIn = (text) => PAGE.exec(text.slice(0, Math.max(text.lastIndexOf("#"), 0)))?.[1] ?? null;

/**
 * What a QR's text, or its fragment alone, says, once it verifies. `findKey(region, kid)` gives the 32 bytes of the
 * region's key or throws Untrusted. Throws Invalid for another form, Untrusted for a signature that does not hold.
 */
export async function openCode(text, findKey) {
  if (text.length > CODE_CHARACTERS_MAX) throw new Invalid("a code that is too long");
  const cut = text.lastIndexOf("#");
  const page = pageIn(text);
  if (cut >= 0 && page === null) throw new Invalid("not the address of a proof's page before the #");
  const { header, payload, signature } = openEnvelope(fromBase64url(text.slice(cut + 1)));
  const kid = kidOf(decode(header));
  const code = readPayload(decode(payload));
  const publicKey = await findKey(code.region, kid);
  if ((await keyId(publicKey)) !== kid) throw new Untrusted("the key found is not the one the code names");
  await verifyEd25519(publicKey, signature, toBeSigned(header, payload));
  if (page !== null && !page.endsWith(`/p/${code.proof}`))
    throw new Untrusted("the address names another proof than the signed code");
  return code;
}

function openEnvelope(bytes) {
  const envelope = decode(bytes);
  if (!(envelope instanceof Tag) || envelope.number !== COSE_SIGN1 || !Array.isArray(envelope.value)) {
    throw new Invalid("not a tagged COSE_Sign1");
  }
  const [header, unprotected, payload, signature] = envelope.value;
  const whole = [header, payload, signature].every((part) => part instanceof Uint8Array);
  if (
    envelope.value.length !== 4 ||
    !whole ||
    !(unprotected instanceof Map) ||
    unprotected.size ||
    signature.length !== 64
  ) {
    throw new Invalid("not a COSE_Sign1 of byte strings with an empty unprotected header");
  }
  return { header, payload, signature };
}

function kidOf(header) {
  const kid = header instanceof Map ? header.get(KID) : undefined;
  if (
    !kid ||
    header.size !== 2 ||
    header.get(ALGORITHM) !== EDDSA ||
    !(kid instanceof Uint8Array) ||
    kid.length !== 8
  ) {
    throw new Invalid("not a protected header of alg EdDSA and kid");
  }
  return hex(kid);
}

// Sig_structure (RFC 9052, 4.4), without external data.
function toBeSigned(header, payload) {
  return concat(
    new Uint8Array([0x84]),
    head(3, 10),
    utf8("Signature1"),
    bytesItem(header),
    head(2, 0),
    bytesItem(payload),
  );
}

const bytesItem = (bytes) => concat(head(2, bytes.length), bytes);

function head(major, length) {
  const first = major << 5;
  if (length < 24) return new Uint8Array([first | length]);
  if (length < 256) return new Uint8Array([first | 24, length]);
  return new Uint8Array([first | 25, length >> 8, length & 255]);
}

function readPayload(payload) {
  if (!(payload instanceof Map)) throw new Invalid("the payload of a code is a map");
  const code = {};
  for (const [key, value] of payload) {
    const [name, kind] = MEMBERS.get(key) ?? [];
    if (kindOf(value) !== kind) throw new Invalid(`the code's ${name ?? `member ${key}`} is not one`);
    code[name] = value;
  }
  for (const [name] of MEMBERS.values()) {
    if (!(name in code) && !OPTIONAL.has(name)) throw new Invalid(`the code's ${name} is missing`);
  }
  return plain(code);
}

const kindOf = (value) =>
  value instanceof Uint8Array ? "bytes" : ({ number: "number", string: "text" }[typeof value] ?? "another");

function plain(code) {
  const region = String(code.region).padStart(6, "0");
  const [, listed, tokens] = LIST.exec(code.list) ?? [];
  const good =
    code.proof.length === 16 &&
    listed === region &&
    tokens === "" &&
    code.index < STATUS_LIST_SIZE &&
    code.issued <= TIME_MAX &&
    KINDS[code.kind] !== undefined &&
    [code.minutes, code.entries, code.index, code.level ?? 0, code.issued].every((number) => number >= 0) &&
    code.digest.length === 32 &&
    (code.name === undefined || code.name.length === 24) &&
    code.first >= 0 &&
    code.first <= code.last;
  if (!good) throw new Invalid("a member of the code is out of its bounds");
  const digits = hex(code.proof);
  const proof = [0, 8, 12, 16, 20].map((at, place, all) => digits.slice(at, all[place + 1])).join("-");
  const days = { first: day(code.first), last: day(code.last) };
  return { ...code, ...days, proof, region, kind: KINDS[code.kind], digest: toBase64url(code.digest) };
}

function day(number) {
  const found = new Date(number * DAY_MS);
  if (Number.isNaN(found.getTime()) || found.getUTCFullYear() > 9999)
    throw new Invalid("the code's period is not one");
  return found.toISOString().slice(0, 10);
}

/** Whether a code was issued to this name; false when it states none. */
export async function statesName(code, name) {
  if (!code.name) return false;
  const [salt, hash] = [code.name.slice(0, 8), code.name.slice(8)];
  for (const spelling of [name, name.normalize("NFC")]) {
    if (equal((await sha256(concat(salt, utf8(spelling)))).slice(0, 16), hash)) return true;
  }
  return false;
}
