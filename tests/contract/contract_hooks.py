"""What Schemathesis is taught beside the document: the error shape, and ids that exist."""

import base64
import hashlib
import os
import re
from typing import Any

import schemathesis

# The ids of the document's own examples. The tests put them into the database, so that valid
# data reaches the success branch, too.
ORG_ID = os.environ["CONTRACT_ORG_ID"]
ENV_ID = os.environ["CONTRACT_ENV_ID"]

#: A cursor is opaque: that its text is one of the server's own no schema can say. Every well-formed
#: one is replaced by this, which is one; the tests of the API send others.
CURSOR = base64.urlsafe_b64encode(b'["2999-01-01T00:00:00.000Z","ak_0"]').decode().rstrip("=")

_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,512}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Give half of the bodies that name an environment well one that exists; likewise cursors.

    A body that is wrong there stays wrong; one that is wrong elsewhere stays so, too.
    """
    cursor = (case.query or {}).get("cursor")
    if isinstance(cursor, str) and _CURSOR.fullmatch(cursor):
        case.query["cursor"] = CURSOR
    body = case.body
    if not isinstance(body, dict):
        return
    ids = [body.get("org_id"), body.get("env_id")]
    if not all(isinstance(text, str) and _ID.fullmatch(text) for text in ids):
        return
    if hashlib.sha256(repr(sorted(body.items())).encode()).digest()[0] % 2:
        body["org_id"], body["env_id"] = ORG_ID, ENV_ID


@schemathesis.check
def one_error_shape(_: Any, response: Any, case: Any) -> None:
    """Every error, documented or not, is the one shape, under the request id of its header."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    body = response.json()
    assert set(body) - {"details"} == {"error", "status", "request_id", "code"}, body
    assert body["status"] == response.status_code
    assert response.headers["x-request-id"] == [body["request_id"]]


@schemathesis.check
def revoked_for_ever(_: Any, response: Any, case: Any) -> None:
    """A key that was deleted is shown as revoked ever after, and can no more be changed."""
    if case.operation.path != "/auth/api-keys/{id}":
        return
    key_id = case.path_parameters["id"]
    if case.method == "DELETE" and response.status_code == 204:
        _DELETED.add(key_id)
    elif key_id in _DELETED and response.status_code < 400 and case.method == "GET":
        assert response.json()["api_key"]["state"] == "revoked"
    elif key_id in _DELETED and case.method == "PATCH":
        assert response.status_code >= 400


_DELETED: set[str] = set()


@schemathesis.check
def no_internals(_: Any, response: Any, __: Any) -> None:
    """No answer tells what the server is made of, and none is the server's own failure."""
    assert response.status_code != 500
    for word in (b"Traceback", b"sqlite3", b"connexion", b"site-packages"):
        assert word not in (response.content or b"") or b'"openapi"' in response.content
