"""What shares of the event loop are measured by, for tenants and unauthenticated clients."""

#: How far a tenant may be ahead of its share before it waits, in seconds. It is the resolution of
#: the event loop's timers, and more than a usual request takes.
TOLERANCE = 0.001
#: What a request takes beside its measured pieces, in seconds: HTTP, routing, authentication. It is
#: the CPU time of a worker for some thousand requests of a kind (`authorize`, `verify`, lists: 120
#: to 250 µs for each), without what is measured of it (40 to 140 µs). A 401 or 404 takes 65 to 90.
OVERHEAD = 0.0001
#: How long a request waits for its share at most, in seconds; then it is rejected.
MAX_WAIT = 5.0
#: How many requests of a tenant wait at most; more are rejected. It is a part of what a worker
#: accepts (`edge.MAX_REQUESTS`), which the tenant would otherwise use up for all.
MAX_WAITING = 1_000
