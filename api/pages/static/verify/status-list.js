// Which proofs of a region are revoked: a signed list of bits (W3C Bitstring Status List 1.0).

import { STATUS_CONTEXT, STATUS_LIST_BYTES_MAX, STATUS_LIST_SIZE } from "./agreed.js";
import { Invalid, Untrusted, concat, fromBase64url, utf8 } from "./bytes.js";
import { checkProofs } from "./data-integrity.js";
import { checkForm } from "./form.js";
import { canonicalise, parse } from "./jcs.js";
import { seconds } from "./time.js";

const BYTES = STATUS_LIST_SIZE / 8;

/**
 * The list of an address, `{validFrom, validUntil, isRevoked(index)}`, times in unix seconds and `validUntil` null for
 * a list that never expires. Throws Invalid or Untrusted unless it is that list and its proofs hold.
 */
export async function openList(text, url, findKey) {
  if (utf8(text).length > STATUS_LIST_BYTES_MAX) throw new Invalid(`a status list over ${STATUS_LIST_BYTES_MAX} bytes`);
  const document = parse(text);
  checkForm("ListCredential", document);
  if (canonicalise(document["@context"]) !== canonicalise(STATUS_CONTEXT)) {
    throw new Invalid("the @context is not that of a status list");
  }
  const { credentialSubject: subject } = document;
  if (document.id !== url || subject.id !== `${url}#list`) throw new Untrusted("a status list of another address");
  await checkProofs(document, findKey);
  const bits = await unpack(fromBase64url(subject.encodedList.slice(1)));
  return {
    validFrom: seconds(document.validFrom),
    validUntil: document.validUntil === undefined ? null : seconds(document.validUntil),
    isRevoked(index) {
      if (!Number.isInteger(index) || index < 0 || index >= STATUS_LIST_SIZE)
        throw new Invalid("an index that the list has not");
      return (bits[index >> 3] & (0x80 >> (index % 8))) !== 0;
    },
  };
}

// No more bytes are unpacked than a list has, whatever the packed ones would unpack to.
async function unpack(packed) {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  let bits = new Uint8Array(0);
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      bits = concat(bits, step.value);
      if (bits.length > BYTES) break;
    }
  } catch {
    throw new Invalid("the bits of the status list are not gzip");
  }
  if (bits.length !== BYTES || !endsOnce(packed)) {
    await reader.cancel();
    throw new Invalid(`the status list has other than ${STATUS_LIST_SIZE} bits`);
  }
  return bits;
}

// The length at the end of a gzip file (RFC 1952, 2.3.1) is that of its last member: here of the only one.
function endsOnce(packed) {
  return new DataView(packed.buffer, packed.byteOffset + packed.length - 4).getUint32(0, true) === BYTES;
}
