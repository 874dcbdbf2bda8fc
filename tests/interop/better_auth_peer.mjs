// better-auth on a database, with the plugins that hookstream-keys takes sessions from.
//
//   BETTER_AUTH_SECRET=... node better_auth_peer.mjs plan|migrate|serve DATABASE
//
// DATABASE is the path of a SQLite file, or the URL of a PostgreSQL database.
//
// plan     prints as JSON what its migration would do to the database, and does nothing
// migrate  does it
// serve    serves its API on a free port, and prints the address as JSON when ready
//
// PEER_OPTIONS is a JSON object of what is other than usual: `admin` and `twoFactor` add these
// plugins, `enabled` and `requireEmailVerification` are of emailAndPassword, `cookiePrefix` and
// `session` as better-auth has them.
//
// What better-auth has to say, warnings included, goes to stderr.
import http from "node:http";
import Database from "better-sqlite3";
import pg from "pg";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin, bearer, organization, twoFactor } from "better-auth/plugins";

const [command, address] = process.argv.slice(2);
const { database, close } = address.startsWith("postgresql:")
  ? onPostgresql(address)
  : onSqlite(address);

function onPostgresql(connectionString) {
  const pool = new pg.Pool({ connectionString });
  return { database: pool, close: () => pool.end() };
}

function onSqlite(path) {
  const file = new Database(path);
  file.pragma("busy_timeout = 5000");
  file.pragma("foreign_keys = ON");
  return { database: file, close: () => file.close() };
}

const wanted = JSON.parse(process.env.PEER_OPTIONS ?? "{}");

const options = (baseURL) => ({
  baseURL,
  secret: process.env.BETTER_AUTH_SECRET,
  database,
  emailAndPassword: {
    enabled: wanted.enabled ?? true,
    requireEmailVerification: wanted.requireEmailVerification ?? false,
  },
  session: wanted.session ?? {},
  advanced: wanted.cookiePrefix ? { cookiePrefix: wanted.cookiePrefix } : {},
  plugins: [
    bearer(),
    organization(),
    ...(wanted.admin ? [admin()] : []),
    ...(wanted.twoFactor ? [twoFactor()] : []),
  ],
  // Tests sign in more often in a second than its limit allows.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { log: (level, message, ...rest) => console.error(level, message, ...rest) },
});

async function plan() {
  const found = await getMigrations(options("http://127.0.0.1"));
  console.log(
    JSON.stringify({
      toBeCreated: found.toBeCreated.map(({ table }) => table),
      toBeAdded: found.toBeAdded.map(({ table, fields }) => [table, Object.keys(fields)]),
      toBeAddedIndexes: found.toBeAddedIndexes.map(({ name }) => name),
      unsafeChanges: found.unsafeChanges,
      schemaProblems: found.schemaProblems,
    }),
  );
  await close();
}

async function migrate() {
  await (await getMigrations(options("http://127.0.0.1"))).runMigrations();
  await close();
}

async function serve() {
  // better-auth wants to know its own address, so the port has to be there before it is.
  let handler;
  const server = http.createServer((request, response) => handler(request, response));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  handler = toNodeHandler(betterAuth(options(url)));
  process.once("SIGTERM", () => {
    server.close(close);
    server.closeAllConnections();
  });
  console.log(JSON.stringify({ url }));
}

await { plan, migrate, serve }[command]();
