// The consumer: an administration console that manages keys, with fetch.

/** The service has refused a request. `code` is its stable name; `retryAfter` is in seconds. */
export class KeyServiceError extends Error {
  constructor(status, body, retryAfter) {
    super(body.error);
    this.status = status;
    this.code = body.code;
    this.retryAfter = retryAfter;
  }
}

/** Manages the keys of an environment. Every method rejects with a KeyServiceError. */
export class Console {
  #baseUrl;
  #credential;

  constructor(baseUrl, credential) {
    this.#baseUrl = baseUrl;
    this.#credential = credential;
  }

  /** A new key: its ID and its secret, which is shown once. */
  async issue(name, orgId, envId) {
    const body = { name, org_id: orgId, env_id: envId };
    const { id, key } = await this.#send("POST", "/auth/api-keys", body);
    return { id, secret: key };
  }

  /** What a key is called, and whether it is revoked. */
  async show(id) {
    const { api_key: key } = await this.#send("GET", `/auth/api-keys/${id}`);
    return { name: key.name, revoked: key.revoked_at !== null };
  }

  /** A new secret of a key. The old one is accepted for the grace period after its first use. */
  async rotate(id, graceSeconds) {
    const body = { grace_period_seconds: graceSeconds };
    const { key, rotation } = await this.#send("POST", `/auth/api-keys/${id}/rotations`, body);
    return { secret: key, rotationId: rotation.id };
  }

  /** Revoke a key permanently. */
  async revoke(id) {
    await this.#send("DELETE", `/auth/api-keys/${id}`);
  }

  async #send(method, path, body) {
    const headers = { "X-API-Key": this.#credential };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(this.#baseUrl + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = response.status === 204 ? undefined : await response.json();
    if (response.ok) return answer;
    const retryAfter = response.headers.get("Retry-After");
    throw new KeyServiceError(response.status, answer, retryAfter === null ? null : +retryAfter);
  }
}
