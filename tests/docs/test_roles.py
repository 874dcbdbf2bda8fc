"""docs/roles.md shows the table that the server runs from."""

from support.readme import ROOT

from hookstream_keys.contract import roles, spec

PAGE = (ROOT / "docs" / "roles.md").read_text(encoding="utf-8")


def rows() -> list[str]:
    asking: dict[str, list[str]] = {}
    for operation in spec.operations(spec.document()):
        if operation.required_scope is not None:
            asking.setdefault(operation.required_scope, []).append(f"`{operation.id}`")
    return [
        f"| `{scope}` | {', '.join(sorted(asking[scope]))} | "
        + " | ".join([*(_cell(scope, role) for role in ("owner", "admin", "member")), _key(scope)])
        + " |"
        for scope in sorted(asking)
    ]


def _cell(scope: str, role: str) -> str:
    if roles.scopes_of(role).allow(scope):
        return "yes"
    return "*own*" if roles.creator_scopes().allow(scope) else "no"


def _key(scope: str) -> str:
    return "*scope*" if roles.key_scopes().allow(scope) else "no"


def test_the_table_is_the_one_that_the_server_runs_from() -> None:
    shown = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert shown == rows(), "\n" + "\n".join(rows())


def test_the_roles_are_these_three() -> None:
    assert list(spec.document()["x-rights"]["roles"]) == ["owner", "admin", "member"]
