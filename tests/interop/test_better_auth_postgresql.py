"""better-auth on PostgreSQL: whose tables are whose, and times."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from interop.better_auth import BetterAuth, Person, Run, Serve
from support import Database, Server, cookie, iso, run, serving

pytestmark = pytest.mark.on_postgresql(reason="SQLite has neither types nor time zones")

PLUGINS = {"admin": True, "twoFactor": True}

#: What PostgreSQL's catalogs have of a table, without the order of its columns.
_COLUMNS = """
    select attname, format_type(atttypid, atttypmod), attnotnull, pg_get_expr(adbin, adrelid),
        attcollation::regcollation::text, attidentity, attgenerated
    from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attrelid = ?::text::regclass and attnum > 0 order by 1
"""
_CONSTRAINTS = """
    select conname, pg_get_constraintdef(oid) from pg_constraint
    where conrelid = ?::text::regclass and conname not like 'hookstream%' order by 1
"""
#: This project's own have its name.
_INDEXES = """
    select indexname, indexdef from pg_indexes
    where schemaname = 'public' and quote_ident(tablename) = ? and indexname not like 'hookstream%'
    order by 1
"""
_TRIGGERS = "select tgname from pg_trigger where tgrelid = ?::text::regclass and not tgisinternal"


class Table(NamedTuple):
    columns: list[tuple[Any, ...]]
    constraints: list[tuple[Any, ...]]
    indexes: list[tuple[Any, ...]]
    triggers: list[tuple[Any, ...]]


def tables(database: Database, names: list[str]) -> dict[str, Table]:
    """These tables as the database's catalogs have them."""
    questions = _COLUMNS, _CONSTRAINTS, _INDEXES, _TRIGGERS
    return {
        name: Table(*(database.execute(question, (name,)) for question in questions))
        for name in names
    }


@pytest.fixture
def theirs(tmp_path: Path) -> Database:
    """A database for better-auth to migrate."""
    return Database(tmp_path / "theirs.db")


def names_in(database: Database) -> list[str]:
    """The names of all tables, quoted where they have to be."""
    sql = """select quote_ident(relname) from pg_class
             where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"""
    return [name for (name,) in database.execute(sql)]


@pytest.mark.parametrize("plugins", [{}, PLUGINS], ids=["", "plugins"])
def test_the_tables_of_init_are_those_that_better_auth_makes(
    database: Database, theirs: Database, peer: Run, plugins: dict[str, bool]
) -> None:
    peer("migrate", theirs)
    database.init()
    if plugins:
        # It adds their columns to the tables that it finds, not always as in new tables.
        peer("migrate", theirs, **plugins)
        peer("migrate", database, **plugins)
    names = names_in(theirs)
    assert {"account", "session", '"user"', "verification", "organization"} <= set(names)
    assert tables(database, names) == tables(theirs, names)


@pytest.mark.parametrize("plugins", [{}, PLUGINS], ids=["", "plugins"])
def test_init_leaves_the_tables_that_better_auth_made_as_they_are(
    theirs: Database, peer: Run, plugins: dict[str, bool]
) -> None:
    peer("migrate", theirs, **plugins)
    names = names_in(theirs)
    before = tables(theirs, names)
    assert run("init", "--json", database=theirs.path).returncode == 0
    assert "api_key" in names_in(theirs)
    assert tables(theirs, names) == before
    # They are indexed for our queries all the same, as a table that init makes is.
    ours = "select indexname from pg_indexes where indexname like 'hookstream%' order by 1"
    made = Database(theirs.path.with_name("ours.db"))
    made.init()
    assert theirs.execute(ours) == made.execute(ours)


# Times


@pytest.fixture
def far_apart(
    database: Database, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Server, BetterAuth]]:
    """Both sides, each and their database in a time zone of its own."""
    database.init()
    (name,) = database.execute("select current_database()")[0]
    database.execute(f"alter database {name} set timezone = 'Asia/Kathmandu'")
    monkeypatch.setenv("TZ", "America/St_Johns")
    with serve(database) as better_auth:
        monkeypatch.setenv("TZ", "Pacific/Auckland")
        with serving(database, HOOKSTREAM_SIGN_UP="open") as server:
            yield server, better_auth


def both(server: Server, better_auth: BetterAuth, header: str) -> tuple[Any, Any]:
    """A session and its user as each side shows them."""
    ours = server.request("GET", "/auth/get-session", headers={"Cookie": header})
    assert ours.status_code == 200
    return ours.json(), better_auth.session_of(header)


def test_both_sides_show_the_same_times_in_every_time_zone(
    far_apart: tuple[Server, BetterAuth],
) -> None:
    server, better_auth = far_apart
    up = {"name": "Ada", "email": f"{secrets.token_hex(8)}@example.com", "password": "correct pony"}
    here = server.request("POST", "/auth/sign-up/email", json=up)
    for header in (better_auth.sign_up().cookie, cookie(here.json()["token"])):
        ours, theirs = both(server, better_auth, header)
        for part in ("session", "user"):
            for name in ("createdAt", "updatedAt"):
                assert ours[part][name] == theirs[part][name]
                age = datetime.now(UTC) - datetime.fromisoformat(ours[part][name])
                assert timedelta() <= age < timedelta(minutes=1)
        assert ours["session"]["expiresAt"] == theirs["session"]["expiresAt"]


def test_a_session_ends_at_the_same_moment_on_both_sides(
    far_apart: tuple[Server, BetterAuth],
) -> None:
    server, better_auth = far_apart
    person: Person = better_auth.sign_up()
    for seconds, valid in ((60, True), (-1, False)):
        moment = iso(datetime.now(UTC) + timedelta(seconds=seconds))
        server.database.execute(
            'update "session" set "expiresAt" = ? where token = ?', (moment, person.token)
        )
        ours, theirs = both(server, better_auth, person.cookie)
        assert (ours is not None) is (theirs is not None) is valid


def test_microseconds_are_cut_off_on_both_sides(far_apart: tuple[Server, BetterAuth]) -> None:
    server, better_auth = far_apart
    person = better_auth.sign_up()
    # As a database's default for a row that another program has added.
    for fraction in ("000001", "123999", "999999", "5"):
        moment = f"2026-11-24T12:00:00.{fraction}Z"
        server.database.execute('update "user" set "createdAt" = ?', (moment,))
        ours, theirs = both(server, better_auth, person.cookie)
        assert ours["user"]["createdAt"] == f"2026-11-24T12:00:00.{fraction:0<3.3}Z"
        assert theirs["user"]["createdAt"] == ours["user"]["createdAt"]
