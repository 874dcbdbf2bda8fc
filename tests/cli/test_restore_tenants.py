"""What `restore` does to environments, organizations and users, as its help and docs say."""

from support import Database, Tenant, serving, url_of
from support.backups import backup, code, command, restore

from hookstream_keys.cli.operations import ask
from hookstream_keys.store import open_store


def does(database: Database, operation: str, *, body: object = None, **given: str) -> None:
    """Ask an operation of the API as an operator."""
    store = open_store(url_of(database.path))
    ask(store, operation, body, **given)
    store.close()


def test_an_environment_that_was_deleted_is_back_and_its_keys_are_revoked(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    does(database, "deleteEnvironment", id=tenant.env_id)
    found = restore(database, path)
    # Its key is there as it was left, revoked: nothing of it is changed.
    assert found["changes"]["environment.updated"] == 1
    assert found["changes"]["api_key.updated"] == 0
    assert found["preserved"]["keys_revoked"] == 1
    assert database.execute("select deleted_at from environment") == [(None,)]
    assert code(database, tenant.key) == "REVOKED"


def test_the_names_of_environments_and_organizations_are_as_they_were(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    names = [
        database.execute(f"select name, slug from {table}")
        for table in ("environment", "organization")
    ]
    body = {"name": "Other", "slug": "other"}
    does(database, "updateEnvironment", body=body, id=tenant.env_id)
    does(database, "updateOrganization", body=body, id=tenant.org_id)
    found = restore(database, path)["changes"]
    assert (found["environment.updated"], found["organization.updated"]) == (1, 1)
    assert names == [
        database.execute(f"select name, slug from {table}")
        for table in ("environment", "organization")
    ]


def test_an_environment_created_since_is_removed_with_its_keys(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    body = {"org_id": tenant.org_id, "name": "n", "slug": "s", "mode": "test"}
    does(database, "createEnvironment", body=body)
    ((env_id,),) = database.execute("select id from environment where slug = 's'")
    does(
        database,
        "createApiKey",
        body={"org_id": tenant.org_id, "env_id": env_id, "name": "n"},
    )
    found = restore(database, path)["changes"]
    assert (found["environment.removed"], found["api_key.removed"]) == (1, 1)
    assert database.execute("select id from environment") == [(tenant.env_id,)]


def test_a_user_who_signed_up_since_can_sign_in_to_a_new_organization(
    database: Database, tenant: Tenant
) -> None:
    path = backup(database)
    body = {"email": "new@example.com", "password": "correct horse battery"}
    with serving(database, HOOKSTREAM_SIGN_UP="open") as server:
        made = server.request("POST", "/auth/sign-up/email", json={"name": "N", **body})
        assert made.is_success, made.text
        gone = [row[0] for row in database.execute("select id from organization")]
        found = restore(database, path)["changes"]
        assert (found["organization.removed"], found["environment.removed"]) == (1, 1)
        assert (found["member.removed"], found["session.removed"]) == (1, 1)
        assert (found["user.removed"], found["account.removed"]) == (0, 0)
        again = server.request("POST", "/auth/sign-in/email", json=body)
        assert again.is_success, again.text
        headers = {"Authorization": f"Bearer {again.json()['token']}"}
        # As every user who belongs to none: the first sign-in gives them one.
        listed = server.request("GET", "/organizations", headers=headers).json()["organizations"]
        assert len(listed) == 1
        assert listed[0]["id"] not in gone


def test_a_deleted_user_is_not_restored(database: Database, tenant: Tenant) -> None:
    user = database.add_user()
    does(
        database,
        "addMember",
        body={"email": f"{user}@example.com", "role": "admin"},
        id=tenant.org_id,
    )
    path = backup(database)
    for statement in (
        'delete from "member" where "userId" = ?',
        'delete from "user" where id = ?',
    ):
        database.execute(statement, (user,), references=True)
    found = restore(database, path)
    assert found["preserved"]["members_removed"] == 1
    assert found["changes"]["member.restored"] == found["changes"]["user.restored"] == 0
    assert database.execute('select "userId" from "member"') == [(tenant.user_id,)]


def test_the_help_says_what_is_put_back_kept_and_removed(database: Database) -> None:
    text = " ".join(command(database, "restore", "--help").stdout.split())
    for part in ("Restored: ", "Unchanged: users, ", "Removed: organizations, environments, "):
        assert part in text
