// JSON as our documents use it, read strictly, and written in canonical form (RFC 8785).

import { BODY_DEPTH_MAX } from "./agreed.js";
import { Invalid, utf8 } from "./bytes.js";

const TOKEN =
  /[\t\n\r ]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\.)*")|(-?(?:0|[1-9][0-9]*))(?![0-9.eE])|(true|false|null))/y;
const BLANK = /[\t\n\r ]*$/y;
const WORDS = { true: true, false: false, null: null };

/**
 * The value of a JSON text. Throws Invalid for what two readers might read differently: duplicate keys, numbers that
 * are not integers or lie beyond 2^53 - 1, lone surrogates; and for text nested too deeply.
 */
export function parse(text) {
  const reader = new Reader(text);
  const value = reader.value(reader.next(), 0);
  BLANK.lastIndex = reader.at;
  if (!BLANK.test(text)) throw new Invalid("more behind the JSON text");
  return value;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  next() {
    TOKEN.lastIndex = this.at;
    const found = TOKEN.exec(this.text);
    if (!found) throw new Invalid(`not JSON at character ${this.at}`);
    this.at = TOKEN.lastIndex;
    const [, mark, string, number, word] = found;
    if (mark !== undefined) return { mark };
    if (string !== undefined) return { plain: unquote(string), isText: true };
    if (number !== undefined) return { plain: integer(number) };
    return { plain: WORDS[word] };
  }

  value(token, depth) {
    if (token.mark !== undefined && depth === BODY_DEPTH_MAX) throw new Invalid("nested too deeply");
    if (token.mark === "{") return this.object(depth);
    if (token.mark === "[") return this.array(depth);
    if (token.mark !== undefined) throw new Invalid(`${token.mark} out of place`);
    return token.plain;
  }

  object(depth) {
    const found = new Map();
    let token = this.next();
    while (token.mark !== "}") {
      if (!token.isText) throw new Invalid("a member without a name");
      if (found.has(token.plain)) throw new Invalid(`the member ${token.plain} twice`);
      if (this.next().mark !== ":") throw new Invalid("a member without a value");
      found.set(token.plain, this.value(this.next(), depth + 1));
      token = this.separator("}");
    }
    return Object.fromEntries(found);
  }

  array(depth) {
    const found = [];
    let token = this.next();
    while (token.mark !== "]") {
      found.push(this.value(token, depth + 1));
      token = this.separator("]");
    }
    return found;
  }

  separator(end) {
    const token = this.next();
    if (token.mark === end) return token;
    if (token.mark !== ",") throw new Invalid("a comma is missing");
    const following = this.next();
    if (following.mark === end) throw new Invalid("a comma too many");
    return following;
  }
}

function unquote(string) {
  let text;
  try {
    text = JSON.parse(string);
  } catch {
    throw new Invalid("a string that is not JSON");
  }
  checkText(text);
  return text;
}

function integer(digits) {
  const number = Number(digits);
  if (!Number.isSafeInteger(number) || Object.is(number, -0)) throw new Invalid(`the number ${digits}`);
  return number;
}

function checkText(text) {
  if (/\p{Surrogate}/u.test(text)) throw new Invalid("a lone surrogate in a string");
}

/** The canonical text of a value (RFC 8785): ECMAScript's own numbers and strings, keys by UTF-16 code units. */
export function canonicalise(value) {
  if (typeof value === "string") checkText(value);
  if (typeof value === "number" && !Number.isFinite(value)) throw new Invalid("a number that JSON has not");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalise).join(",")}]`;
  const members = Object.keys(value)
    .sort()
    .map((key) => `${canonicalise(key)}:${canonicalise(value[key])}`);
  return `{${members.join(",")}}`;
}

// C0, DEL, C1 and bidirectional controls.
// eslint-disable-next-line no-control-regex -- control characters are what this refuses
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Throw Invalid for a canonical text with control or bidirectional characters, escaped or not. */
export function checkPlain(text) {
  if (CONTROL.test(text) || text.replace(/\\["\\]/g, "").includes("\\")) {
    throw new Invalid("a control character in a text");
  }
}

/** The same as bytes. */
export const canonicalBytes = (value) => utf8(canonicalise(value));
