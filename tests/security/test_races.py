"""A principal that has lost its rights changes nothing more, whatever was queued.

For every writing operation of the document a principal is revoked, disabled, narrowed, signed out,
demoted or removed while 32 clients use it for that operation, on one, two and four workers, and
with a write lock that is held meanwhile. When the loss is answered, no audit event of the principal
has a later position in the log. `FUZZ_RACES` says how often each is run, once without it.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from security import racing
from security.asking import OPERATIONS
from security.racing import Activation, Course, Race
from security.world import Rows
from support import ON_POSTGRESQL, Database, Server, serving

RUNS = int(os.environ.get("FUZZ_RACES") or 1)
WORKERS = (1, 2, 4)
RACES = list(racing.races())

#: By how many workers, and whether the write lock is held, each race is run in turn.
WAYS = [(workers, locked) for locked in (False, True) for workers in WORKERS]


@pytest.fixture(scope="module")
def courses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, tuple[Server, Rows]]]:
    """A server with as many workers, and a way to put rows into its database."""
    with ExitStack() as stack:
        found = {}
        for workers in WORKERS:
            database = Database(tmp_path_factory.mktemp("races") / "hookstream.db")
            database.init()
            server = stack.enter_context(
                serving(
                    database,
                    workers=workers,
                    HOOKSTREAM_RATE_LIMIT="off",
                    HOOKSTREAM_LOG_LEVEL="error",
                    HOOKSTREAM_VALIDATE_RESPONSES="off",
                )
            )
            found[workers] = server, stack.enter_context(closing(Rows(database)))
        yield found


@pytest.mark.parametrize("race", RACES, ids=str)
def test_a_principal_writes_nothing_after_its_loss_of_rights_was_acknowledged(
    courses: dict[int, tuple[Server, Rows]], race: Race
) -> None:
    if ON_POSTGRESQL and str(race) == "deleteOrganization-signed-out":
        pytest.skip("each organization has a chain of its own, whose positions are no order")
    number = RACES.index(race)
    for turn in range(RUNS):
        workers, locked = WAYS[(number + turn) % len(WAYS)]
        course = Course(*courses[workers], race)
        result = racing.run(course, locked=locked)
        assert result.before >= racing.CHANGES_BEFORE, result
        if course.still_may():
            # What it still may do, it does with the rights that it is left with.
            assert result.roles_after <= {"member"}, (workers, locked, result)
        else:
            assert result.after == 0, (workers, locked, result)
            assert result.refused, "none of its requests came after its ending"


def test_every_writing_operation_that_asks_for_a_credential_is_raced() -> None:
    writing = {
        operation.id
        for operation in OPERATIONS.values()
        if operation.method != "GET" and operation.secured and not operation.optional
    }
    assert {race.operation_id for race in RACES} == writing - {"verifyApiKey", "verifyApiKeys"}


@pytest.mark.parametrize("workers", WORKERS)
def test_no_secret_is_activated_after_its_key_was_revoked(
    courses: dict[int, tuple[Server, Rows]], workers: int
) -> None:
    """A read that turns into a write is one write more: the first use of a pending secret."""
    server, rows = courses[workers]
    for _ in range(RUNS):
        assert Activation.of(server, rows, 128).run() == 0
