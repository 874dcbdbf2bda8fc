// An Express application with a guarded route: `HOOKSTREAM_KEY=… npm run express`.

import type { AddressInfo } from "node:net";
import express, { type RequestHandler } from "express";
import { keyGuard } from "./guard.js";

const verify = keyGuard({
  baseUrl: process.env.HOOKSTREAM_URL ?? "http://127.0.0.1:8080/v1",
  apiKey: process.env.HOOKSTREAM_KEY ?? "",
});

/** Middleware: the request needs a key that covers `scopes`. The key is in `response.locals.key`. */
function requireKey(scopes?: string): RequestHandler {
  return async (request, response, next) => {
    const outcome = await verify(
      {
        authorization: request.get("Authorization"),
        apiKey: request.get("X-API-Key"),
        // Behind a proxy this is the proxy's address, unless the setting `trust proxy` names it.
        address: request.ip,
      },
      scopes,
    );
    if (outcome.rejection) {
      const { body, status, headers } = outcome.rejection;
      response.status(status).set(headers).json(body);
      return;
    }
    response.locals.key = outcome.key;
    next();
  };
}

const app = express();
app.get("/events", requireKey("events:read"), (_request, response) => {
  response.json({ caller: response.locals.key.name, metadata: response.locals.key.metadata });
});

const server = app.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
