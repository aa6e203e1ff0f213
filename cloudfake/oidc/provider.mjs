// A provider of single sign-on for tests: oidc-provider with its own pages for signing in and for consent.
// Arguments: the entry of oidc-provider, and where browsers are sent back to. Prints its issuer.
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

// Its advice for production is not for a test, and nobody reads what comes after the issuer.
console.info = () => {};
console.warn = () => {};
const [, , entry, redirect] = process.argv;
const { default: Provider } = await import(pathToFileURL(entry).href);

const groups = { ana: ['staff', 'soc'], bob: ['staff'], eve: ['admins'] };
const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [{
    client_id: 'stormglass',
    client_secret: 'a secret: with / odd % signs + and =&',
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  cookies: { keys: ['keys of a test'] },
  claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'], email: ['email'] },
  // What is asked for stands in the token, and not only behind another request.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: `subject-of-${id}`,
      preferred_username: id,
      name: `${id} Example`,
      email: `${id}@example.com`,
      groups: groups[id] ?? [],
    }),
  }),
});
// Plain HTTP to loopback is what a test has.
createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log(issuer));
// Ends with the test, however that ends.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
