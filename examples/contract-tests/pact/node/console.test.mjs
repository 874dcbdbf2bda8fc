// What the console needs of the key service, as a pact.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { MatchersV3, Pact } from "@pact-foundation/pact";

import { Console } from "./console.mjs";

// Pact's library reports its use over the network unless it is told not to.
process.env.PACT_DO_NOT_TRACK = "true";

const { fromProviderState, integer, regex, string } = MatchersV3;

// Examples for Pact's mock server. The verifier sends what the provider state returns instead.
const CREDENTIAL = "hs_test_credential";
const [ORG_ID, ENV_ID, KEY_ID] = ["org_1", "env_1", "ak_1"];

const credential = fromProviderState("${api_key}", CREDENTIAL);
const keyPath = fromProviderState("/v1/auth/api-keys/${key_id}", `/v1/auth/api-keys/${KEY_ID}`);
const rotationsPath = fromProviderState(
  "/v1/auth/api-keys/${key_id}/rotations",
  `/v1/auth/api-keys/${KEY_ID}/rotations`,
);
const newKey = {
  name: "Worker",
  org_id: fromProviderState("${org_id}", ORG_ID),
  env_id: fromProviderState("${env_id}", ENV_ID),
};
const secret = regex(/^hs_test_[0-9a-f]{64}$/.source, `hs_test_${"0".repeat(64)}`);
const failure = (status, code) => ({ status, code, error: string("What is wrong.") });

/** An interaction: use the console with Pact's mock server. */
function interact(description, { given = [], method, path, sent, status, answer, retryAfter }, use) {
  return test(description, () => {
    const pact = new Pact({
      consumer: "console",
      provider: "hookstream-keys",
      dir: fileURLToPath(new URL("pacts", import.meta.url)),
      logLevel: "error",
    });
    const interaction = pact.addInteraction().uponReceiving(description);
    for (const [state, params] of given) interaction.given(state, params);
    return interaction
      .withRequest(method, path, (request) => {
        request.headers({ "X-API-Key": credential });
        if (sent) request.jsonBody(sent);
      })
      .willRespondWith(status, (response) => {
        if (retryAfter) response.headers({ "Retry-After": regex(/^\d+$/.source, retryAfter) });
        if (answer) response.jsonBody(answer);
      })
      .executeTest((server) => use(new Console(`${server.url}/v1`, CREDENTIAL)));
  });
}

interact(
  "a key is issued",
  {
    method: "POST",
    path: "/v1/auth/api-keys",
    sent: newKey,
    status: 201,
    answer: { id: string(KEY_ID), key: secret },
  },
  async (service) => {
    const issued = await service.issue("Worker", ORG_ID, ENV_ID);
    assert.deepEqual([issued.id, issued.secret.length], [KEY_ID, 72]);
  },
);

interact(
  "a key is shown",
  {
    given: [["an active key", { name: "Worker" }]],
    method: "GET",
    path: keyPath,
    status: 200,
    answer: { api_key: { name: "Worker", revoked_at: null } },
  },
  async (service) =>
    assert.deepEqual(await service.show(KEY_ID), { name: "Worker", revoked: false }),
);

interact(
  "a revoked key is shown",
  {
    given: [["a revoked key", { name: "Worker" }]],
    method: "GET",
    path: keyPath,
    status: 200,
    answer: { api_key: { name: "Worker", revoked_at: string("2026-01-01T00:00:00.000Z") } },
  },
  async (service) =>
    assert.deepEqual(await service.show(KEY_ID), { name: "Worker", revoked: true }),
);

interact(
  "a key is rotated",
  {
    given: [["an active key", {}]],
    method: "POST",
    path: rotationsPath,
    sent: { grace_period_seconds: integer(3600) },
    status: 201,
    answer: { key: secret, rotation: { id: string("rot_1") } },
  },
  async (service) => {
    const rotated = await service.rotate(KEY_ID, 3600);
    assert.deepEqual([rotated.rotationId, rotated.secret.length], ["rot_1", 72]);
  },
);

interact(
  "a key is revoked",
  { given: [["an active key", {}]], method: "DELETE", path: keyPath, status: 204 },
  (service) => service.revoke(KEY_ID),
);

const refusals = [
  ["a revoked key is not rotated", [["a revoked key", {}]], 409, "conflict"],
  ["another tenant's key is not found", [["a key of another tenant", {}]], 404, "api_key_not_found"],
];
for (const [description, given, status, code] of refusals) {
  interact(
    description,
    {
      given,
      method: "POST",
      path: rotationsPath,
      sent: { grace_period_seconds: integer(60) },
      status,
      answer: failure(status, code),
    },
    (service) => assert.rejects(service.rotate(KEY_ID, 60), { status, code }),
  );
}

interact(
  "no key is issued over the organization's limit",
  {
    // The first state returns the values that the request needs.
    given: [
      ["an environment", {}],
      ["the organization's limit is used up", {}],
    ],
    method: "POST",
    path: "/v1/auth/api-keys",
    sent: newKey,
    status: 429,
    retryAfter: "1",
    answer: failure(429, "rate_limited"),
  },
  (service) =>
    assert.rejects(service.issue("Worker", ORG_ID, ENV_ID), { status: 429, retryAfter: 1 }),
);

interact(
  "no key is issued while the service is unavailable",
  {
    given: [
      ["an environment", {}],
      ["the service is unavailable", { operation: "createApiKey", retry_after: 5 }],
    ],
    method: "POST",
    path: "/v1/auth/api-keys",
    sent: newKey,
    status: 503,
    retryAfter: "5",
    answer: failure(503, "unavailable"),
  },
  (service) =>
    assert.rejects(service.issue("Worker", ORG_ID, ENV_ID), { status: 503, retryAfter: 5 }),
);
