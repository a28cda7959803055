// The trust bundle: which regions there are, where, and by which keys they sign (docs/format.md, "Federation file").
//
// A browser has pinned no key of the federation: that the bundle is whole and in force is checked, that it is the
// right one is not. Who wants to know that uses the command line with a key obtained elsewhere.

import { Invalid, Untrusted, sha256, toBase64 } from "./bytes.js";
import { keyId } from "./cose.js";
import { canonicalBytes, parse } from "./jcs.js";
import { parseEd25519 } from "./multikey.js";
import { parseNote, parseVerifierKey, verifyNote } from "./note.js";
import { seconds } from "./time.js";

const HEADER = "yongzhi.federation/1";

/** The bundle as a Trust, once enough of the keys that it names signed it; throws Invalid or Untrusted. */
export async function openBundle(text, now) {
  const { federation, lists, note } = parse(text) ?? {};
  if (!Array.isArray(federation?.regions) || !Array.isArray(federation.keys) || typeof note !== "string") {
    throw new Invalid("not a trust bundle");
  }
  const signed = parseNote(note);
  const digest = toBase64(await sha256(canonicalBytes(federation)));
  if (signed.text !== `${HEADER}\n${federation.name}\n${federation.serial}\n${digest}\n`) {
    throw new Untrusted("the note of the trust bundle is about another federation");
  }
  const good = await Promise.all(federation.keys.map((key) => isSigned(signed, key)));
  if (good.filter(Boolean).length < Math.max(federation.threshold, 1))
    throw new Untrusted("too few sign the trust bundle");
  if (now >= seconds(federation.expires)) throw new Untrusted(`the trust bundle expired at ${federation.expires}`);
  return new Trust(federation.regions, lists ?? {});
}

async function isSigned(note, key) {
  try {
    await verifyNote(note, await parseVerifierKey(key));
    return true;
  } catch {
    return false;
  }
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

  byCode(code) {
    return this.regions.find((region) => region.region === code) ?? null;
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

  /** The 32 bytes of a region's key with a kid of the signed code; throws Untrusted when it has none. */
  async codeKey(region, kid) {
    for (const key of region.credential_keys) {
      const publicKey = parseEd25519(key);
      if ((await keyId(publicKey)) === kid) return publicKey;
    }
    throw new Untrusted(`no key ${kid} of ${region.region} in the trust bundle`);
  }
}
