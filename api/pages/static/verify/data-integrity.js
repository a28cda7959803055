// Data Integrity proof sets of our documents: `eddsa-jcs-2022` is verified here (W3C vc-di-eddsa 1.0, 3.3).
//
// `eddsa-rdfc-2022` signs the same content in another form; a browser would need a JSON-LD processor for it. That it
// is there, well-formed and by the issuer is checked; its signature is left to the server and the command line, and
// pages say so.

import { SIGNATURES_MAX } from "./agreed.js";
import { Invalid, Untrusted, concat, sha256, verifyEd25519 } from "./bytes.js";
import { checkForm } from "./form.js";
import { canonicalBytes, canonicalise } from "./jcs.js";
import { parseBase58 } from "./multikey.js";

export const JCS = "eddsa-jcs-2022";
export const RDFC = "eddsa-rdfc-2022";

/** Throw Untrusted unless all JCS proofs of the document hold, under keys that `findKey(method)` gives. */
export async function checkProofs(document, findKey) {
  const proofs = readProofs(document);
  for (const suite of [JCS, RDFC]) {
    if (!proofs.some((proof) => proof.cryptosuite === suite)) throw new Untrusted(`no ${suite} proof`);
  }
  const { proof: _, ...bare } = document;
  const hash = await sha256(canonicalBytes(bare));
  for (const proof of proofs) {
    const publicKey = await findKey(proof.verificationMethod);
    const signature = asUntrusted(() => readProof(proof, bare));
    if (proof.cryptosuite === JCS) await verifyEd25519(publicKey, signature, await message(proof, hash));
  }
}

// The 64 bytes of its signature.
function readProof(proof, bare) {
  // A proof over the first contexts only (3.3.2, step 4) would leave the rest of them unsigned.
  if ("@context" in proof && canonicalise(proof["@context"]) !== canonicalise(bare["@context"] ?? null)) {
    throw new Untrusted("the proof has another @context than the document");
  }
  if (!proof.proofValue.startsWith("z")) throw new Untrusted("a proofValue is base58 in multibase");
  return parseBase58(proof.proofValue.slice(1), 64);
}

async function message(proof, hash) {
  const { proofValue: _, ...options } = proof;
  return concat(await sha256(canonicalBytes(options)), hash);
}

function readProofs(document) {
  const { proof: proofs } = document;
  if (!Array.isArray(proofs) || !proofs.length || proofs.length > SIGNATURES_MAX) throw new Untrusted("no proof set");
  const issuer = issuerOf(document);
  const seen = new Set();
  for (const proof of proofs) {
    asUntrusted(() => checkForm("Proof", proof));
    if (proof.verificationMethod.split("#")[0] !== issuer) throw new Untrusted("a proof by another than the issuer");
    const name = `${proof.cryptosuite} ${proof.verificationMethod}`;
    if (seen.has(name)) throw new Untrusted("a proof that is there twice");
    seen.add(name);
  }
  return proofs;
}

// Whatever is wrong with a proof, it is the signature that does not hold.
function asUntrusted(action) {
  try {
    return action();
  } catch (error) {
    throw error instanceof Invalid ? new Untrusted(error.message) : error;
  }
}

function issuerOf(document) {
  const issuer = typeof document.issuer === "object" && document.issuer ? document.issuer.id : document.issuer;
  if (typeof issuer !== "string") throw new Invalid("no issuer");
  return issuer;
}
