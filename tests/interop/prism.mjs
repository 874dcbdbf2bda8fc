// Prism, in front of as many servers as are asked for: `node prism.mjs DOCUMENT`. Each line of
// standard input is a server's address, and is answered with that of the Prism before it.
// Its own command serves one, and takes seconds to start, most of them for reading the document.
import readline from "node:readline";
import core from "@stoplight/prism-core";
import http from "@stoplight/prism-http";
import server from "@stoplight/prism-http-server";

const operations = await http.getHttpOperationsFromSpec(process.argv[2]);
// As by `prism proxy --cors=false --validate-request=false`.
const config = {
  isProxy: true,
  validateRequest: false,
  validateResponse: true,
  checkSecurity: true,
  errors: false,
  mock: { dynamic: false },
};
const logger = core.createLogger("PRISM", { level: "warn" }, process.stderr);

for await (const upstream of readline.createInterface({ input: process.stdin })) {
  const prism = server.createServer(operations, {
    cors: false,
    config: { ...config, upstream: new URL(upstream) },
    components: { logger },
  });
  console.log(await prism.listen(0, "127.0.0.1"));
}
process.exit();
