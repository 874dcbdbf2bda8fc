"""Which standbys each commit waits for, by `synchronous_standby_names`."""

import pytest
from support.engines import engines

# The module imports the driver, which only these environments have.
pytestmark = pytest.mark.skipif(
    "postgresql" not in engines(), reason="STORE_ENGINES has no postgresql"
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("", set()),
        ("a", {"a"}),
        ("A", {"a"}),
        ('"Node 1"', {"node 1"}),
        ('"with ""quotes"""', {'with "quotes"'}),
        ("a, b", set()),
        ("*", set()),
        ("1 (a)", {"a"}),
        ("1 (a, b)", set()),
        ("2 (a, b)", {"a", "b"}),
        ("FIRST 1 (a, b)", set()),
        ("first 2 (a,b)", {"a", "b"}),
        ('ANY 2 ("a", b)', {"a", "b"}),
        ("ANY 2 (a, b, c)", set()),
        ("FIRST 3 (a, b, c)", {"a", "b", "c"}),
        ("FIRST 1 (*)", set()),
        ("FIRST 2 (a, *)", set()),
    ],
)
def test_standbys_that_each_commit_waits_for_on_postgresql(names: str, expected: set[str]) -> None:
    from hookstream_keys.store.postgresql.replicas import waited_for

    assert waited_for(names) == expected
