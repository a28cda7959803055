// Issues credentials under a did:key made of a seed in hexadecimal: {seed, credentials: {name: [cryptosuite, VC]},
// documents: {url: document}} gives {issuer, credentials: {name: VC}, presentation}.
import * as ed25519 from '@digitalbazaar/ed25519-multikey';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {createSignCryptosuite} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {answer, loaderOf} from './loader.mjs';

await answer(async ({seed, credentials, documents, challenge, domain}) => {
  const pair = await ed25519.generate({seed: new Uint8Array(Buffer.from(seed, 'hex'))});
  const issuer = `did:key:${pair.publicKeyMultibase}`;
  pair.controller = issuer;
  pair.id = `${issuer}#${pair.publicKeyMultibase}`;
  const signer = pair.signer();
  const documentLoader = loaderOf(documents);
  const suiteOf = name => new DataIntegrityProof({
    signer, cryptosuite: name === 'eddsa-jcs-2022' ? createSignCryptosuite() : rdfc
  });
  const made = {};
  for(const [name, [cryptosuite, credential]] of Object.entries(credentials)) {
    made[name] = await vc.issue({credential: {...credential, issuer}, suite: suiteOf(cryptosuite), documentLoader});
  }
  const presentation = await vc.signPresentation({
    presentation: vc.createPresentation({verifiableCredential: Object.values(made)[0], holder: issuer}),
    suite: suiteOf('eddsa-rdfc-2022'), challenge, domain, documentLoader
  });
  return {issuer, credentials: made, presentation};
});
