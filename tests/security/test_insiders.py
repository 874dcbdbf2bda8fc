"""No chain of steps in which people act gives an insider more than who acted had.

Sessions whose role is raised, lowered and taken away, and the keys that they made or were given,
create, change, rotate and use keys, while an owner acts on the same ones. Chains are made by
Hypothesis; the model that they are held to is in `people.py`. `FUZZ_CHAINS` says how many:
`chain_campaign.py`.
"""

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from security.chain_campaign import campaign, chains
from security.chains import ENDS
from security.insider import STARTS, Insider, Start
from security.people import ROLES, STEPS, Step
from security.world import UNLIMITED, Rows

pytestmark = pytest.mark.server(**UNLIMITED)

#: What a member made: for an owner to widen, and for an owner to narrow.
NARROW = Start(by_insider=True, holds=False, scopes="events:read", role="member")
WIDE = Start(by_insider=True, holds=True, scopes="audit-log:read api-keys:*", role="member")
ADMINS = Start(by_insider=True, holds=False, scopes="*", role="admin")

OWNERS = Start(by_insider=False, holds=False, scopes="*", role="owner")
#: One that it is not known of who bound it.
BOUND = Start(
    by_insider=True, holds=False, scopes="*", role="member", allowed_ips=("192.0.2.0/25",)
)

ROTATE = Step("session", "rotate", 0, 0, {"grace_period_seconds": 0})
WIDEN = Step("owner", "update", 0, 0, {"scopes": "*"})
NARROW_DOWN = Step("owner", "update", 0, 0, {"scopes": "audit-log:read"})
DEMOTE = Step("owner", "give role", 0, 0, {"role": "member"})
#: The new secret has an expiry, which the key has from the secret's first use on.
END = Step("owner", "rotate", 0, 0, {"grace_period_seconds": 0, "expires_at": ENDS[1]})
NEVER_END = Step("session", "update", 0, 0, {"expires_at": None})
DISABLE = Step("owner", "update", 0, 0, {"enabled": False})
ENABLE = Step("session", "update", 0, 0, {"enabled": True})
WIDER = Step("session", "update", 0, 0, {"allowed_ips": ["192.0.2.0/24"]})
ANYWHERE = Step("session", "update", 0, 0, {"allowed_ips": []})


def play(
    client: httpx.Client, rows: Rows, role: str, starts: list[Start], steps: list[Step]
) -> Insider:
    insider = Insider(client, rows, role)
    insider.begin(starts)
    for step in steps:
        insider.do(step)
        if insider.wrong:
            break
    insider.reach()
    return insider


def test_no_chain_gives_an_insider_more_than_the_actor_had(
    client: httpx.Client, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    @chains
    @given(
        st.sampled_from(ROLES),
        st.lists(STARTS, min_size=1, max_size=4),
        st.lists(STEPS, min_size=4, max_size=14),
    )
    @example("member", [NARROW], [WIDEN, ROTATE])
    @example("member", [WIDE], [NARROW_DOWN])
    @example("admin", [ADMINS], [DEMOTE, ROTATE])
    @example("member", [NARROW], [DISABLE, ENABLE])
    @example("admin", [BOUND], [WIDER, DEMOTE, ANYWHERE])
    @example("admin", [OWNERS], [ROTATE])
    @example("member", [NARROW], [END, NEVER_END])
    def no_chain(role: str, starts: list[Start], steps: list[Step]) -> None:
        insider = play(client, rows, role, starts, steps)
        tried.count(insider.done, insider.points())
        assert not insider.wrong, "\n".join([*insider.wrong, *insider.done])

    with campaign(capsys) as tried:
        no_chain()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("update api_key set role = 'owner' where org_id = ?", "gained"),
        ("update api_key set allowed_ips = '' where org_id = ?", "lifted allowed_ips"),
    ],
)
def test_more_would_be_noticed(client: httpx.Client, rows: Rows, change: str, found: str) -> None:
    """What an insider could not do, done behind the server's back, looks like what it is."""

    class Meddling(Insider):
        def _send(self, *arguments: object) -> httpx.Response | None:
            answer = super()._send(*arguments)  # type: ignore[arg-type]
            self.rows.read(change, self.org)
            return answer

    insider = Meddling(client, rows, "member")
    insider.begin([WIDE._replace(allowed_ips=("192.0.2.0/25",))])
    insider.restricted[insider.keys[0], "allowed_ips"] = 3
    insider.do(Step("session", "update", 0, 0, {"scopes": "audit-log:read"}))
    assert found in insider.wrong[-1]
