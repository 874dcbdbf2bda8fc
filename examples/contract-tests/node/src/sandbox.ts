// Starts a sandbox, and controls it by its control API.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** What a sandbox or a tenant begins with; there is more in it. */
export interface Facts {
  base_url: string;
  control_url: string;
  org_id: string;
  env_id: string;
  key: string;
}

/** The sandbox's own world, or a tenant's: data, clock and faults. */
export class World {
  constructor(readonly facts: Facts) {}

  /** An isolated world for one test, so that tests run in parallel. */
  async tenant(name: string): Promise<World> {
    return new World((await this.control("POST", "/tenants", { name })) as Facts);
  }

  /** Moves the clock: no test waits. */
  advance(seconds: number) {
    return this.control("POST", "/clock", { advance_seconds: seconds });
  }

  /** Makes the next request of an operation fail: `{ status: 503 }`, `{ drop: true }`. */
  fail(operation: string, how: object) {
    return this.control("POST", "/faults", { operation, ...how });
  }

  /** What the client has sent. */
  async requests(operation: string): Promise<{ valid: boolean; headers: Record<string, string> }[]> {
    const answer = await this.control("GET", `/requests?operation=${operation}`);
    return (answer as { requests: [] }).requests;
  }

  private async control(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(this.facts.control_url + path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.json();
  }
}

/** Starts a sandbox. HOOKSTREAM_KEYS names the command where it is not on the path. */
export async function startSandbox(): Promise<{ world: World; stop: () => Promise<void> }> {
  const command = process.env.HOOKSTREAM_KEYS ?? "hookstream-keys";
  // It stops also when this process is killed.
  const options = ["sandbox", "--json", "--stop-with", String(process.pid)];
  const child = spawn(command, options, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  // One line, once it accepts connections.
  for await (const line of createInterface(child.stdout)) {
    return {
      world: new World(JSON.parse(line) as Facts),
      stop: async () => {
        child.kill();
        await ended;
      },
    };
  }
  throw new Error(`${command} sandbox ended before it was ready`);
}
