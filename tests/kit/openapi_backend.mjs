// openapi-backend, strict, on a document: `node openapi_backend.mjs DOCUMENT`. Each line of standard
// input is `{operation, request, status, response}`; what it finds wrong with them is a line each.
import readline from "node:readline";
import { OpenAPIBackend } from "openapi-backend";

// `strict` makes an invalid document an error.
const api = new OpenAPIBackend({ definition: process.argv[2], strict: true, quick: false });
await api.init();

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { operation, request, status, response } = JSON.parse(line);
  const found = api.validateRequest(request, operation).errors ?? [];
  const answered = api.validateResponse(response, operation, status).errors ?? [];
  console.log(JSON.stringify([...found, ...answered].map((error) => error.message)));
}
