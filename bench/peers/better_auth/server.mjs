// better-auth with its API-key plugin over HTTP: what the plugin has only for the server's own code,
// behind a server of Node's.
//
//   node server.mjs seed COUNT    makes the database
//   node server.mjs serve PORT    serves it
//
// BENCH_DATABASE names the database, a file or a URL of PostgreSQL; BETTER_AUTH_SECRET signs its
// sessions.
import http from "node:http";
import Database from "better-sqlite3";
import pg from "pg";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";

const named = process.env.BENCH_DATABASE;
const onPostgresql = named.startsWith("postgresql://");
const database = onPostgresql
  ? new pg.Pool({ connectionString: named, max: 10 })
  : new Database(named);
if (!onPostgresql) {
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma("busy_timeout = 5000");
  database.pragma("foreign_keys = ON");
}
const close = () => (onPostgresql ? database.end() : database.close());

// Where a client would reach it; requests from there pass its check of the origin.
const address = "http://127.0.0.1";

const options = {
  baseURL: address,
  secret: process.env.BETTER_AUTH_SECRET,
  database,
  emailAndPassword: { enabled: true },
  plugins: [
    // Ten verifications a day for a key is the plugin's default.
    apiKey({ rateLimit: { enabled: false } }),
  ],
  // A hundred requests in ten seconds is the default.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
};
const auth = betterAuth(options);
const handler = toNodeHandler(auth);

// Prints the cookie of a signed-in user, the key that creates, and COUNT keys: ids and secrets.
async function seed(count) {
  await (await getMigrations(options)).runMigrations();
  // These need not be durable: losing them costs another run.
  if (!onPostgresql) database.pragma("synchronous = OFF");
  const { headers, response } = await auth.api.signUpEmail({
    body: { name: "Ada", email: "ada@example.com", password: "correct horse battery staple" },
    returnHeaders: true,
  });
  console.log(headers.get("set-cookie").split(";")[0]);
  for (let number = 0; number <= Number(count); number++) {
    const body = { name: `Key ${number}`, userId: response.user.id };
    const made = await auth.api.createApiKey({ body });
    console.log(`${made.id} ${made.key}`);
  }
  await close();
}

const works = {
  "/verify": async (_, body) => [200, await auth.api.verifyApiKey({ body: { key: body.key } })],
  "/create": async (headers, body) => {
    const caller = await auth.api.verifyApiKey({ body: { key: headers["x-api-key"] } });
    if (!caller.valid) return [401, caller];
    const owner = caller.key.referenceId;
    return [201, await auth.api.createApiKey({ body: { name: body.name, userId: owner } })];
  },
};

async function answer(request) {
  const work = request.method === "POST" && works[request.url];
  if (!work) return [404, { error: "there is nothing here" }];
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return work(request.headers, JSON.parse(Buffer.concat(chunks).toString()));
}

function serve(port) {
  const server = http.createServer(async (request, response) => {
    if (request.url.startsWith("/api/auth/")) return handler(request, response);
    const [status, body] = await answer(request).catch((error) => [500, { error: String(error) }]);
    const text = JSON.stringify(body);
    response.writeHead(status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(text),
    });
    response.end(text);
  });
  process.once("SIGTERM", () => {
    server.close(close);
    server.closeIdleConnections();
  });
  server.listen(Number(port), "127.0.0.1");
}

const [command, argument] = process.argv.slice(2);
await { seed, serve }[command](argument);
