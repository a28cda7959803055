// Checking a proof of service: the six numbered steps and one outcome (docs/proofs.md, "Checking a proof").

import { CLOCK_AHEAD_MAX, LIST_PATTERN } from "./agreed.js";
import { Invalid, Untrusted } from "./bytes.js";
import { openCode, pageIn } from "./cose.js";
import { readCredential } from "./credential.js";
import { checkProofs } from "./data-integrity.js";
import { checkEvidence } from "./evidence.js";
import { openList } from "./status-list.js";
import { seconds, timeText } from "./time.js";

export const STEPS = ["form", "issuer", "signature", "evidence", "dates", "status"];
const LIST = new RegExp(LIST_PATTERN);

/**
 * What a proof comes to: `{outcome, format, steps: [{number, code, result, detail}], …}` with what was learnt of it.
 * `trust` is a Trust, `findLists(url)` gives the texts of all that claim to be
 * the status list of an address, `now` is in unix seconds. Never throws for
 * what is in the text.
 */
export async function check(text, trust, findLists, now) {
  const course = new Course(isCode(text) ? "code" : "vc");
  try {
    const stated = await (isCode(text) ? checkCode : checkCredential)(course, text.trim(), trust);
    await course.ask("dates", () => checkDates(stated, now)); // a proof that was revoked is so whatever its dates are
    await checkStatus(course, stated, findLists, now);
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

  record(code, result, detail = "", note = "") {
    this.steps.push({ number: this.steps.length + 1, code, result, detail, note });
  }

  fail(code, detail) {
    this.record(code, "failed", detail);
    throw new Stopped();
  }

  /** A step that fails by throwing, after which the next is asked all the same; gives whether it passed. */
  async ask(code, action, note = "") {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof Invalid || error instanceof Untrusted)) throw error;
      this.record(code, "failed", error.message);
      return false;
    }
    this.record(code, "passed", "", note);
    return true;
  }

  /** A step without which there is no next; `note` is the key of a text that is told of it when it passes. */
  async step(code, action, note = "") {
    let value;
    const passed = await this.ask(code, async () => (value = await action()), note);
    if (!passed) throw new Stopped();
    return value;
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
  if (taken.status === "failed") return "revoked"; // for good, whatever the dates are
  if (taken.dates !== "passed") return "expired";
  return taken.status === "passed" ? "valid" : "status-unknown";
}

// -- steps 1 to 4 of a credential -----------------------------------------------------------------

async function checkCredential(course, text, trust) {
  const read = await course.step("form", () => readCredential(text));
  const { credential, proof } = read;
  const { statusListCredential: url, statusListIndex: index } = credential.credentialStatus;
  const { service } = credential.credentialSubject;
  Object.assign(course.known, { credential, proof, issued: credential.validFrom, statement: service });
  const region = await course.step("issuer", () => findIssuer(course, read, trust));
  const findKey = (method) => trust.methodKey(region, method);
  await course.step("signature", () => checkProofs(credential, findKey), "js.signature.half");
  await course.step("evidence", () => checkEvidence(read, region));
  return { issued: read.issued, expires: read.expires, url, index: Number(index), findKey };
}

function findIssuer(course, { credential, proof, issued }, trust) {
  const region = trust.byDid(credential.issuer.id);
  if (!region) throw new Untrusted(`${credential.issuer.id} is not in the trust bundle`);
  if (credential.credentialSubject.service.region !== region.region)
    throw new Untrusted("it states service of another region");
  if (credential.id !== `${region.base}/p/${proof}`)
    throw new Untrusted(`the proof's address is not one of ${region.base}`);
  const url = credential.credentialStatus.statusListCredential;
  const name = url.slice(url.lastIndexOf("/") + 1);
  const [, code, tokens] = LIST.exec(name) ?? [];
  if (code !== region.region || tokens !== "" || url !== `${region.base}/status/${name}`)
    throw new Untrusted("its status list is not the region's");
  for (const { verificationMethod } of credential.proof ?? []) trust.methodKey(region, verificationMethod);
  nameIssuer(course, region, issued);
  return region;
}

function nameIssuer(course, region, issued) {
  Object.assign(course.known, { region: region.region, issuer: `${region.name.zh} · ${region.name.en}` });
  if (region.closed !== undefined && issued > seconds(region.closed)) {
    throw new Untrusted(`the region closed at ${region.closed}, before the proof was issued`);
  }
}

// -- steps 1 to 4 of a signed code ----------------------------------------------------------------

async function checkCode(course, text, trust) {
  let reached = "form";
  let region = null;
  const findKey = async (code, kid) => {
    reached = "issuer";
    const found = await trust.codeKey(code, kid);
    region = found.region;
    reached = "signature";
    return found.publicKey;
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
  await course.step("issuer", () => {
    const page = pageIn(text);
    if (page !== null && page !== `${region.base}/p/${code.proof}`)
      throw new Untrusted(`the page is not one of ${region.base}: do not open it`);
    nameIssuer(course, region, code.issued);
  });
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

// Any list may be an old one, from a cache or a bundle; but what one revokes stays revoked.
async function checkStatus(course, stated, findLists, now) {
  const { opened, failure } = await openLists(stated, await findLists(stated.url));
  const [newest] = opened;
  if (!newest) {
    course.record("status", "unknown", failure);
    return;
  }
  const revoking = opened.find((list) => list.revoked);
  course.known.asOf = timeText((revoking ?? newest).validFrom);
  if (revoking) course.fail("status", `revoked by the list of ${course.known.asOf}`);
  if (newest.validFrom > now + CLOCK_AHEAD_MAX) course.record("status", "unknown", "the status list is yet to come");
  else if (newest.validUntil !== null && now >= newest.validUntil) {
    course.record("status", "unknown", `the status list expired at ${timeText(newest.validUntil)}`);
  } else course.record("status", "passed");
}

// Those lists that hold, newest first, and why another does not.
async function openLists({ url, index, findKey }, texts) {
  const opened = [];
  let failure = "no status list is at hand";
  for (const text of texts) {
    try {
      const list = await openList(text, url, findKey);
      opened.push({ ...list, revoked: list.isRevoked(index) });
    } catch (error) {
      if (!(error instanceof Invalid || error instanceof Untrusted)) throw error;
      failure = error.message;
    }
  }
  opened.sort((one, other) => other.validFrom - one.validFrom);
  return { opened, failure };
}
