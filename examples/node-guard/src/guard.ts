// Verifies the API keys of incoming requests. It knows no framework: express.ts and hono.ts use it.
//
// It fails closed: a request passes only if the service says that its key is valid. If the service
// cannot be asked, or answers anything else, the response is 503.

import { isIP } from "node:net";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

export type VerifiedKey = components["schemas"]["VerifiedApiKey"];
type Verification = components["schemas"]["Verification"];

/** The response to a request that does not pass. */
export interface Rejection {
  status: 400 | 401 | 403 | 429 | 503;
  headers: Record<string, string>;
  body: { error: string; status: number; code: string };
}

export type Outcome = { key: VerifiedKey; rejection?: never } | { rejection: Rejection };

/** The part of a request that decides. `address` is the end client's, as the framework names it. */
export interface Asked {
  authorization: string | undefined;
  apiKey: string | undefined;
  address: string | undefined;
}

export interface Options {
  /** Ends in `/v1`. */
  baseUrl: string;
  /** The guard's own key, with the scope `api-keys:verify`. */
  apiKey: string;
  /** How long a request waits for its verification. */
  timeoutMs?: number;
}

const REALM = 'Bearer realm="api"';
const MAX_KEY = 512;

/** The status for each code of a key that is not valid; 403 for a code that a later server adds. */
const STATUSES: Record<string, 401 | 403 | 429> = {
  MALFORMED: 401,
  NOT_FOUND: 401,
  REVOKED: 401,
  DISABLED: 401,
  EXPIRED: 401,
  IP_NOT_ALLOWED: 401,
  INSUFFICIENT_SCOPE: 403,
  RATE_LIMITED: 429,
};

/** A function that verifies the key of a request, which must cover `scopes`. */
export function keyGuard({ baseUrl, apiKey, timeoutMs = 2000 }: Options) {
  const service = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${apiKey}` } });

  return async function verify(asked: Asked, scopes?: string): Promise<Outcome> {
    const keys = keysOf(asked);
    const [key] = keys;
    if (key === undefined) return { rejection: unauthorized() };
    // RFC 6750, section 3.1: more than one method.
    if (keys.length > 1) return { rejection: twoKeys() };
    if (key.length > MAX_KEY) return { rejection: unauthorized("invalid_token") };
    const ip = addressOf(asked.address);
    try {
      const { data, response } = await service.POST("/auth/api-keys/verify", {
        body: { key, ...(scopes && { scopes }), ...(ip && { ip }) },
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (data === undefined) return { rejection: unavailable(response.headers.get("Retry-After")) };
      return outcomeOf(data, scopes);
    } catch (error) {
      // Its message has no key in it; the request, which has, is not a part of it.
      console.error(`keys cannot be verified: ${error instanceof Error ? error.name : "error"}`);
      return { rejection: unavailable(null) };
    }
  };
}

function outcomeOf(found: Verification, scopes = ""): Outcome {
  if (found.code === "VALID" && found.valid === true && found.api_key) return { key: found.api_key };
  if (found.code === "VALID" || typeof found.code !== "string") return { rejection: unavailable(null) };
  switch (STATUSES[found.code] ?? 403) {
    case 401:
      // The same for all of them: it does not tell whether the key exists.
      return { rejection: unauthorized("invalid_token") };
    case 429:
      return { rejection: rateLimited(found) };
    default:
      return { rejection: forbidden(found.code === "INSUFFICIENT_SCOPE", scopes) };
  }
}

function keysOf({ authorization = "", apiKey = "" }: Asked): string[] {
  const bearer = /^bearer +(.*)$/i.exec(authorization.trim())?.[1] ?? "";
  return [...new Set([bearer.trim(), apiKey.trim()])].filter((key) => key !== "");
}

/** An address as the API accepts it; a socket for IPv6 shows IPv4 as `::ffff:192.0.2.1`. */
function addressOf(text = ""): string | undefined {
  const address = text.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  return isIP(address) ? address : undefined;
}

function rejection(
  status: Rejection["status"],
  code: string,
  error: string,
  headers: Record<string, string>,
): Rejection {
  return { status, headers, body: { error, status, code } };
}

function unauthorized(error?: string): Rejection {
  const challenge = error ? `${REALM}, error="${error}"` : REALM;
  const text = error
    ? "The key is not valid: unknown, revoked, disabled, expired or not allowed here."
    : "No key was sent. Send an API key in Authorization: Bearer or X-API-Key.";
  return rejection(401, "unauthorized", text, { "WWW-Authenticate": challenge });
}

function twoKeys(): Rejection {
  const headers = { "WWW-Authenticate": `${REALM}, error="invalid_request"` };
  return rejection(400, "bad_request", "Send one key, not two.", headers);
}

function forbidden(scope: boolean, scopes: string): Rejection {
  if (!scope) return rejection(403, "forbidden", "The key is not accepted for this request.", {});
  const headers = { "WWW-Authenticate": `${REALM}, error="insufficient_scope", scope="${scopes}"` };
  return rejection(403, "insufficient_scope", `The key's scopes do not cover ${scopes}.`, headers);
}

function rateLimited({ api_key: key, rate_limit: state }: Verification): Rejection {
  const headers: Record<string, string> = { "Retry-After": `${state?.retry_after_seconds ?? 1}` };
  if (state && key?.rate_limit) {
    headers["RateLimit-Limit"] = `${key.rate_limit.requests}`;
    headers["RateLimit-Remaining"] = `${state.remaining}`;
    headers["RateLimit-Reset"] = `${state.reset_seconds}`;
  }
  return rejection(429, "rate_limited", "The key exceeds its rate limit.", headers);
}

function unavailable(retryAfter: string | null): Rejection {
  const text = "Keys cannot be verified at the moment; try again.";
  return rejection(503, "unavailable", text, { "Retry-After": retryAfter ?? "1" });
}
