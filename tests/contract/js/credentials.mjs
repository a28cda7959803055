// Checks credentials with the packages of Digital Bazaar: {credentials: {name: VC}, documents: {url: document}}
// gives {name: {verified, proofs, revoked, error, naive}}.
import * as ed25519 from '@digitalbazaar/ed25519-multikey';
import * as status from '@digitalbazaar/vc-bitstring-status-list';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createVerifyCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {answer, loaderOf} from './loader.mjs';

// `ed25519` makes keys of Multikeys; a package that lacks it would fail only when a proof is met.
if(typeof ed25519.from !== 'function') {
  throw new Error('no Ed25519');
}

function suites() {
  return [createVerifyCryptosuite(), rdfc].map(cryptosuite => new DataIntegrityProof({cryptosuite}));
}

async function check(credential, documentLoader) {
  const proofs = [].concat(credential.proof ?? []);
  const result = await vc.verifyCredential({
    credential: structuredClone(credential),
    suite: suites(),
    documentLoader,
    checkStatus: options => status.checkStatus({...options, suite: suites()})
  });
  const checked = (result.results ?? []).filter(one => one.proof);
  // The library is content with one proof of a set, and with a status that was read, whatever it says.
  const every = proofs.length > 0 && checked.length === proofs.length && checked.every(one => one.verified);
  const statuses = result.statusResult?.results;
  const revoked = statuses ? statuses.some(one => one.status) : null;
  return {
    verified: result.verified && every && (!credential.credentialStatus || revoked === false),
    naive: result.verified,
    proofs: Object.fromEntries(checked.map(one => [one.proof.cryptosuite, one.verified])),
    revoked,
    error: explain(result)
  };
}

function explain(result) {
  const errors = [result.error, result.statusResult?.error, ...(result.results ?? []).map(one => one.error)];
  return errors.flat().filter(Boolean).map(error => error.message ?? String(error)).join('; ');
}

await answer(async ({credentials, documents}) => {
  const documentLoader = loaderOf(documents);
  const names = Object.keys(credentials);
  const results = await Promise.all(names.map(name => check(credentials[name], documentLoader)));
  return Object.fromEntries(names.map((name, place) => [name, results[place]]));
});
