// Reading a credential as a proof of service: step 1 of docs/proofs.md, "Checking a proof".

import { CONTEXT, CREDENTIAL_BYTES_MAX } from "./agreed.js";
import { Invalid, utf8 } from "./bytes.js";
import { checkForm } from "./form.js";
import { canonicalise, parse } from "./jcs.js";
import { isDay, seconds } from "./time.js";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The credential, its proof's number and its dates in unix seconds (`expires` null for none); throws Invalid. */
export function readCredential(text) {
  if (utf8(text).length > CREDENTIAL_BYTES_MAX) throw new Invalid(`a credential over ${CREDENTIAL_BYTES_MAX} bytes`);
  const credential = parse(text);
  checkForm("Credential", credential);
  if (canonicalise(credential["@context"]) !== canonicalise(CONTEXT)) {
    throw new Invalid("the @context is not that of a proof of service");
  }
  const { achievement, service } = credential.credentialSubject;
  if ((achievement.achievementType === "Award") !== (service.kind === "star")) {
    throw new Invalid("an award is a star level, and nothing else is one");
  }
  if (service.kind === "service") checkSums(service);
  const proof = credential.id.slice(credential.id.lastIndexOf("/") + 1);
  if (!UUID.test(proof)) throw new Invalid("not a lower-case UUID");
  const expires = credential.validUntil === undefined ? null : seconds(credential.validUntil);
  return { credential, proof, issued: seconds(credential.validFrom), expires };
}

// What adds up for one reader is to add up for all: the whole is told in minutes, and again in its parts.
function checkSums(service) {
  if (![service.first, service.last].every(isDay) || service.first > service.last) {
    throw new Invalid("the period ends before it begins");
  }
  const { categories, grades, lines, others } = service;
  for (const parts of [categories, grades, others === undefined ? lines : [...lines, others]]) {
    for (const name of ["minutes", "entries"]) {
      const sum = parts.reduce((before, part) => before + BigInt(part[name]), 0n);
      if (sum !== BigInt(service[name])) throw new Invalid("the parts do not add up to the whole");
    }
  }
  if (new Set(categories.map((one) => one.category)).size < categories.length) {
    throw new Invalid("a category stands there twice");
  }
}
