"""Connexion's application, with only the middlewares that it is given.

It has none of Connexion's two error layers, since `EdgeMiddleware` answers errors, and not its
Swagger UI, which would publish another document.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

import jsonschema_rs
from connexion import FlaskApp
from connexion.exceptions import InvalidSpecification
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.resolver import Resolver
from connexion.spec import OpenAPISpecification

from hookstream_keys.contract import spec
from hookstream_keys.contract.response_validation import VALIDATORS, Json


@cache
def _schema_of_openapi() -> jsonschema_rs.Draft4Validator:
    return jsonschema_rs.Draft4Validator(OpenAPISpecification.openapi_schema)


def _validate(document: spec.Document) -> None:
    """Raise InvalidSpecification where a document breaks OpenAPI's own schema."""
    for error in _schema_of_openapi().iter_errors(document):
        path = "/".join(map(str, error.instance_path))
        raise InvalidSpecification(f"openapi.yaml at {path}: {error.message}")


# Connexion validates with jsonschema at each start and for each tenant of a sandbox, which takes
# longer than the rest of the start. This is the same schema with a faster library. Connexion's
# also compares defaults with their schemas: tests/unit/test_spec.py calls it.
OpenAPISpecification._validate_spec = staticmethod(_validate)


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
