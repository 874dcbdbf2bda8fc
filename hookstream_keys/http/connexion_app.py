"""Connexion's application, with only the middlewares that it is given.

It has none of Connexion's two error layers, since `EdgeMiddleware` answers errors, and not its
Swagger UI, which would publish another document.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from connexion import FlaskApp
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.resolver import Resolver

from hookstream_keys.contract import spec
from hookstream_keys.contract.response_validation import VALIDATORS, Json


def connexion_app(
    document: spec.Document,
    middlewares: Sequence[Any],
    view: Callable[[str], Any],
    lifespan: Callable[[], AbstractAsyncContextManager[None]],
) -> FlaskApp:
    """The application of a document.

    `view` returns what Flask calls for an operation that no middleware answers, by the operation's
    ID. `lifespan` is entered when the server starts, and left when it stops.
    """
    app = FlaskApp(
        "hookstream_keys",
        # Otherwise Flask serves a folder called `static`.
        server_args={"static_folder": None},
        middlewares=[*middlewares, LifespanMiddleware, ContextMiddleware],
        lifespan=lambda _: lifespan(),
        jsonifier=Json(),
        validator_map=VALIDATORS,
    )
    app.add_api(document, resolver=Resolver(view))
    return app
