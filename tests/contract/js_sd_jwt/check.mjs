// Checks SD-JWTs with @sd-jwt/sd-jwt-vc. In: an array of {token, key, now, list, listKey, nonce, audience}, keys as
// JWK; out: for each {ok, claims, error}. What the library leaves to its caller is done here: the audience.
import {readFileSync} from 'node:fs';
import {SDJwtVcInstance} from '@sd-jwt/sd-jwt-vc';
import {ES256, digest} from '@sd-jwt/crypto-nodejs';

async function check({token, key, now, list, listKey, nonce, audience}) {
  const instance = new SDJwtVcInstance({
    hasher: digest,
    hashAlg: 'sha-256',
    verifier: await ES256.getVerifier(key),
    kbVerifier: async (data, signature, payload) => (await ES256.getVerifier(payload.cnf.jwk))(data, signature),
    statusVerifier: listKey && (await ES256.getVerifier(listKey)),
    statusListFetcher: async (uri) => {
      if(list?.uri !== uri) {
        throw new Error('no such status list');
      }
      return list.text;
    },
  });
  try {
    const {payload, header, kb} = await instance.verify(token, {currentDate: now, keyBindingNonce: nonce});
    if(header.alg !== 'ES256' || header.typ !== 'dc+sd-jwt') {
      throw new Error('not an SD-JWT VC with ES256');
    }
    if(audience && kb?.payload.aud !== audience) {
      throw new Error('Invalid Audience');
    }
    return {ok: true, claims: payload};
  } catch(error) {
    return {ok: false, error: error.message};
  }
}

const cases = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(await Promise.all(cases.map(check))));
