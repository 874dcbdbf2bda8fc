import pytest

from hookstream_keys.contract import roles


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_a_role_has_the_scopes_of_the_table(role: str) -> None:
    assert roles.scopes_of(role).names


def test_every_role_has_what_the_one_below_it_has() -> None:
    for more, less in (("owner", "admin"), ("admin", "member")):
        assert roles.scopes_of(more).beyond(roles.scopes_of(less).names) == []
        assert roles.scopes_of(less).beyond(roles.scopes_of(more).names) != []


@pytest.mark.parametrize(
    "role", ["", "owners", "Owner", "billing", "own er", "*", "creator", "key", "roles"]
)
def test_an_unknown_role_has_no_scopes(role: str) -> None:
    assert roles.scopes_of(role).names == ()


def test_of_several_roles_the_scopes_add_up() -> None:
    assert roles.scopes_of("member,owner").allow("organizations:delete")
    assert roles.scopes_of("billing, admin").allow("members:create")
    assert not roles.scopes_of("billing,member").allow("members:create")


@pytest.mark.parametrize(
    ("role", "owner"),
    [("owner", True), ("admin, owner", True), ("owners", False), ("admin", False), ("", False)],
)
def test_whether_a_user_is_an_owner(*, role: str, owner: bool) -> None:
    assert roles.is_owner(role) is owner


def test_only_an_owner_makes_owners() -> None:
    assert roles.scopes_of("owner").allow("owners:update")
    assert not roles.scopes_of("admin").allow("owners:update")


def test_creators_have_rights_on_keys_only() -> None:
    assert all(scope.startswith("api-keys:") for scope in roles.creator_scopes().names)


def test_no_key_manages_people_or_organizations() -> None:
    for scope in ("members:read", "members:create", "organizations:update", "environments:create"):
        assert not roles.key_scopes().allow(scope)


def test_a_key_has_at_most_the_rights_of_its_role() -> None:
    member = {
        "api-keys:create",
        "api-keys:read",
        "api-keys:verify",
        "environments:read",
        "organizations:read",
    }
    assert roles.scope_ceiling("member") == member
    assert roles.scope_ceiling("") == set()
    # What no key may do does not depend on its creator.
    everything = roles.scope_ceiling(None)
    assert roles.scope_ceiling("owner") == roles.scope_ceiling("member,admin") == everything
    assert "organizations:delete" not in everything
    assert "audit-log:read" in everything
