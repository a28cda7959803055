// Checking a proof of service: the six numbered steps and one outcome (docs/format.md, "Checking a proof").

import { Invalid, Untrusted, sha256, toBase64url } from "./bytes.js";
import { openCode } from "./cose.js";
import { checkProofs } from "./data-integrity.js";
import { canonicalBytes, canonicalise, parse } from "./jcs.js";
import { checkReceipt } from "./merkle.js";
import { parseVerifierKey } from "./note.js";
import { openList } from "./status-list.js";
import { seconds, timeText } from "./time.js";

export const STEPS = ["form", "issuer", "signature", "evidence", "dates", "status"];
const CLOCK_AHEAD_MAX = 300;
const CONTEXTS = [
  "https://www.w3.org/ns/credentials/v2",
  "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
];
const TERMS = {
  service: { "@id": "urn:yongzhi:vocab:service", "@type": "@json" },
  event: "urn:yongzhi:vocab:event",
  tlogProof: "urn:yongzhi:vocab:tlogProof",
  "1EdTechJsonSchemaValidator2019":
    "https://purl.imsglobal.org/spec/vccs/v1p0/context.json#1EdTechJsonSchemaValidator2019",
};
const MEMBERS = new Set(
  ("@context credentialSchema credentialStatus credentialSubject evidence id issuer name proof type validFrom " +
    "validUntil").split(" "),
);
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * What a proof comes to: `{outcome, format, steps: [{number, code, result, detail}], …}` with what was learnt of it.
 * `trust` is a Trust, `fetchList(url)` gives a status list's text or null, `now` is in unix seconds. Never throws for
 * what is in the text.
 */
export async function check(text, trust, fetchList, now) {
  const course = new Course(isCode(text) ? "code" : "vc");
  try {
    const stated = await (isCode(text) ? checkCode : checkCredential)(course, text.trim(), trust);
    await course.step("dates", () => checkDates(stated, now));
    await checkStatus(course, stated, fetchList, now);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  }
  return course.verdict();
}

