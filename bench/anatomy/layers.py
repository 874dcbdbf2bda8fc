"""What of the service is a layer, and the functions that it is entered by."""

from anatomy.stopwatch import Stopwatch
from hookstream_keys.auth import verification
from hookstream_keys.handlers import OPERATIONS
from hookstream_keys.http import dispatch, edge, responses, security, validation
from hookstream_keys.http.middlewares import HandlerDispatcher, Routing
from hookstream_keys.runtime import rate_limit_counters, usage
from hookstream_keys.store.sqlite.engine import SqliteEngine
from hookstream_keys.store.sqlite.key_cache import CachedKeys

#: From the outside to the inside, as a request goes: what is drawn, with what it does.
LAYERS = {
    "edge": "request ID, size limits, body; headers of every response",
    "routing": "finds the operation",
    "security": "authenticates, and counts for the rate limit",
    "validation": "validates parameters and body by the document",
    "dispatch": "calls the handler, and sends its answer as JSON",
    "handler": "authorizes the principal, and makes the answer",
    "verification": "checks the rules of a key",
    "store": "SQLite, and records of its rows",
    "limits": "consumes rate limits",
    "usage": "counts the use of a key",
    "log": "makes a line of the access log",
}


def watch(watch: Stopwatch) -> None:
    """Have the layers watched. Before the application is made, which keeps what it calls."""
    watch.watch("edge", edge.EdgeMiddleware, "__call__")
    watch.watch("log", responses.Response, "log")
    watch.watch("routing", Routing, "__call__")
    watch.watch("security", security._Secured, "__call__")
    watch.watch("validation", validation._Validated, "__call__")
    watch.watch("dispatch", HandlerDispatcher, "_handle")
    watch.watch("dispatch", dispatch, "respond")
    watch.watch("verification", verification, "verify")
    watch.watch("store", CachedKeys, "find_key")
    watch.watch("store", SqliteEngine, "all")
    watch.watch("limits", rate_limit_counters.RateLimitCounters, "consume")
    watch.watch("usage", usage.Usage, "count")
    for name, handler in OPERATIONS.items():
        OPERATIONS[name] = watch.watched("handler", handler)
