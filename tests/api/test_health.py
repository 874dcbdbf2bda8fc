"""GET /health and GET /health/ready."""

import pytest
from support import Database, Server, assert_error, serving


def test_200_alive(server: Server) -> None:
    answer = server.request("GET", "/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_200_ready(server: Server) -> None:
    answer = server.request("GET", "/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


def test_400_unknown_query_parameter(server: Server) -> None:
    assert_error(server.request("GET", "/health?verbose=1"), 400, "bad_request", "query/verbose")


@pytest.mark.on_sqlite(reason="the names of its migrations")
def test_503_when_a_migration_is_missing_and_alive_all_the_same(database: Database) -> None:
    database.init()
    with serving(database) as server:
        rows = database.execute("delete from _sqlite_migrations returning migration_set, name")
        answer = server.request("GET", "/health/ready")
        assert_error(answer, 503, "unavailable")
        assert answer.headers["retry-after"]
        assert server.request("GET", "/health").status_code == 200
        for row in rows:
            database.execute(
                "insert into _sqlite_migrations (migration_set, name, applied_at)"
                " values (?, ?, '')",
                row,
            )
        assert server.request("GET", "/health/ready").status_code == 200


@pytest.mark.on_sqlite(reason="the names of its migrations")
def test_ready_beside_a_newer_version_that_has_upgraded_the_database(database: Database) -> None:
    database.init()
    with serving(database) as server:
        database.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('hookstream-keys', 'm9999_from_the_future', '')"
        )
        assert server.request("GET", "/health/ready").status_code == 200
