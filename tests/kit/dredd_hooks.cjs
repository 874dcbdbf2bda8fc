// Dredd's hooks for the sandbox, whose control URL is in HOOKSTREAM_CONTROL_URL:
//
//     dredd openapi.json BASE_URL --hookfiles=dredd_hooks.cjs
//
// Dredd sends the examples of the document, and needs what the document cannot say to it: which
// credential an operation takes, and what only some responses have.
const hooks = require("hooks");

const { HOOKSTREAM_CONTROL_URL: control } = process.env;
let facts;

async function post(url, body) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${facts?.session_token}` },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`POST ${url}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// By path and method, as the document has them.
const change = {
  // These answer to a key.
  "/auth/authorize GET": ({ request }) => (request.headers.Authorization = `Bearer ${facts.key}`),
  "/auth/whoami GET": ({ request }) => (request.headers.Authorization = `Bearer ${facts.key}`),
  // The sandbox keeps the session of its facts.
  "/auth/sign-out POST": ({ request }) => delete request.headers.Authorization,
  // The sandbox keeps the organization and the environment of its facts: delete a new one.
  "/organizations/{id} DELETE": async (transaction) => {
    const { organization } = await post(`${facts.base_url}/organizations`, { name: "Globex" });
    transaction.fullPath = transaction.fullPath.replace(facts.org_id, organization.id);
  },
  "/environments/{id} DELETE": async (transaction) => {
    const body = { name: "New", slug: "new", mode: "test" };
    const { environment } = await post(`${facts.base_url}/environments`, body);
    transaction.fullPath = transaction.fullPath.replace(facts.env_id, environment.id);
  },
  // A response for each type of file, and one file for all of them.
  "/ui/{asset} GET": (transaction) => {
    const asset = {
      "text/css": "swagger-ui.css",
      "text/javascript": "init.js",
      "image/png": "favicon-32x32.png",
    }[transaction.expected.headers["Content-Type"]];
    transaction.fullPath = transaction.fullPath.replace("swagger-ui.css", asset);
  },
};

hooks.beforeEach(async (transaction, done) => {
  const { expected, origin, request } = transaction;
  if (!/^2/.test(expected.statusCode)) {
    // The example of an error is not the request that causes it.
    transaction.skip = true;
    return done();
  }
  facts = await post(`${control}/reset`, {});
  request.headers.Authorization = `Bearer ${facts.session_token}`;
  // Dredd would send an empty one.
  delete request.headers["Idempotency-Key"];
  // Dredd requires every header of the document, and an exact `Content-Type`.
  for (const optional of ["Idempotency-Replayed", "X-Rotated-Keys"]) delete expected.headers[optional];
  await change[`${origin.resourceName} ${request.method}`]?.(transaction);
  if (expected.headers["Content-Type"]?.startsWith("text/")) delete expected.headers["Content-Type"];
  done();
});
