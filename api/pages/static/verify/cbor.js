// Deterministic CBOR (RFC 8949, 4.2.1), as much of it as a COSE_Sign1 needs; anything else is refused.

import { Invalid, fromUtf8, hex } from "./bytes.js";

const DEPTH_MAX = 4;

/** A tagged item. */
export class Tag {
  constructor(number, value) {
    this.number = number;
    this.value = value;
  }
}

/** The one item that the bytes hold: numbers, Uint8Arrays, strings, arrays, Maps and Tags. */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.item(0);
  if (reader.at !== bytes.length) throw new Invalid("bytes behind the CBOR item");
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(length) {
    if (length > this.bytes.length - this.at) throw new Invalid("CBOR that ends too early");
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  // The argument of a head (RFC 8949, 3), in its shortest form.
  argument(info) {
    if (info < 24) return info;
    const length = { 24: 1, 25: 2, 26: 4, 27: 8 }[info];
    if (!length) throw new Invalid("CBOR of indefinite length");
    const number = this.take(length).reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
    const least = length === 1 ? 24n : 1n << BigInt(4 * length);
    if (number < least) throw new Invalid("a CBOR number that is not in its shortest form");
    if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw new Invalid("a CBOR number beyond 2^53");
    return Number(number);
  }

  item(depth) {
    if (depth > DEPTH_MAX) throw new Invalid("CBOR nested too deeply");
    const [head] = this.take(1);
    const number = this.argument(head & 31);
    switch (head >> 5) {
      case 0:
        return number;
      case 1:
        return -1 - number;
      case 2:
        return this.take(number).slice();
      case 3:
        return fromUtf8(this.take(number));
      case 4:
        return this.items(number, depth);
      case 5:
        return this.map(number, depth);
      case 6:
        return new Tag(number, this.item(depth + 1));
      default:
        throw new Invalid("a CBOR simple value or float");
    }
  }

  items(count, depth) {
    if (count > this.bytes.length) throw new Invalid("CBOR that ends too early");
    return Array.from({ length: count }, () => this.item(depth + 1));
  }

  map(count, depth) {
    const found = new Map();
    let before = "";
    for (let left = count; left > 0; left -= 1) {
      const start = this.at;
      const key = this.item(depth + 1);
      const spelling = hex(this.bytes.subarray(start, this.at));
      if (spelling <= before) throw new Invalid("a CBOR map whose keys are not in order");
      before = spelling;
      found.set(key, this.item(depth + 1));
    }
    return found;
  }
}
