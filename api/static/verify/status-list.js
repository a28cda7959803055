// Which proofs of a region are revoked: a signed list of bits (W3C Bitstring Status List 1.0).

import { Invalid, Untrusted, concat, fromBase64url } from "./bytes.js";
import { checkProofs } from "./data-integrity.js";
import { parse } from "./jcs.js";
import { seconds } from "./time.js";

export const SIZE = 131_072;
const CONTEXT = "https://www.w3.org/ns/credentials/v2";

/**
 * The list of an address, `{validFrom, validUntil, isRevoked(index)}`, times in unix seconds and `validUntil` null for
 * a list that never expires. Throws Invalid or Untrusted unless it is that list and its proofs hold.
 */
export async function openList(text, url, findKey) {
  const document = parse(text);
  const subject = document?.credentialSubject;
  if (!isList(document, subject)) throw new Invalid("not a status list");
  if (document.id !== url || subject.id !== `${url}#list`) throw new Untrusted("a status list of another address");
  await checkProofs(document, findKey);
  const bits = await unpack(fromBase64url(subject.encodedList.slice(1)));
  return {
    validFrom: seconds(document.validFrom),
    validUntil: document.validUntil === undefined ? null : seconds(document.validUntil),
    isRevoked(index) {
      if (!Number.isInteger(index) || index < 0 || index >= SIZE) throw new Invalid("an index that the list has not");
      return (bits[index >> 3] & (0x80 >> (index % 8))) !== 0;
    },
  };
}

function isList(document, subject) {
  return (
    Array.isArray(document?.["@context"]) &&
    document["@context"].length === 1 &&
    document["@context"][0] === CONTEXT &&
    Array.isArray(document.type) &&
    document.type.join() === "VerifiableCredential,BitstringStatusListCredential" &&
    subject?.type === "BitstringStatusList" &&
    subject.statusPurpose === "revocation" &&
    typeof subject.encodedList === "string" &&
    subject.encodedList.startsWith("u")
  );
}

// No more bytes are unpacked than a list has, whatever the packed ones would unpack to.
async function unpack(packed) {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  let bits = new Uint8Array(0);
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      bits = concat(bits, step.value);
      if (bits.length > SIZE / 8) break;
    }
  } catch {
    throw new Invalid("the bits of the status list are not gzip");
  }
  if (bits.length !== SIZE / 8) {
    await reader.cancel();
    throw new Invalid(`the status list has other than ${SIZE} bits`);
  }
  return bits;
}
