"""Tenant isolation: the same 404 for inaccessible and nonexistent ids, in every operation with one.

The answers are compared byte for byte, with the names of the headers, their order and
what they say, but for the id of the request and for what a clock says. Whether they take
as long is measured in test_timing.py.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from security.asking import SLOTS, Slot, asked
from security.world import Headers, Rows, Tenant, bearer
from support import Server, told, until

#: Where a wrong id is no error, but finds nothing.
NOTHING_FOUND = {("verifyApiKey", "env_id")}

BODIES: dict[str, dict[str, Any]] = {
    "verifyApiKey": {"key": "nonsense"},
    "verifyApiKeys": {"requests": [{"key": "no"}]},
}


class Two:
    """Two tenants of one server."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self.client = client
        self.rows = Rows(server.database)
        with self.rows.at_once():
            self.mine, self.foreign = Tenant(self.rows), Tenant(self.rows)
            self.callers = {
                "session": bearer(self.rows.add_session(self.mine.owner)),
                "key": self.mine.with_key(),
                "key as bearer": bearer(self.mine.with_key()["X-API-Key"]),
                "member": self.mine.signed_in("member"),
                "narrow key": self.mine.with_key(scopes="events:*"),
            }


@pytest.fixture(scope="module")
def two(server: Server) -> Iterator[Two]:
    with httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
        two = Two(server, client)
        yield two
        two.rows.close()


def ask(two: Two, wrong: Slot, wanted: str, headers: Headers) -> httpx.Response:
    """Do the operation with an id in one place, and the caller's own in the others."""

    def chosen(slot: Slot) -> str:
        return wanted if slot == wrong else two.mine.id_of(slot.kind)

    request = asked(wrong.operation, chosen, **BODIES)
    return two.client.request(request.method, request.path, headers=headers, **request.arguments())


@pytest.mark.parametrize("slot", SLOTS, ids=str)
def test_404_inaccessible_resources_answer_as_nonexistent_ones(two: Two, slot: Slot) -> None:
    theirs = two.foreign.id_of(slot.kind)
    for who, headers in two.callers.items():
        never = f"{theirs[:-1]}{'1' if theirs[-1] == '0' else '0'}"
        answers = [ask(two, slot, wanted, headers) for wanted in (theirs, never, "never-was")]
        assert answers[0].status_code in expected(slot, who), answers[0].text
        assert told(answers[0]) == told(answers[1]) == told(answers[2]), who


def expected(slot: Slot, who: str) -> set[int]:
    if who == "narrow key":
        # The right is not asked for before the object is seen, but where there is no object.
        return {403, 404}
    if (slot.operation.id, slot.name) in NOTHING_FOUND:
        return {200}
    # To a key that none may do it is told before anything is looked for.
    return {404, 403} if who != "session" else {404}


def log_lines(server: Server, request_id: str) -> list[str]:
    """The lines of the log with the request id; they are written after the response."""

    def found() -> list[str]:
        *lines, _incomplete = server.log.read_text(encoding="utf-8").split("\n")
        return [line for line in lines if request_id in line]

    until(lambda: found() != [])
    return found()


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/environments", "env"), ("/organizations", "org"), ("/auth/api-keys", "key")],
)
def test_only_the_log_tells_a_foreign_resource_from_a_missing_one(
    server: Server, two: Two, path: str, kind: str
) -> None:
    for resource, reason in ((two.foreign.id_of(kind), "masked"), ("no_such_id", "missing")):
        answer = two.client.get(f"{path}/{resource}", headers=two.callers["session"])
        assert answer.status_code == 404
        (line,) = log_lines(server, answer.headers["x-request-id"])
        assert line.endswith(f" reason={reason}")
        assert resource not in line


def test_a_difference_would_be_seen(two: Two) -> None:
    """The comparison finds what it is there for: what is the caller's own answers otherwise."""
    slot = next(slot for slot in SLOTS if str(slot) == "getApiKey-path-id")
    headers = two.callers["session"]
    own, never = (ask(two, slot, wanted, headers) for wanted in (two.mine.key, "never-was"))
    assert told(own) != told(never)


def test_there_are_places_of_every_kind() -> None:
    assert {slot.kind for slot in SLOTS} == {"org", "env", "key", "member", "rotation"}
    assert {slot.place for slot in SLOTS} == {"path", "query", "body"}
    assert len(SLOTS) > 20
