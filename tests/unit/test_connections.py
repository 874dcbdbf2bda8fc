"""How many connections there are, and which make room."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hookstream_keys.server import connections
from hookstream_keys.server.connections import idlest, max_connections, raise_file_limit


@dataclass
class Connection:
    since: float | None

    def idle_since(self) -> float | None:
        return self.since


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    max_connections.cache_clear()
    yield
    max_connections.cache_clear()


class Files:
    """The limit of this process on open files, as far as the code under test knows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.now = soft, hard
        monkeypatch.setattr(resource, "getrlimit", lambda _: self.now)
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: setattr(self, "now", limits))


ALL = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (1024, 1_048_576, 10_064),
        (1024, 4096, 4096),
        (1024, ALL, 10_064),
        (20_000, 20_000, 20_000),
        (ALL, ALL, ALL),
    ],
)
def test_as_many_files_as_may_be_needed_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    files = Files(monkeypatch, soft, hard)
    raise_file_limit()
    assert files.now == (raised, hard)


@pytest.mark.parametrize(
    ("files", "most"), [(ALL, 10_000), (20_000, 10_000), (1024, 960), (128, 64), (100, 50)]
)
def test_connections_leave_files_for_everything_else(
    monkeypatch: pytest.MonkeyPatch, files: int, most: int
) -> None:
    Files(monkeypatch, files, files)
    assert max_connections() == most


def test_those_that_have_been_idle_the_longest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 32)
    made = [Connection(since) for since in (5.0, None, 1.0, 3.0, None, 2.0)]
    assert [each.since for each in idlest(made)] == [1.0, 2.0]


def test_where_none_is_idle_none_makes_room() -> None:
    assert idlest([Connection(None)] * 3) == []
