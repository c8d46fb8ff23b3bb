// A server that asks better-auth's verifyApiKey about each request, set up as
// https://better-auth.com/docs/plugins/api-key says. The only choice of ours is that the limit on requests is off: its
// default lets a key in ten times a day. Usage: node server.js PORT; it prints a key as a line of JSON.
import { createServer } from "node:http";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import pg from "pg";

const port = Number(process.argv[2]);

const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: "of a server that lives for minutes, on this machine alone",
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});

await (await getMigrations(auth.options)).runMigrations();
const { user } = await auth.api.signUpEmail({
  body: { name: "Owner", email: "owner@example.com", password: "correct horse battery" },
});
const { key } = await auth.api.createApiKey({ body: { name: "Key", userId: user.id } });
console.log(JSON.stringify({ key }));

createServer(async (request, response) => {
  const given = (request.headers.authorization ?? "").replace("Bearer ", "");
  const { valid } = await auth.api.verifyApiKey({ body: { key: given } });
  response.writeHead(valid ? 204 : 401).end();
}).listen(port, "127.0.0.1");
