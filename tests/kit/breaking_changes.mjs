// The differences of two OpenAPI documents by api-smart-diff: `{before, after}` on standard input,
// its list of differences on standard output.
import { readFileSync } from "node:fs";
import { apiDiff } from "api-smart-diff";

const { before, after } = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(apiDiff(before, after)));
