// Makes an SD-JWT, two presentations of it and a status list with the @sd-jwt packages. In: {issuer, holder} as
// private JWK, {header, claims, frame, shown, boundShown, binding, revoked, size, list}; out: {token, shown, bound,
// list}. The bound one is flat: in 0.19, `present` with a key binding loses disclosures within array elements.
import {readFileSync} from 'node:fs';
import {SDJwtVcInstance} from '@sd-jwt/sd-jwt-vc';
import {ES256, digest, generateSalt} from '@sd-jwt/crypto-nodejs';
import {Jwt} from '@sd-jwt/core';
import {StatusList, createHeaderAndPayload} from '@sd-jwt/jwt-status-list';

const asked = JSON.parse(readFileSync(0, 'utf8'));
const signer = await ES256.getSigner(asked.issuer);
const instance = new SDJwtVcInstance({
  hasher: digest,
  hashAlg: 'sha-256',
  saltGenerator: generateSalt,
  signer,
  signAlg: 'ES256',
  kbSigner: await ES256.getSigner(asked.holder),
  kbSignAlg: 'ES256',
});
const token = await instance.issue(asked.claims, asked.frame, {header: asked.header});
const shown = await instance.present(token, asked.shown);
const bound = await instance.present(token, asked.boundShown, {kb: {payload: asked.binding}});

const bits = new Array(asked.size).fill(0);
for(const index of asked.revoked) {
  bits[index] = 1;
}
const parts = createHeaderAndPayload(new StatusList(bits, 1), asked.list, {...asked.header, alg: 'ES256'});
const jwt = new Jwt(parts);
await jwt.sign(signer);
process.stdout.write(JSON.stringify({token, shown, bound, list: jwt.encodeJwt()}));