/** Whether a text is a QR's: the address of a page with a fragment, or the fragment alone. */
export const isCode = (text) => /^(?:https?:\/\/[!-~]+#)?[A-Za-z0-9_-]+$/.test(text.trim());

class Stopped extends Error {}

class Course {
  constructor(format) {
    this.known = { format };
    this.steps = [];
  }

  record(code, result, detail = "") {
    this.steps.push({ number: this.steps.length + 1, code, result, detail });
  }

  fail(code, detail) {
    this.record(code, "failed", detail);
    throw new Stopped();
  }

  async step(code, action) {
    const value = await this.attempt(code, action);
    this.record(code, "passed");
    return value;
  }

  async attempt(code, action) {
    try {
      return await action();
    } catch (error) {
      if (error instanceof Invalid || error instanceof Untrusted) return this.fail(code, error.message);
      throw error;
    }
  }

  verdict() {
    const taken = Object.fromEntries(this.steps.map((step) => [step.code, step.result]));
    for (const code of STEPS.slice(this.steps.length)) this.record(code, "skipped");
    return { outcome: outcomeOf(taken), steps: this.steps, ...this.known };
  }
}

function outcomeOf(taken) {
  const believed = ["form", "issuer", "signature"].every((code) => taken[code] === "passed");
  if (!believed || !["passed", "skipped"].includes(taken.evidence)) return "invalid";
  if (taken.dates !== "passed") return "expired";
  return { passed: "valid", failed: "revoked" }[taken.status] ?? "status-unknown";
}

// -- steps 1 to 4 of a credential -----------------------------------------------------------------

async function checkCredential(course, text, trust) {
  const credential = await course.step("form", () => readCredential(text));
  const { credentialStatus: status } = credential;
  const proof = credential.id.slice(credential.id.lastIndexOf("/") + 1);
  const service = credential.credentialSubject.service;
  Object.assign(course.known, { credential, proof, issued: credential.validFrom, statement: service });
  const region = await course.step("issuer", () => findIssuer(course, credential, proof, trust));
  const findKey = (method) => trust.methodKey(region, method);
  await course.step("signature", () => checkProofs(credential, findKey));
  await course.step("evidence", () => checkEvidence(credential, proof, region));
  return {
    issued: seconds(credential.validFrom),
    expires: credential.validUntil === undefined ? null : seconds(credential.validUntil),
    url: status.statusListCredential,
    index: Number(status.statusListIndex),
    findKey,
  };
}

function readCredential(text) {
  const found = parse(text);
  const status = found?.credentialStatus;
  const subject = found?.credentialSubject;
  const proof = typeof found?.id === "string" ? found.id.slice(found.id.lastIndexOf("/") + 1) : "";
  const good =
    Object.keys(found ?? {}).every((name) => MEMBERS.has(name)) &&
    canonicalise(found?.["@context"] ?? null) === canonicalise([...CONTEXTS, TERMS]) &&
    canonicalise(found.type ?? null) === '["VerifiableCredential","OpenBadgeCredential"]' &&
    UUID.test(proof) &&
    typeof found.issuer?.id === "string" &&
    typeof subject?.service?.region === "string" &&
    ["service", "star"].includes(subject.service.kind) &&
    status?.type === "BitstringStatusListEntry" &&
    status.statusPurpose === "revocation" &&
    typeof status.statusListCredential === "string" &&
    /^(?:0|[1-9][0-9]{0,7})$/.test(status.statusListIndex);
  if (!good) throw new Invalid("not written as a proof of service is");
  seconds(found.validFrom);
  if (found.validUntil !== undefined) seconds(found.validUntil);
  return found;
}

function findIssuer(course, credential, proof, trust) {
  const region = trust.byDid(credential.issuer.id);
  if (!region) throw new Untrusted(`${credential.issuer.id} is not in the trust bundle`);
  if (credential.credentialSubject.service.region !== region.region)
    throw new Untrusted("it states service of another region");
  if (credential.id !== `${region.base}/p/${proof}`)
    throw new Untrusted(`the proof's address is not one of ${region.base}`);
  const list = new RegExp(`^${region.region}-[1-9][0-9]{0,8}$`);
  const url = credential.credentialStatus.statusListCredential;
  const name = url.slice(url.lastIndexOf("/") + 1);
  if (!list.test(name) || url !== `${region.base}/status/${name}`)
    throw new Untrusted("its status list is not the region's");
  nameIssuer(course, region, seconds(credential.validFrom));
  return region;
}

function nameIssuer(course, region, issued) {
  Object.assign(course.known, { region: region.region, issuer: `${region.name.zh} · ${region.name.en}` });
  if (region.closed !== undefined && issued >= seconds(region.closed)) {
    throw new Untrusted(`the region closed at ${region.closed}, before the proof was issued`);
  }
}

async function checkEvidence(credential, proof, region) {
  const { evidence, proof: _, ...bare } = credential;
  const [found] = Array.isArray(evidence) && evidence.length === 1 ? evidence : [];
  if (typeof found?.event !== "string" || typeof found.tlogProof !== "string") throw new Untrusted("no evidence");
  const event = parse(found.event);
  if (canonicalise(event) !== found.event) throw new Invalid("an event that is not in canonical form");
  const name = credential.credentialStatus.statusListCredential.split("/").at(-1);
  const expected = {
    type: "proof.issued/1",
    issuer: `region:${region.region}`,
    ledger: region.region,
    subject: `proof:${proof}`,
    format: "vc",
    credential: toBase64url(await sha256(canonicalBytes(bare))),
    status: { index: Number(credential.credentialStatus.statusListIndex), list: name },
  };
  for (const [member, value] of Object.entries(expected)) {
    if (canonicalise(event[member] ?? null) !== canonicalise(value)) {
      throw new Untrusted(`the event in evidence has another ${member}`);
    }
  }
  await checkLog(found, region);
}

async function checkLog(evidence, region) {
  let failure = new Untrusted("the trust bundle has no key of the region's log");
  for (const key of region.log_keys) {
    try {
      return await checkReceipt(evidence.tlogProof, evidence.event, await parseVerifierKey(key));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

// -- steps 1 to 4 of a signed code ----------------------------------------------------------------

async function checkCode(course, text, trust) {
  let reached = "form";
  let region = null;
  const findKey = async (code, kid) => {
    reached = "issuer";
    region = trust.byCode(code);
    if (!region) throw new Untrusted(`region ${code} is not in the trust bundle`);
    if (text.includes("#") && !text.startsWith(`${region.base}/p/`))
      throw new Untrusted(`not a page of ${region.base}`);
    const key = await trust.codeKey(region, kid);
    reached = "signature";
    return key;
  };
  let code;
  try {
    code = await openCode(text, findKey);
  } catch (error) {
    if (!(error instanceof Invalid || error instanceof Untrusted)) throw error;
    const failed = error instanceof Invalid ? "form" : reached;
    for (const passed of STEPS.slice(0, STEPS.indexOf(failed))) course.record(passed, "passed");
    course.fail(failed, error.message);
  }
  course.record("form", "passed");
  await course.step("issuer", () => nameIssuer(course, region, code.issued));
  course.record("signature", "passed");
  course.record("evidence", "skipped");
  Object.assign(course.known, { code, proof: code.proof, issued: timeText(code.issued), statement: code });
  return {
    issued: code.issued,
    expires: null,
    url: `${region.base}/status/${code.list}`,
    index: code.index,
    findKey: (method) => trust.methodKey(region, method),
  };
}

// -- steps 5 and 6 --------------------------------------------------------------------------------

function checkDates(stated, now) {
  if (stated.issued > now + CLOCK_AHEAD_MAX) throw new Untrusted(`valid only from ${timeText(stated.issued)}`);
  if (stated.expires !== null && now >= stated.expires) throw new Untrusted(`expired at ${timeText(stated.expires)}`);
}

async function checkStatus(course, stated, fetchList, now) {
  let list;
  let revoked;
  try {
    const text = await fetchList(stated.url);
    if (text === null) throw new Untrusted("no status list is at hand");
    list = await openList(text, stated.url, stated.findKey);
    revoked = list.isRevoked(stated.index);
  } catch (error) {
    if (!(error instanceof Invalid || error instanceof Untrusted)) throw error;
    course.record("status", "unknown", error.message);
    return;
  }
  course.known.asOf = timeText(list.validFrom);
  if (revoked) course.fail("status", `revoked by the list of ${course.known.asOf}`);
  if (list.validFrom > now + CLOCK_AHEAD_MAX) course.record("status", "unknown", "the status list is yet to come");
  else if (list.validUntil !== null && now >= list.validUntil) {
    course.record("status", "unknown", `the status list expired at ${timeText(list.validUntil)}`);
  } else course.record("status", "passed");
}
