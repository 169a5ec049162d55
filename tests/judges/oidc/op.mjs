// An identity provider for tests: `node op.mjs PORT OPTIONS`, OPTIONS a JSON object {client, redirect, kid, claims}.
// oidc-provider is a certified implementation; its development forms ask for a login and for consent.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, options] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: options.client,
      client_secret: options.secret,
      redirect_uris: [options.redirect],
      token_endpoint_auth_method: options.method,
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys: [{ ...jwk, kid: options.kid, use: 'sig', alg: 'ES256' }] },
  pkce: { required: () => true },
  conformIdTokenClaims: options.conform,
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id.replace('unsure.', ''), email_verified: !id.startsWith('unsure.') }),
  }),
  cookies: { keys: ['only for tests'] },
});
provider.listen(port, '127.0.0.1', () => console.log('ready'));
