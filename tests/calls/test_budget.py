"""What a request costs, counted instead of timed: a cheap guard that is never flaky."""

import pytest
from calls import budget
from support import Database, Tenant

_DECIDED = budget.read()

pytestmark = pytest.mark.skipif(
    _DECIDED["python"] != budget.PYTHON,
    reason=f"the budget is one for Python {_DECIDED['python']}",
)


@pytest.fixture
def tenant(database: Database) -> Tenant:
    return database.init()


@pytest.mark.parametrize("work", budget.WORKS)
def test_a_request_enters_no_more_functions_than_its_budget_allows(
    work: str, database: Database, tenant: Tenant
) -> None:
    found = budget.count_for(work, database, tenant)
    over = budget.overrun(work, found, _DECIDED)
    if over:
        pytest.fail(over, pytrace=False)


@pytest.mark.parametrize("work", budget.WORKS)
def test_the_count_is_the_same_every_time(work: str, database: Database, tenant: Tenant) -> None:
    first = budget.count_for(work, database, tenant)
    assert budget.count_for(work, database, tenant) == first


def test_what_is_over_the_budget_is_told_with_the_functions_that_grew() -> None:
    decided = {"budget": {"create": 10}, "functions": {"a.same": [0, 0, 4], "a.more": [9, 9, 5]}}
    assert budget.overrun("create", {"a.same": 4, "a.more": 6}, decided) == ""
    assert budget.overrun("create", {"a.same": 4, "a.more": 7, "b.new": 1}, decided) == (
        "create enters 12 functions, 2 more than its budget of 10:\n"
        "  +2 a.more, entered 7 times\n"
        "  +1 b.new, entered 1 times"
    )
