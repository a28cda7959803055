// The event that issued a credential, and where it stands in the region's log: step 4 of "Checking a proof".

import { BODY_BYTES_MAX, CLOCK_AHEAD_MAX } from "./agreed.js";
import { Invalid, Untrusted, sha256, toBase64url, utf8 } from "./bytes.js";
import { checkForm } from "./form.js";
import { canonicalise, checkPlain, parse } from "./jcs.js";
import { checkReceipt } from "./merkle.js";
import { parseVerifierKey } from "./note.js";
import { seconds, timeText } from "./time.js";

/**
 * Throw Invalid or Untrusted unless the region's log holds the event that issued exactly this credential, `proof`, and
 * took it in before the region closed. `issued` is the credential's own date in unix seconds.
 */
export async function checkEvidence({ credential, proof, issued }, region) {
  const { evidence, proof: _, ...bare } = credential;
  if (evidence === undefined) throw new Untrusted("the credential carries no evidence");
  const [{ event: body, tlogProof: receipt }] = evidence;
  const event = readEvent(body);
  for (const [member, value] of Object.entries(await expected(credential, bare, proof, region))) {
    if (canonicalise(event[member]) !== canonicalise(value)) {
      throw new Untrusted(`the event in evidence has another ${member}`);
    }
  }
  const { recordedAt } = await checkLog(receipt, body, region);
  checkRecorded(recordedAt, issued, region);
}

function readEvent(body) {
  if (utf8(body).length > BODY_BYTES_MAX) throw new Invalid(`a body over ${BODY_BYTES_MAX} bytes`);
  const event = parse(body);
  if (canonicalise(event) !== body) throw new Invalid("an event that is not in canonical form");
  checkPlain(body);
  checkForm("ProofIssued", event);
  seconds(event.time);
  return event;
}

async function expected(credential, bare, proof, region) {
  const { statusListCredential: url, statusListIndex: index } = credential.credentialStatus;
  const content = canonicalise(bare);
  checkPlain(content);
  return {
    issuer: `region:${region.region}`,
    ledger: region.region,
    subject: `proof:${proof}`,
    format: "vc",
    credential: toBase64url(await sha256(utf8(content))),
    status: { index: Number(index), list: url.slice(url.lastIndexOf("/") + 1) },
  };
}

async function checkLog(receipt, body, region) {
  let failure = new Untrusted("the trust bundle has no key of the region's log");
  for (const key of region.log_keys) {
    try {
      return await checkReceipt(receipt, body, await parseVerifierKey(key));
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

// The dates in a credential are its signer's word; a key that was stolen can write any. The log's time is not.
function checkRecorded(recordedAt, issued, region) {
  if (region.closed !== undefined && recordedAt > seconds(region.closed)) {
    throw new Untrusted(`recorded at ${timeText(recordedAt)}, after the region closed at ${region.closed}`);
  }
  if (issued > recordedAt + CLOCK_AHEAD_MAX) {
    throw new Untrusted(`dated after ${timeText(recordedAt)}, when the log took it in`);
  }
}
