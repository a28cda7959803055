// Bytes and their spellings, hashes and signatures: the only module that touches WebCrypto.

/** Bytes or values that are not what their format says. */
export class Invalid extends Error {}

/** A signature, key or proof that does not hold. */
export class Untrusted extends Error {}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text) => encoder.encode(text);

export function fromUtf8(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Invalid("not UTF-8");
  }
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const equal = (one, other) => one.length === other.length && one.every((byte, index) => byte === other[index]);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const toBase64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

export const toBase64url = (bytes) => toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** Standard base64, padded, in its one canonical spelling. */
export function fromBase64(text) {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4) throw new Invalid("not base64");
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new Invalid("not base64");
  }
  if (toBase64(bytes) !== text) throw new Invalid("not the canonical spelling of base64");
  return bytes;
}

/** base64url without padding (RFC 4648, 5), in its one canonical spelling. */
export function fromBase64url(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new Invalid("not base64url");
  const padded = text + "=".repeat((4 - (text.length % 4)) % 4);
  return fromBase64(padded.replaceAll("-", "+").replaceAll("_", "/"));
}

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

const importKey = (publicKey) => crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);

/** Whether this browser knows Ed25519; it needs https, or this machine. */
export async function knowsEd25519() {
  // The public key of RFC 8032, 7.1, test 1.
  const known = fromBase64("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
  try {
    await importKey(known);
    return true;
  } catch {
    return false;
  }
}

/** Throw Untrusted unless the 64 bytes are the key's Ed25519 signature (RFC 8032) over the message. */
export async function verifyEd25519(publicKey, signature, message) {
  if (publicKey.length !== 32 || signature.length !== 64)
    throw new Invalid("an Ed25519 key has 32 bytes, a signature 64");
  const key = await importKey(publicKey);
  if (!(await crypto.subtle.verify({ name: "Ed25519" }, key, signature, message))) {
    throw new Untrusted("the signature does not verify");
  }
}
