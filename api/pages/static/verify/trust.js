// The trust bundle: which regions there are, where, and by which keys they sign (docs/proofs.md, "Trust bundle").
//
// A browser has pinned no key of the federation: that the bundle is whole and in force is checked, that it is the
// right one is not. Who wants to know that uses the command line with a key obtained elsewhere.

import { CLOCK_AHEAD_MAX, FEDERATION_HEADER } from "./agreed.js";
import { Invalid, Untrusted, hex, sha256, toBase64 } from "./bytes.js";
import { keyId } from "./cose.js";
import { checkForm } from "./form.js";
import { canonicalBytes, canonicalise, parse } from "./jcs.js";
import { parseEd25519 } from "./multikey.js";
import { parseNote, parseVerifierKey, verifyNote } from "./note.js";
import { seconds } from "./time.js";

/** The bundle as a Trust, once enough of the keys that it names signed it; throws Invalid or Untrusted. */
export async function openBundle(text, now) {
  const bundle = parse(text);
  if (canonicalise(bundle) !== text) throw new Invalid("a trust bundle that is not in canonical form");
  checkForm("Bundle", bundle);
  const { federation, lists, note } = bundle;
  const signed = parseNote(note);
  const digest = toBase64(await sha256(canonicalBytes(federation)));
  if (signed.text !== `${FEDERATION_HEADER}\n${federation.name}\n${federation.serial}\n${digest}\n`) {
    throw new Untrusted("the note of the trust bundle is about another federation");
  }
  const good = await signers(signed, federation.keys);
  if (good.size < federation.threshold) throw new Untrusted("too few sign the trust bundle");
  checkFederation(federation, now);
  return new Trust(federation.regions, lists);
}

// Of public keys: one key under two names signs once.
async function signers(note, keys) {
  const good = new Set();
  for (const text of keys) {
    try {
      const key = await parseVerifierKey(text);
      await verifyNote(note, key);
      good.add(hex(key.publicKey));
    } catch (error) {
      if (!(error instanceof Invalid || error instanceof Untrusted)) throw error;
    }
  }
  return good;
}

function checkFederation({ issued, expires, regions }, now) {
  if (seconds(issued) > now + CLOCK_AHEAD_MAX) throw new Untrusted(`the trust bundle is of ${issued}, yet to come`);
  if (seconds(expires) <= seconds(issued)) throw new Invalid("a trust bundle that expires before it is issued");
  if (now >= seconds(expires)) throw new Untrusted(`the trust bundle expired at ${expires}`);
  for (const name of ["origin", "did"]) checkOnce(regions.map((region) => region[name]));
  checkOnce(regions.filter(({ closed }) => closed === undefined).map(({ region }) => region));
  for (const one of regions) {
    const goesOn = regions.some((other) => other !== one && other.region === one.region);
    if (goesOn && one.closed !== undefined && one.final === undefined)
      throw new Invalid(`where the log ${one.origin} ended is not stated`);
  }
  for (const name of ["log_keys", "credential_keys"]) checkOnce(regions.flatMap((region) => region[name]));
  for (const { closed } of regions) if (closed !== undefined) seconds(closed);
}

function checkOnce(values) {
  if (new Set(values).size < values.length) throw new Invalid("the trust bundle names something twice");
}

/** Regions by what documents name them by, and status lists by address. */
export class Trust {
  constructor(regions, lists = {}) {
    this.regions = regions;
    this.lists = lists;
  }

  /** The status list that came along for an address, or null. It carries signatures of its own. */
  list(url) {
    return Object.hasOwn(this.lists, url) ? this.lists[url] : null;
  }

  /** All logs of a region: one that goes on under another log has several. */
  byCode(code) {
    return this.regions.filter(({ region }) => region === code);
  }

  byDid(did) {
    return this.regions.find((region) => region.did === did) ?? null;
  }

  /** The 32 bytes of a region's verification method, `<did>#<multikey>`; throws Untrusted for any other. */
  methodKey(region, method) {
    const key = region.credential_keys.find((one) => `${region.did}#${one}` === method);
    if (!key) throw new Untrusted(`${method} is no key of ${region.region} in the trust bundle`);
    return parseEd25519(key);
  }

  /** The log of a region that has a key with a kid of the signed code, and its 32 bytes; throws Untrusted for none. */
  async codeKey(code, kid) {
    for (const region of this.byCode(code)) {
      for (const key of region.credential_keys) {
        const publicKey = parseEd25519(key);
        if ((await keyId(publicKey)) === kid) return { region, publicKey };
      }
    }
    throw new Untrusted(`no key ${kid} of ${code} in the trust bundle`);
  }
}
