"""A sandbox as a test sees it: credentials, states, the clock, faults, and what was sent."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypedDict, Unpack
from urllib.parse import urlencode

from hookstream_keys.testing.control import Control
from hookstream_keys.testing.records import (
    Environment,
    Key,
    PendingFault,
    RecordedRequest,
    RotatedKey,
)
from hookstream_keys.testing.tenants import Tenants

KeyState = Literal[
    "active",
    "disabled",
    "expired",
    "revoked",
    "ip_bound",
    "out_of_scope",
    "rate_limited",
    "other_tenant",
]
RotationState = Literal["pending", "grace", "ended"]
SessionState = Literal["live", "expired"]

#: The provider state of each word, as `control.yaml` names it.
KEY_STATES: Mapping[KeyState, str] = {
    "active": "an active key",
    "disabled": "a disabled key",
    "expired": "an expired key",
    "revoked": "a revoked key",
    "ip_bound": "a key bound to an address",
    "out_of_scope": "a key with few scopes",
    "rate_limited": "a key whose limit is used up",
    "other_tenant": "a key of another tenant",
}
ROTATION_STATES: Mapping[RotationState, str] = {
    "pending": "a pending rotation",
    "grace": "a rotation in its grace period",
    "ended": "an ended rotation",
}
SESSION_STATES: Mapping[SessionState, str] = {
    "live": "a live session",
    "expired": "an expired session",
}


class StateParams(TypedDict, total=False):
    """What a state's resources are like; `StateParams` of `control.yaml` describes each."""

    name: str
    scopes: str
    external_id: str
    metadata: dict[str, Any]
    reason: str
    allowed_ips: list[str]
    requests: int
    window_seconds: int
    grace_period_seconds: int
    expires_in_seconds: int


