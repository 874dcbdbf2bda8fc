// The client under test: what an application needs of hookstream-keys.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

export type ErrorBody = components["schemas"]["ErrorResponse"];
export type Code = components["schemas"]["VerificationCode"];
export type CreateKey = components["schemas"]["CreateApiKeyRequest"];

/** An error that the API has answered. */
export class ApiError extends Error {
  constructor(readonly body: ErrorBody) {
    super(`${body.status} ${body.code}: ${body.error} (${body.request_id})`);
  }
}

/** How often a request is sent that gets no answer, 429 or 503. */
export const ATTEMPTS = 3;

export function keyService(baseUrl: string, apiKey: string) {
  const http = createClient<paths>({
    baseUrl,
    headers: { Authorization: `Bearer ${apiKey}` },
    fetch: fetchWithRetries,
  });

  return {
    /** A new key. However often it is sent, one key is made: retries have the same Idempotency-Key. */
    create: async (body: CreateKey) =>
      value(
        await http.POST("/auth/api-keys", {
          body,
          params: { header: { "Idempotency-Key": randomUUID() } },
        }),
      ),

    /** Whether a key is valid: VALID, or why not. */
    verify: async (key: string, scopes?: string): Promise<Code> =>
      value(await http.POST("/auth/api-keys/verify", { body: { key, scopes } })).code,

    /** A new secret. The old one is accepted until the grace period after its first use ends. */
    rotate: async (id: string, graceSeconds: number) =>
      value(
        await http.POST("/auth/api-keys/{id}/rotations", {
          params: { path: { id } },
          body: { grace_period_seconds: graceSeconds },
        }),
      ),

    disable: async (id: string) =>
      value(
        await http.PATCH("/auth/api-keys/{id}", { params: { path: { id } }, body: { enabled: false } }),
      ),

    revoke: async (id: string) => {
      const { error } = await http.DELETE("/auth/api-keys/{id}", { params: { path: { id } } });
      if (error) throw new ApiError(error);
    },
  };
}

function value<T>({ data, error }: { data?: T; error?: ErrorBody }): T {
  if (error) throw new ApiError(error);
  return data as T;
}

async function fetchWithRetries(request: Request): Promise<Response> {
  for (let left = ATTEMPTS - 1; ; left--) {
    let seconds = 0;
    try {
      const response = await fetch(request.clone());
      if (left === 0 || ![429, 503].includes(response.status)) return response;
      seconds = Number(response.headers.get("Retry-After") ?? 1);
    } catch (error) {
      if (left === 0) throw error;
    }
    await sleep(seconds * 1000);
  }
}
