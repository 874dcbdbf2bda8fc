// The life of a key by the client that @hey-api/openapi-ts makes.
import {
  createApiKey,
  getApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  updateApiKey,
  verifyApiKey,
  type ErrorResponse,
} from "./hey_api_client";
import { client } from "./hey_api_client/client.gen";

const unknown = "ak_00000000000000000000000000000000";
const { BASE_URL, API_KEY, ORG_ID, ENV_ID } = process.env as Record<string, string>;
client.setConfig({
  baseUrl: BASE_URL,
  auth: (scheme) => (scheme.name === "X-API-Key" ? API_KEY : undefined),
});

const verify = async (key: string) =>
  (await verifyApiKey({ body: { key }, throwOnError: true })).data;

const { data: created } = await createApiKey({
  throwOnError: true,
  body: {
    name: "Life",
    org_id: ORG_ID,
    env_id: ENV_ID,
    scopes: "events:read",
    metadata: { team: "billing" },
    rate_limit: { requests: 100, window_seconds: 60 },
  },
});
const path = { id: created.id };
const valid = await verify(created.key);
const { data: rotated } = await rotateApiKey({
  path,
  body: { grace_period_seconds: 3600 },
  throwOnError: true,
});
const withNew = await verify(rotated.key);
const withOld = await verify(created.key);
const { data: shown } = await getApiKey({ path, throwOnError: true });
await updateApiKey({ path, body: { enabled: false }, throwOnError: true });
const disabled = await verify(rotated.key);
await revokeApiKey({ path, query: { reason: "superseded" }, throwOnError: true });
const revoked = await verify(rotated.key);
const { data: page } = await listApiKeys({
  query: { state: "revoked", name: "Life" },
  throwOnError: true,
});
const [listed] = page.api_keys;
const { error } = await getApiKey({ path: { id: unknown } });
const read: ErrorResponse = error!;

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
