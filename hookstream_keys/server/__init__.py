"""The server below the application: processes, the listening socket, and HTTP on it.

What uvicorn lacks is added by its extension points, or else by subclasses that tests hold against
an upgrade.

SIGTERM, in order:

1. `processes`: the only process (`SingleProcess`) or the `Supervisor` of the workers receives it.
2. `listening`: new handshakes are dropped, and the accept queue is drained. The supervisor then
   closes its listener and sends SIGTERM to the workers.
3. uvicorn closes the listener of each process that serves.
4. `graceful_shutdown`: each connection answers the request in flight, or one that arrives within
   `LAST_REQUEST_SECONDS`, and closes.
5. uvicorn waits for connections and tasks for `GRACE_SECONDS`, then cancels the tasks.
6. `app`, at the end of the lifespan: the writer finishes its queue, flushes usage and refusals and
   stops; then the store and the rate-limit counters are closed.
7. The supervisor kills workers that still run `MARGIN_SECONDS` later, and exits with status 0.

A worker whose supervisor dies sends SIGTERM to itself (`worker`).
"""
