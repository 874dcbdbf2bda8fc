"""What of the service is a layer, and the functions that it is entered by."""

from anatomy.stopwatch import Stopwatch
from hookstream_keys.auth import verification
from hookstream_keys.handlers import OPERATIONS
from hookstream_keys.http import dispatch, edge, responses, security, validation
from hookstream_keys.http.middlewares import HandlerDispatcher, Routing
from hookstream_keys.runtime import rate_limit_counters, usage
from hookstream_keys.store.sqlite.engine import Engine
from hookstream_keys.store.sqlite.keys import Keys

#: From the outside to the inside, as a request goes: what is drawn, with what it does.
LAYERS = {
    "gate": "name the request, bound it, read its body; what every response carries",
    "routing": "which operation",
    "security": "a credential becomes a principal",
    "validation": "parameters and body against the document",
    "handling": "call the handler, write the answer as JSON and header fields",
    "handler": "who may, what is asked, what is answered",
    "verification": "form, checksum, digest and the rules of a key",
    "store": "SQLite, and a row becomes a record",
    "limits": "look at the organization's bucket",
    "usage": "count who used which key",
    "log": "a line of it",
}


def watch(watch: Stopwatch) -> None:
    """Have the layers watched. Before the application is made, which keeps what it calls."""
    watch.watch("gate", edge.EdgeMiddleware, "__call__")
    watch.watch("log", responses.Response, "log")
    watch.watch("routing", Routing, "__call__")
    watch.watch("security", security._Secured, "__call__")
    watch.watch("validation", validation._Validated, "__call__")
    watch.watch("handling", HandlerDispatcher, "_handle")
    watch.watch("handling", dispatch, "_respond")
    watch.watch("verification", verification, "verify")
    watch.watch("store", Keys, "find_key")
    watch.watch("store", Engine, "all")
    watch.watch("limits", rate_limit_counters.RateLimitCounters, "look")
    watch.watch("usage", usage.Usage, "count")
    for name, handler in OPERATIONS.items():
        OPERATIONS[name] = watch.watched("handler", handler)
