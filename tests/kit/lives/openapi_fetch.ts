// The life of a key by openapi-fetch, with the types that openapi-typescript makes.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const unknown = "ak_00000000000000000000000000000000";
const { BASE_URL, API_KEY, ORG_ID, ENV_ID } = process.env as Record<string, string>;
const client = createClient<paths>({ baseUrl: BASE_URL, headers: { "X-API-Key": API_KEY } });

function must<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const verify = async (key: string) =>
  must(await client.POST("/auth/api-keys/verify", { body: { key } }));

const created = must(
  await client.POST("/auth/api-keys", {
    body: {
      name: "Life",
      org_id: ORG_ID,
      env_id: ENV_ID,
      scopes: "events:read",
      metadata: { team: "billing" },
      rate_limit: { requests: 100, window_seconds: 60 },
    },
  }),
);
const path = { id: created.id };
const valid = await verify(created.key);
const rotated = must(
  await client.POST("/auth/api-keys/{id}/rotations", {
    params: { path },
    body: { grace_period_seconds: 3600 },
  }),
);
const withNew = await verify(rotated.key);
const withOld = await verify(created.key);
const shown = must(await client.GET("/auth/api-keys/{id}", { params: { path } }));
must(await client.PATCH("/auth/api-keys/{id}", { params: { path }, body: { enabled: false } }));
const disabled = await verify(rotated.key);
const revocation = await client.DELETE("/auth/api-keys/{id}", {
  params: { path, query: { reason: "superseded" } },
});
if (revocation.response.status !== 204) throw new Error(`${revocation.response.status}`);
const revoked = await verify(rotated.key);
const [listed] = must(
  await client.GET("/auth/api-keys", { params: { query: { state: "revoked", name: "Life" } } }),
).api_keys;
const { error } = await client.GET("/auth/api-keys/{id}", { params: { path: { id: unknown } } });
const read: components["schemas"]["ErrorResponse"] = error!;

console.log(
  JSON.stringify({
    codes: {
      created: valid.code,
      rotated: withNew.code,
      "in grace": withOld.code,
      disabled: disabled.code,
      revoked: revoked.code,
    },
    metadata: valid.api_key?.metadata["team"],
    remaining: valid.rate_limit?.remaining,
    rotation: shown.api_key.rotations[0].state,
    listed: [listed.id === created.id, listed.state, listed.revocation_reason],
    error: [read.status, read.code, read.error],
  }),
);
