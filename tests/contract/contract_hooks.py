"""What Schemathesis is taught beside the document: the error shape, and ids that exist."""

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import schemathesis
from contract.ground import given

GROUND = given()

#: What may not be done, lest the run has nothing left to stand on: its key must stay what it is.
SPARED = {
    "DELETE": {GROUND.org_id, GROUND.env_id, GROUND.key_id},
    "PATCH": {GROUND.key_id},
    "POST": {GROUND.key_id},
}

#: Keys that were issued and not deleted since.
_KEYS: list[str] = []
#: Rotations that were begun and not cancelled since: of which key, and which.
_ROTATIONS = GROUND.rotations
#: Members who were not taken out since.
_MEMBERS = GROUND.members

#: The last cursor that a list gave, by operationId and organization.
_CURSORS: dict[tuple[str, str], str] = {}
#: As the document has them: that of the audit log, and that of every other list.
_CURSOR = {True: re.compile(r"al_[0-9a-f]{32}"), False: re.compile(r"[0-9]{17}-[\w-]{1,64}", re.A)}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: As the document has it, but for the longest.
_CALLBACK = re.compile(r"(/|https?://)[\x21-\x7e]{0,1990}")
_EMAIL = re.compile(r"[^@]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Give half of the bodies that name an environment or a person well one that exists.

    Likewise cursors, keys and rotations. What is wrong there stays wrong; what is wrong elsewhere
    stays so, too.
    """
    _turn_to_a_page(case)
    _aim_at_what_is_there(case)
    _keep_the_ground(case)
    body = case.body
    if not isinstance(body, dict):
        return
    chance = hashlib.sha256(repr(sorted(map(repr, body.items()))).encode()).digest()
    _aim_at_people(case.operation.definition.raw["operationId"], body, chance)
    ids = [body.get("org_id"), body.get("env_id")]
    if not all(isinstance(text, str) and _ID.fullmatch(text) for text in ids):
        return
    if chance[0] % 2:
        body["org_id"], body["env_id"] = GROUND.org_id, GROUND.env_id


def _aim_at_people(operation_id: str, body: dict[str, Any], chance: bytes) -> None:
    """Sign up a new user, or mostly name one who has signed up; redirect most to a path.

    No schema can say that a user has signed up before, and where a run of requests has no other,
    it looks as if the document promised too much. The tests of the API try it.
    """
    email, callback = body.get("email"), body.get("callbackURL")
    if isinstance(callback, str) and _CALLBACK.fullmatch(callback) and chance[3] % 4:
        body["callbackURL"] = "/"
    if not isinstance(email, str) or not _EMAIL.fullmatch(email):
        return
    if operation_id == "signUpEmail":
        body["email"] = f"new-{next(_NEW)}@example.com"
    elif operation_id == "signInEmail" and chance[0] % 2:
        body["email"] = GROUND.email
        if isinstance(body.get("password"), str) and 1 <= len(body["password"]) <= 128:
            body["password"] = GROUND.password
    elif chance[0] % 2:
        body["email"] = GROUND.emails[int.from_bytes(chance[1:3]) % len(GROUND.emails)]


_NEW = itertools.count()


def _aim_at_what_is_there(case: Any) -> None:
    """Aim every other well-formed path at a key, a rotation or a member that is there."""
    path = case.path_parameters or {}
    if not path or not all(map(_ID.fullmatch, map(str, path.values()))):
        return
    turn = next(_TURNS[case.method, case.operation.path])
    if turn % 2:
        return
    if "rotation_id" in path and _ROTATIONS:
        path["id"], path["rotation_id"] = _ROTATIONS.pop()
    elif "member_id" in path and _MEMBERS:
        path["id"], path["member_id"] = GROUND.org_id, _MEMBERS[-1]
        if case.method == "DELETE":
            _MEMBERS.pop()
    elif case.operation.path.startswith("/auth/api-keys/{id}") and _KEYS:
        path["id"] = _KEYS[-1]


#: One per operation, so that operations do not affect each other.
_TURNS: dict[tuple[str, str], Iterator[int]] = defaultdict(itertools.count)


def _keep_the_ground(case: Any) -> None:
    """Redirect requests that would change or revoke what the run depends on."""
    path = case.path_parameters or {}
    # Taking a member out of an organization leaves it there, and the last owner in it.
    if path.get("id") in SPARED.get(case.method, ()) and "member_id" not in path:
        path["id"] = "spared"


def _turn_to_a_page(case: Any) -> None:
    """Put a cursor that the server gave in place of every other well-formed one.

    Otherwise the pages would be empty, or the first.
    """
    query = case.query or {}
    cursor = query.get("cursor")
    form = _CURSOR[case.operation.definition.raw["operationId"] == "listAuditLog"]
    known = _CURSORS.get(_list_of(case))
    if known is not None and isinstance(cursor, str) and form.fullmatch(cursor):
        turn = next(_TURNS["cursor", case.operation.path])
        query["cursor"] = cursor if turn % 2 else known


@schemathesis.hook
def after_call(_: Any, case: Any, response: Any) -> None:
    """Keep the cursors that lists give, which keys there are, and which rotations were begun."""
    match case.operation.definition.raw["operationId"], response.status_code:
        case "createApiKey", 201:
            _KEYS.append(response.json()["id"])
        case "revokeApiKey", 204:
            _KEYS[:] = [key_id for key_id in _KEYS if key_id != case.path_parameters["id"]]
        case "rotateApiKey", 201:
            _ROTATIONS.append((case.path_parameters["id"], response.json()["rotation"]["id"]))
    if response.status_code == 200 and "limit" in (case.query or {}):
        page = response.json()
        cursor = page.get("cursor") or page.get("next_cursor")
        if cursor is not None:
            _CURSORS[_list_of(case)] = cursor


def _list_of(case: Any) -> tuple[str, str]:
    return case.operation.definition.raw["operationId"], str((case.query or {}).get("org_id"))


@schemathesis.check
def one_error_shape(_: Any, response: Any, case: Any) -> None:
    """Every error, documented or not, is the one shape, under the request id of its header."""
    if response.status_code < 400 or case.method == "HEAD":
        return
    body = response.json()
    more = {"message"} if body["code"].isupper() else set()
    assert set(body) - {"details"} == {"error", "status", "request_id", "code"} | more, body
    assert body["status"] == response.status_code
    assert response.headers["x-request-id"] == [body["request_id"]]


@schemathesis.check
def revoked_permanently(_: Any, response: Any, case: Any) -> None:
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
    """No response reveals internals, and none is a server error."""
    assert response.status_code != 500
    for word in (b"Traceback", b"sqlite3", b"connexion", b"site-packages"):
        assert word not in (response.content or b"") or b'"openapi"' in response.content
