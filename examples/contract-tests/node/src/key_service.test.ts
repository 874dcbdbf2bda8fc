// The client with the real server: a key's whole life, failures, and no waiting.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ApiError, ATTEMPTS, keyService } from "./key_service.js";
import { startSandbox, type World } from "./sandbox.js";

let sandbox: Awaited<ReturnType<typeof startSandbox>>;
before(async () => {
  sandbox = await startSandbox();
});
after(() => sandbox.stop());

/** A tenant of the test's own, and the client under test in it. */
async function begin(name: string) {
  const world: World = await sandbox.world.tenant(name);
  const { base_url, key, org_id, env_id } = world.facts;
  const body = { name: "Production key", org_id, env_id };
  return { world, service: keyService(base_url, key), body };
}

/** The error that the API answers. */
async function errorOf(promise: Promise<unknown>) {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof ApiError, String(error));
  return error.body;
}

describe("the key service", { concurrency: true }, () => {
  it("plays a key's whole life", async () => {
    const { world, service, body } = await begin("life");
    const { id, key } = await service.create({ ...body, scopes: "events:read" });
    assert.equal(await service.verify(key), "VALID");
    assert.equal(await service.verify(key, "events:write"), "INSUFFICIENT_SCOPE");

    const rotated = await service.rotate(id, 3600);
    assert.equal(await service.verify(rotated.key), "VALID");
    assert.equal(await service.verify(key), "VALID", "the old secret, in its grace period");
    await world.advance(3600);
    assert.equal(await service.verify(key), "EXPIRED");

    await service.disable(id);
    assert.equal(await service.verify(rotated.key), "DISABLED");
    await service.revoke(id);
    assert.equal(await service.verify(rotated.key), "REVOKED");
  });

  it("reads errors as types", async () => {
    const { service, body } = await begin("errors");
    const invalid = await errorOf(service.create({ ...body, name: "" }));
    assert.equal(invalid.code, "bad_request");
    assert.equal(invalid.details?.[0]?.location, "body/name");
    const missing = await errorOf(service.disable("ak_0"));
    assert.deepEqual([missing.status, missing.code], [404, "api_key_not_found"]);
    assert.match(missing.request_id, /^req_[0-9a-f]{32}$/);
  });

  for (const status of [429, 503]) {
    it(`waits and sends again after ${status}, but not without end`, async () => {
      const { world, service, body } = await begin(`retry-${status}`);
      await world.fail("createApiKey", { status, retry_after: 0, times: ATTEMPTS - 1 });
      const { key } = await service.create(body);
      assert.equal(await service.verify(key), "VALID");

      await world.fail("verifyApiKey", { status, retry_after: 0, times: ATTEMPTS });
      assert.equal((await errorOf(service.verify(key))).status, status);
    });
  }

  it("makes one key although the answer is lost", async () => {
    const { world, service, body } = await begin("lost");
    await world.fail("createApiKey", { drop: true, when: "after_commit" });
    const { key } = await service.create(body);
    assert.equal(await service.verify(key), "VALID");
    // Both were the same request; the second got the answer of the first.
    const sent = await world.requests("createApiKey");
    assert.equal(sent.length, 2);
    assert.equal(sent[0]?.headers["idempotency-key"], sent[1]?.headers["idempotency-key"]);
  });
});
