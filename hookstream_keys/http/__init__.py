"""HTTP around the handlers: edge middleware, Connexion's middlewares, responses, rate limiting."""

import warnings

with warnings.catch_warnings():
    # Connexion imports starlette's test client, which is not used here, and which warns about its
    # HTTP library.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    import connexion as connexion
