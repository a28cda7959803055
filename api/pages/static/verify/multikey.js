// Multikeys: multibase base58 of a prefix and a public key (W3C Controlled Identifiers 1.0, 2.2.2 and 2.4).

import { Invalid } from "./bytes.js";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** `length` bytes from their base58 spelling, the one canonical spelling. */
export function parseBase58(text, length) {
  if (text.length > 2 * length) throw new Invalid("not base58 of that length");
  let number = 0n;
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    if (digit < 0) throw new Invalid("not base58");
    number = number * 58n + BigInt(digit);
  }
  const digits = number === 0n ? "" : number.toString(16);
  const body = digits.length % 2 ? `0${digits}` : digits;
  const zeros = /^1*/.exec(text)[0].length;
  if (zeros + body.length / 2 !== length) throw new Invalid(`not the base58 of ${length} bytes`);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < body.length; at += 2) bytes[zeros + at / 2] = parseInt(body.slice(at, at + 2), 16);
  return bytes;
}

/** The 32 bytes of an Ed25519 Multikey, `z6Mk…`. */
export function parseEd25519(text) {
  if (typeof text !== "string" || !text.startsWith("z")) throw new Invalid("not a Multikey in base58");
  const bytes = parseBase58(text.slice(1), 34);
  if (bytes[0] !== 0xed || bytes[1] !== 0x01) throw new Invalid("not a Multikey of Ed25519");
  return bytes.slice(2);
}
