// Signed notes (C2SP signed-note) and verifier keys: `<name>+<id>+<base64(1 ‖ key)>`.

import { NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX } from "./agreed.js";
import { Invalid, Untrusted, concat, equal, fromBase64, hex, sha256, utf8, verifyEd25519 } from "./bytes.js";

const ED25519 = 1;
// eslint-disable-next-line no-control-regex -- control characters are what this refuses
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f]/;
// eslint-disable-next-line no-control-regex -- as above
const LINE = /^— ([^\s+\u0000-\u001f\u007f]+) ([A-Za-z0-9+/]+={0,2})$/;

/** A note cut into its text, final newline included, and signatures `{name, id, value}`; nothing is verified yet. */
export function parseNote(note) {
  if (utf8(note).length > NOTE_BYTES_MAX) throw new Invalid(`a note over ${NOTE_BYTES_MAX} bytes`);
  if (CONTROL.test(note)) throw new Invalid("a control character in a note");
  const cut = note.lastIndexOf("\n\n");
  if (cut < 1 || !note.endsWith("\n") || cut + 2 >= note.length) {
    throw new Invalid("a note is text, a blank line and signature lines");
  }
  const lines = note.slice(cut + 2, -1).split("\n");
  if (lines.length > NOTE_SIGNATURES_MAX) throw new Invalid("too many signature lines");
  return { text: note.slice(0, cut + 1), signatures: lines.map(parseLine) };
}

function parseLine(line) {
  const found = LINE.exec(line);
  if (!found) throw new Invalid("a signature line is an em dash, a key name and base64");
  const bytes = fromBase64(found[2]);
  if (bytes.length < 5) throw new Invalid("a signature line without a signature");
  return { name: found[1], id: hex(bytes.slice(0, 4)), value: bytes.slice(4) };
}

/** A verifier key `{name, id, publicKey}` from its text. */
export async function parseVerifierKey(text) {
  const [name, id, ...rest] = text.split("+");
  const bytes = fromBase64(rest.join("+"));
  if (!name || bytes.length !== 33 || bytes[0] !== ED25519) throw new Invalid("not a verifier key of Ed25519");
  const digest = await sha256(concat(utf8(`${name}\n`), bytes));
  if (!equal(utf8(hex(digest.slice(0, 4))), utf8(id))) throw new Invalid("the key id is not that of the key");
  return { name, id, publicKey: bytes.slice(1) };
}

/** Throw Untrusted unless a line of exactly this key, by name and id, verifies over the text. */
export async function verifyNote(note, key) {
  const line = note.signatures.find((one) => one.name === key.name && one.id === key.id);
  if (!line) throw new Untrusted(`no signature by key ${key.id} of ${key.name}`);
  if (line.value.length !== 64) throw new Untrusted(`the signature of ${key.name} has the wrong length`);
  await verifyEd25519(key.publicKey, line.value, utf8(note.text));
}
