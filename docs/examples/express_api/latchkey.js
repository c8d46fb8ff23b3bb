// Asks Latchkey about each request, as a middleware of Express. docs/apis.md says what each part is for.

import { randomBytes } from "node:crypto";

const LIMITS = ["RateLimit", "RateLimit-Policy"];
const RELAYED = [...LIMITS, "Content-Type", "WWW-Authenticate", "Retry-After", "Cache-Control", "X-Request-Id"];
const REFUSALS = [401, 403, 422, 429, 503];

export function latchkey(url, seconds = 10) {
  return (query = {}) => async (req, res, next) => {
    const authorization = req.headersDistinct.authorization?.join(", ");
    // The client chooses none of these headers: the request to Latchkey is a new one.
    const headers = {
      "X-Forwarded-Method": req.method,
      "X-Forwarded-Proto": req.protocol,
      "X-Forwarded-For": req.ip ?? "",
      ...(authorization !== undefined && { Authorization: authorization }),
    };
    const asked = { headers, redirect: "error", signal: AbortSignal.timeout(seconds * 1000) };
    const answer = await ask(`${url}/api/v1/verify?${new URLSearchParams(query)}`, asked).catch(() => null);
    const said = (name) => answer?.headers.get(name);
    const relay = (names) => names.filter(said).forEach((name) => res.setHeader(name, said(name)));
    if (answer?.status === 204 && said("X-Latchkey-Key")?.startsWith("key_")) {
      relay(LIMITS);
      const of = (name) => said(`X-Latchkey-${name}`);
      req.latchkey = { Key: of("Key"), Project: of("Project"), User: of("User"), Scopes: of("Scopes") };
      next();
    } else if (REFUSALS.includes(answer?.status) && said("X-Latchkey-Refusal")) {
      relay(RELAYED);
      res.status(answer.status).end(said("X-Latchkey-Refusal"));
    } else unavailable(res); // Latchkey did not answer, or something else did.
  };
}

async function ask(check, asked) {
  const answer = await fetch(check, asked);
  await answer.text(); // A connection is kept only once the body is read.
  return answer;
}

function unavailable(res) {
  const id = `req_${randomBytes(8).toString("hex")}`;
  const error = { code: "unavailable", message: "Temporarily unavailable. Try again shortly." };
  const body = { meta: { request_id: id, project_id: null, type: "error" }, data: null, error, links: {} };
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store", "Retry-After": "5" };
  res.writeHead(503, { ...headers, "X-Request-Id": id }).end(JSON.stringify(body));
}
