// A certified OpenID provider (npm oidc-provider) with a login page of our own and people whose roles a test can
// change between two logins: the stranger's provider, where the demo's own would only prove that we agree with
// ourselves.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

/**
 * `provedAgo` is how many seconds ago somebody showed who they are, for a login that the provider takes over from before.
 * @typedef {{ groups: string[], email?: string, department?: string, provedAgo?: number }} Person
 * @typedef {{ issuer: string, clientId: string, clientSecret: string, people: Map<string, Person>, stop(): Promise<void> }} RunningProvider
 */

/**
 * Starts a provider on a free port of 127.0.0.1. Unless `saysWhen`, it says when somebody logged in only if it is asked.
 * @param {{ redirectUri: string, postLogoutRedirectUri: string, saysWhen?: boolean }} client
 * @returns {Promise<RunningProvider>}
 */
export async function startProvider({ redirectUri, postLogoutRedirectUri, saysWhen = false }) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the provider has no port');

  const issuer = `http://127.0.0.1:${address.port}`;
  const clientId = 'hallpass';
  const clientSecret = randomBytes(32).toString('hex');
  /** @type {Map<string, Person>} */
  const people = new Map();
  const client = { clientId, clientSecret, redirectUri, postLogoutRedirectUri, saysWhen };
  const provider = new Provider(issuer, configuration(client, people));
  const protocol = provider.callback();

  server.on('request', (request, response) => {
    const page = request.url?.startsWith('/interaction/') ? login(provider, people, request, response) : protocol(request, response);
    Promise.resolve(page).catch((error) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
    });
  });

  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { issuer, clientId, clientSecret, people, stop };
}

/**
 * @param {{ clientId: string, clientSecret: string, redirectUri: string, postLogoutRedirectUri: string, saysWhen: boolean }} client
 * @param {Map<string, Person>} people
 * @returns {import('oidc-provider').Configuration}
 */
function configuration(client, people) {
  // The demo's provider signs with ES256, so this one covers the algorithm that every provider has to have.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'test' }] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uris: [client.redirectUri],
        post_logout_redirect_uris: [client.postLogoutRedirectUri],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        require_auth_time: client.saysWhen,
      },
    ],
    pkce: { required: () => true },
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username', 'groups', 'department'],
      email: ['email', 'email_verified'],
    },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx, form) {
          ctx.body = page('Log out?', `${form}<button form="op.logoutForm" name="logout" value="yes">Log out</button>`);
        },
      },
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
    findAccount: (_ctx, name) => {
      const person = people.get(name);
      return person && { accountId: name, claims: async () => claims(name, person) };
    },
    // Nobody is asked for consent: that would be a second page before every login.
    async loadExistingGrant(ctx) {
      const { client: asking, session, provider } = ctx.oidc;
      if (!asking || !session?.accountId) return undefined;
      const known = session.grantIdFor(asking.clientId);
      const grant = known ? await provider.Grant.find(known) : undefined;
      if (grant) return grant;
      const fresh = new provider.Grant({ clientId: asking.clientId, accountId: session.accountId });
      fresh.addOIDCScope('openid profile email');
      await fresh.save();
      return fresh;
    },
  };
}

/**
 * @param {string} name
 * @param {Person} person
 */
function claims(name, person) {
  return {
    sub: name,
    name: name[0].toUpperCase() + name.slice(1),
    preferred_username: name,
    email: person.email ?? `${name}@example.org`,
    email_verified: true,
    groups: person.groups,
    department: person.department,
  };
}

/**
 * `GET` shows the form, `POST` believes it.
 * @param {Provider} provider
 * @param {Map<string, Person>} people
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function login(provider, people, request, response) {
  if (request.method !== 'POST') {
    const form = '<form method="post"><label>Name <input name="login" autofocus></label><button>Log in</button></form>';
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page('Who are you?', form));
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const accountId = new URLSearchParams(body).get('login') ?? '';
  const ts = Math.floor(Date.now() / 1000) - (people.get(accountId)?.provedAgo ?? 0);
  await provider.interactionFinished(request, response, { login: { accountId, ts } });
}

/**
 * @param {string} title
 * @param {string} body
 */
function page(title, body) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<link rel="icon" href="data:,"></head><body><main><h1>${title}</h1>${body}</main></body></html>`;
}
