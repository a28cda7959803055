// Merkle trees as RFC 6962 defines them, and inclusion proofs with receipts (C2SP tlog-proof, tlog-checkpoint).

import { Invalid, Untrusted, concat, equal, fromBase64, sha256, toBase64, utf8 } from "./bytes.js";
import { parseNote, verifyNote } from "./note.js";

const HEADER = "c2sp.org/tlog-proof@v1";
const PATH_MAX = 64;

export const leafHash = (entry) => sha256(concat(new Uint8Array([0]), entry));

export const nodeHash = (left, right) => sha256(concat(new Uint8Array([1]), left, right));

/** Throw Untrusted unless the path leads from the leaf to the root (RFC 9162, 2.1.3.2). Index and size are BigInts. */
export async function checkInclusion(leaf, index, size, path, root) {
  if (index < 0n || index >= size) throw new Untrusted("the index lies outside the tree");
  let position = index;
  let last = size - 1n;
  let result = leaf;
  for (const sibling of path) {
    if (last === 0n) throw new Untrusted("the inclusion proof is too long");
    if (position & 1n || position === last) {
      result = await nodeHash(sibling, result);
      while (!(position & 1n) && position) {
        position >>= 1n;
        last >>= 1n;
      }
    } else {
      result = await nodeHash(result, sibling);
    }
    position >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new Untrusted("the inclusion proof is too short");
  if (!equal(result, root)) throw new Untrusted("the inclusion proof does not lead to the root");
}

/** The checkpoint `{origin, size, root}` of a note's text, which must be its canonical spelling. */
export function parseCheckpoint(text) {
  const [origin, size, encoded, ...rest] = text.split("\n");
  if (!origin || rest.length !== 1 || rest[0] !== "" || !/^(?:0|[1-9][0-9]{0,15})$/.test(size)) {
    throw new Invalid("a checkpoint has three lines: origin, size, root");
  }
  const root = fromBase64(encoded);
  if (root.length !== 32 || toBase64(root) !== encoded) throw new Invalid("a checkpoint's root is a SHA-256");
  return { origin, size: BigInt(size), root };
}

/** Where a body stands in the log of a verifier key, `{index, recordedAt}`; throws Invalid or Untrusted. */
export async function checkReceipt(text, body, key) {
  const cut = text.indexOf("\n\n");
  const lines = text.slice(0, Math.max(cut, 0)).split("\n");
  if (cut < 0 || lines.length < 3 || lines.length > 3 + PATH_MAX || lines[0] !== HEADER) {
    throw new Invalid(`not a ${HEADER}`);
  }
  const recordedAt = fromBase64(valueOf(lines[1], "extra "));
  const index = valueOf(lines[2], "index ");
  if (recordedAt.length !== 8 || !/^(?:0|[1-9][0-9]{0,15})$/.test(index)) {
    throw new Invalid("a receipt's extra is 8 bytes and its index a number");
  }
  const path = lines.slice(3).map(fromBase64);
  if (path.some((node) => node.length !== 32)) throw new Invalid("an inclusion proof consists of SHA-256 hashes");
  const note = parseNote(text.slice(cut + 2));
  await verifyNote(note, key);
  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== key.name) throw new Untrusted("the checkpoint is of another log");
  const leaf = await leafHash(concat(await sha256(utf8(body)), recordedAt));
  await checkInclusion(leaf, BigInt(index), checkpoint.size, path, checkpoint.root);
  return { index: Number(index), recordedAt: Number(new DataView(recordedAt.buffer).getBigUint64(0)) };
}

function valueOf(line, name) {
  if (!line.startsWith(name)) throw new Invalid(`a receipt's line ${name.trim()} is missing`);
  return line.slice(name.length);
}