class Sandbox:
    """A running sandbox, or a tenant of one.

    Every method raises SandboxError when the sandbox does not answer, or refuses its arguments.
    """

    def __init__(
        self, facts: Mapping[str, Any], control: Control, tenants: Tenants | None = None
    ) -> None:
        self._control = control
        self._tenants = Tenants(control) if tenants is None else tenants
        #: All that the sandbox began with; `Facts` of `control.yaml` describes it.
        self.facts = facts
        #: The URL of the API: what a client under test is configured with.
        self.base_url: str = facts["base_url"]
        #: The URL of the control API; with `/states` it is Pact's URL for provider states.
        self.control_url: str = facts["control_url"]
        self.org_id: str = facts["org_id"]
        self.env_id: str = facts["env_id"]
        #: A key with all scopes, which cannot be revoked or changed here.
        self.api_key: str = facts["key"]
        #: A session of the owner, for `Authorization: Bearer`.
        self.session_token: str = facts["session_token"]

    # States

    def key(self, state: KeyState = "active", **params: Unpack[StateParams]) -> Key:
        """Make a key in a state."""
        values = self.state(_named(KEY_STATES, state, "key"), **params)
        return Key(values["key_id"], values["key"], values["org_id"], values["env_id"])

    def rotation(self, state: RotationState, **params: Unpack[StateParams]) -> RotatedKey:
        """Make a key that was rotated.

        `pending`: its new secret was never used. `grace`: it was, and the old one is still
        accepted. `ended`: only the new one is.
        """
        values = self.state(_named(ROTATION_STATES, state, "rotation"), **params)
        return RotatedKey(
            values["key_id"],
            values["key"],
            values["org_id"],
            values["env_id"],
            values["new_key"],
            values["rotation_id"],
        )

    def session(self, state: SessionState = "live") -> str:
        """Make a session of the owner, and return its token."""
        token: str = self.state(_named(SESSION_STATES, state, "session"))["session_token"]
        return token

    def environment(self, **params: Unpack[StateParams]) -> Environment:
        """Make an environment."""
        values = self.state("an environment", **params)
        return Environment(values["env_id"], values["org_id"], values["slug"])

    def state(self, state: str, /, **params: Unpack[StateParams]) -> dict[str, Any]:
        """Set up a provider state by its full name, and return its values."""
        values: dict[str, Any] = self._control.call(
            "POST", "/states", {"state": state, "params": params}
        )
        return values

    # The clock

    def now(self) -> datetime:
        """The sandbox's time, in UTC."""
        return _time(self._control.call("GET", "/clock"))

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> datetime:
        """Move the clock forward, and return its time."""
        by = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return _time(self._control.call("POST", "/clock", {"advance_seconds": by.total_seconds()}))

    def set_clock(self, moment: datetime) -> datetime:
        """Set the clock, and return its time. Raises ValueError when `moment` has no time zone."""
        if moment.tzinfo is None:
            raise ValueError("the moment has no time zone; use for example datetime(…, tzinfo=UTC)")
        text = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        return _time(self._control.call("POST", "/clock", {"set": text}))

    def run_clock(self) -> None:
        """Let the clock run at the speed of real time."""
        self._control.call("POST", "/clock", {"mode": "run"})

    def freeze_clock(self) -> None:
        """Stop the clock, as it is at first."""
        self._control.call("POST", "/clock", {"mode": "freeze"})

    # Faults

    def fail_next(
        self,
        operation: str,
        status: int,
        *,
        times: int = 1,
        retry_after: int | None = None,
        after_commit: bool = False,
    ) -> None:
        """Answer the next requests of an operation with an error.

        `operation` is an `operationId`, `times` the number of requests, `retry_after` the header
        of that name in seconds. With `after_commit` the request is done before it is answered so.
        """
        self._add_fault(
            operation,
            times=times,
            after_commit=after_commit,
            status=status,
            **({} if retry_after is None else {"retry_after": retry_after}),
        )

    def drop_next(self, operation: str, *, times: int = 1, after_commit: bool = False) -> None:
        """Close the connections of the next requests of an operation without an answer.

        With `after_commit` the request is done before.
        """
        self._add_fault(operation, times=times, after_commit=after_commit, drop=True)

    def delay_next(self, operation: str, *, seconds: float, times: int = 1) -> None:
        """Answer the next requests of an operation later, by seconds of real time."""
        self._add_fault(operation, times=times, delay_ms=round(seconds * 1000))

    def damage_next(
        self, operation: str, how: Literal["truncate", "malformed"], *, times: int = 1
    ) -> None:
        """Cut the next answers of an operation: in the middle, or so that they are no JSON."""
        self._add_fault(operation, times=times, **{how: True})

    def clear_faults(self) -> None:
        """Remove all faults that are still to come."""
        self._control.call("DELETE", "/faults")

    def faults(self) -> list[PendingFault]:
        """The faults that are still to come, in the order in which they were added."""
        found = self._control.call("GET", "/faults")["faults"]
        return [_pending_fault(**each) for each in found]

    def assert_faults_used(self) -> None:
        """Raise AssertionError if a fault is still to come: the test proves nothing of it."""
        __tracebackhide__ = True  # pytest shows the test instead
        unused = [f"{each.operation}: {each.how}, times: {each.times}" for each in self.faults()]
        if unused:
            raise AssertionError("\n".join(["faults that no request has used:", *unused]))

    # Requests

    def requests(self, operation: str | None = None) -> list[RecordedRequest]:
        """What clients have sent since the last reset, oldest first; of one operation, or all."""
        query = "" if operation is None else "?" + urlencode({"operation": operation})
        found = self._control.call("GET", f"/requests{query}")["requests"]
        names = RecordedRequest.__slots__
        return [RecordedRequest(**{name: each[name] for name in names}) for each in found]

    def assert_requests_valid(self) -> None:
        """Raise AssertionError if a client has sent a request that the document does not allow."""
        __tracebackhide__ = True  # pytest shows the test instead
        problems = list(_problems(self.requests()))
        if problems:
            raise AssertionError("\n".join(["requests that are not valid:", *problems]))

    # Everything

    def create_tenant(self, name: str) -> "Sandbox":
        """Make an isolated tenant, which the next `reset()` deletes.

        `name` has small letters, digits, - and _. A tenant can make tenants, too.
        """
        facts, tenants = self._tenants.create(name)
        return Sandbox(facts, self._control.at(facts["control_url"]), tenants)

    def delete_tenant(self, name: str) -> None:
        """Delete a tenant by the name that `create_tenant` was given."""
        self._tenants.delete(name)

    def reset(self) -> None:
        """Put everything back: data, clock, faults, recorded requests; delete its tenants."""
        self._tenants.delete_all()
        self._control.call("POST", "/reset")

    def _add_fault(
        self, operation: str, *, times: int, after_commit: bool = False, **how: Any
    ) -> None:
        when = {"when": "after_commit"} if after_commit else {}
        self._control.call(
            "POST", "/faults", {"operation": operation, "times": times, **when, **how}
        )


def _named(states: Mapping[Any, str], state: str, what: str) -> str:
    if state not in states:
        raise ValueError(f"there is no {what} state {state!r}; there are: {', '.join(states)}")
    return states[state]


def _time(clock: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(clock["now"])


def _pending_fault(operation: str, times: int, when: str, **how: Any) -> PendingFault:
    return PendingFault(operation, times, when, how)


def _problems(requests: list[RecordedRequest]) -> Iterator[str]:
    for request in requests:
        for problem in request.problems:
            yield (
                f"{request.number}. {request.method} {request.path}: "
                f"{problem['location']} {problem['message']}"
            )
