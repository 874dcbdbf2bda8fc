// A Hono application with a guarded route: `HOOKSTREAM_KEY=… npm run hono`.

import { serve } from "@hono/node-server";
import { getConnInfo } from "@hono/node-server/conninfo";
import { Hono } from "hono";
import { createMiddleware } from "hono/factory";
import { keyGuard, type VerifiedKey } from "./guard.js";

const verify = keyGuard({
  baseUrl: process.env.HOOKSTREAM_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.HOOKSTREAM_KEY ?? "",
});

/** Middleware: the request needs a key that covers `scopes`. The key is in `context.var.key`. */
function requireKey(scopes?: string) {
  return createMiddleware<{ Variables: { key: VerifiedKey } }>(async (context, next) => {
    const outcome = await verify(
      {
        authorization: context.req.header("Authorization"),
        apiKey: context.req.header("X-API-Key"),
        // Behind a proxy this is the proxy's address.
        address: getConnInfo(context).remote.address,
      },
      scopes,
    );
    if (outcome.rejection) {
      const { body, status, headers } = outcome.rejection;
      return context.json(body, status, headers);
    }
    context.set("key", outcome.key);
    await next();
  });
}

const app = new Hono();
app.get("/events", requireKey("events:read"), (context) =>
  context.json({ caller: context.var.key.name, metadata: context.var.key.metadata }),
);

const port = Number(process.env.PORT ?? 3000);
serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, (address) => {
  console.log(`http://127.0.0.1:${address.port}`);
});
