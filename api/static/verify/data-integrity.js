// Data Integrity proof sets of our documents: `eddsa-jcs-2022` is verified here (W3C vc-di-eddsa 1.0, 3.3).
//
// `eddsa-rdfc-2022` signs the same content in another form; a browser would need a JSON-LD processor for it. That it
// is there and by the issuer is checked, its signature is left to the server and the command line.

import { Invalid, Untrusted, concat, sha256, verifyEd25519 } from "./bytes.js";
import { canonicalBytes, canonicalise } from "./jcs.js";
import { parseBase58 } from "./multikey.js";

export const JCS = "eddsa-jcs-2022";
export const RDFC = "eddsa-rdfc-2022";
const PROOFS_MAX = 4;
const MEMBERS = new Set([
  "@context",
  "created",
  "cryptosuite",
  "proofPurpose",
  "proofValue",
  "type",
  "verificationMethod",
]);

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
    if (proof.cryptosuite === JCS) await checkProof(bare, hash, proof, publicKey);
  }
}

async function checkProof(bare, hash, proof, publicKey) {
  const { proofValue, ...options } = proof;
  // A proof over the first contexts only (3.3.2, step 4) would leave the rest of them unsigned.
  if ("@context" in options && canonicalise(options["@context"]) !== canonicalise(bare["@context"] ?? null)) {
    throw new Untrusted("the proof has another @context than the document");
  }
  const message = concat(await sha256(canonicalBytes(options)), hash);
  await verifyEd25519(publicKey, parseBase58(proofValue.slice(1), 64), message);
}

function readProofs(document) {
  const { proof: proofs } = document;
  if (!Array.isArray(proofs) || !proofs.length || proofs.length > PROOFS_MAX) throw new Untrusted("no proof set");
  const issuer = issuerOf(document);
  const seen = new Set();
  for (const proof of proofs) {
    checkForm(proof);
    if (proof.verificationMethod.split("#")[0] !== issuer) throw new Untrusted("a proof by another than the issuer");
    const name = `${proof.cryptosuite} ${proof.verificationMethod}`;
    if (seen.has(name)) throw new Untrusted("a proof that is there twice");
    seen.add(name);
  }
  return proofs;
}

function checkForm(proof) {
  const good =
    proof !== null &&
    typeof proof === "object" &&
    Object.keys(proof).every((name) => MEMBERS.has(name)) &&
    proof.type === "DataIntegrityProof" &&
    [JCS, RDFC].includes(proof.cryptosuite) &&
    proof.proofPurpose === "assertionMethod" &&
    typeof proof.created === "string" &&
    typeof proof.verificationMethod === "string" &&
    typeof proof.proofValue === "string" &&
    proof.proofValue.startsWith("z");
  if (!good) throw new Untrusted("a proof that cannot be checked");
}

function issuerOf(document) {
  const issuer = typeof document.issuer === "object" && document.issuer ? document.issuer.id : document.issuer;
  if (typeof issuer !== "string") throw new Invalid("no issuer");
  return issuer;
}
