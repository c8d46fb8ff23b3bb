// A certified OpenID Connect provider with one client. Its form lets everybody in as anybody: it asks for a subject, an
// email, and whether the email is verified. Usage: node provider.js PORT REDIRECT_URI
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const people = new Map();

const provider = new Provider(issuer, {
  clients: [{ client_id: "latchkey", client_secret: "a secret of the client", redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  cookies: { keys: ["a key of the provider's cookies"] },
  features: { devInteractions: { enabled: false } },
  findAccount: (context, subject) => ({ accountId: subject, claims: () => ({ sub: subject, ...people.get(subject) }) }),
  interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
  jwks: { keys: [{ ...key, kid: "first", use: "sig", alg: "RS256" }] },
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      accountId: context.oidc.session.accountId,
      clientId: context.oidc.client.clientId,
    });
    grant.addOIDCScope("openid email");
    await grant.save();
    return grant;
  },
});

const FORM = `<!doctype html><html lang="en"><title>Sign in at Acme</title>
<form method="post">
  <label>Subject <input name="subject"></label>
  <label>Email <input name="email"></label>
  <label>Verified <input name="verified" type="checkbox"></label>
  <button name="answer" value="yes">Sign in at Acme</button>
  <button name="answer" value="no">Cancel at Acme</button>
</form>`;

async function interact(request, response) {
  await provider.interactionDetails(request, response);
  if (request.method !== "POST") {
    response.writeHead(200, { "Content-Type": "text/html" }).end(FORM);
    return;
  }
  let body = "";
  for await (const piece of request) body += piece;
  const form = new URLSearchParams(body);
  if (form.get("answer") === "no") {
    await provider.interactionFinished(request, response, { error: "access_denied" });
    return;
  }
  people.set(form.get("subject"), { email: form.get("email"), email_verified: form.has("verified") });
  await provider.interactionFinished(request, response, { login: { accountId: form.get("subject") } });
}

const standard = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) {
    standard(request, response);
    return;
  }
  interact(request, response).catch((error) => response.writeHead(400).end(String(error)));
}).listen(Number(port), "127.0.0.1");
