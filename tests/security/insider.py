"""A chain of steps with people in it, done against the server and judged step by step."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import httpx
from hypothesis import strategies as st
from security import people
from security.chains import ENDS, GRANTS, IPS, RATES
from security.people import ROLES, RULES, State, Step
from security.powers import NEVER, Power, beyond, let_in
from security.world import Headers, Rows, bearer


class Start(NamedTuple):
    """A key at the start: its creator, and whether the insider has its secret."""

    by_insider: bool
    holds: bool
    scopes: str
    role: str
    end: str | None = None
    allowed_ips: tuple[str, ...] = ()
    rate: tuple[int, int] | None = None
    enabled: bool = True


STARTS = st.builds(
    Start,
    by_insider=st.booleans(),
    holds=st.sampled_from([True, True, False]),
    scopes=st.sampled_from(GRANTS),
    role=st.sampled_from(ROLES),
    end=st.sampled_from((None, *ENDS)),
    allowed_ips=st.sampled_from(((), (), *IPS)),
    rate=st.sampled_from((None, None, *RATES)),
    enabled=st.sampled_from([True, True, True, False]),
)


class Held(NamedTuple):
    """A secret that the insider was shown, and the key that it is of."""

    secret: str
    key: str


@dataclass
class Insider:
    """One user with a session and some secrets, in an organization that others own."""

    client: httpx.Client
    rows: Rows
    role: str | None
    held: list[Held] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    rotations: list[tuple[str, str]] = field(default_factory=list)
    #: How high the role was that restricted a rule of a key.
    restricted: dict[tuple[str, str], int] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def begin(self, starts: list[Start]) -> None:
        rows = self.rows
        with rows.at_once():
            owner, self.user = rows.add_user(), rows.add_user()
            self.org = rows.add_organization()
            self.environments = [rows.add_environment(self.org) for _ in range(2)]
            rows.add_member(self.org, owner, "owner")
            self.member = rows.add_member(self.org, self.user, self.role or "member")
            ((self.email,),) = rows.read('select email from "user" where id = ?', self.user)
            self.owner = bearer(rows.add_session(owner))
            self.session = bearer(rows.add_session(self.user))
            for start in starts:
                self._add(start, owner)

    def _add(self, start: Start, owner: str) -> None:
        key, secret = self.rows.add_key(
            self.org,
            self.environments[0],
            scopes=start.scopes,
            role=start.role,
            expires_at=start.end,
            allowed_ips=" ".join(start.allowed_ips),
            rate_limit=start.rate and "{}/{}".format(*start.rate),
            enabled=int(start.enabled),
            created_by=self.user if start.by_insider else owner,
        )
        self.keys.append(key)
        if start.holds:
            self.held.append(Held(secret, key))

    def do(self, step: Step) -> None:
        """Try a step, and note what is wrong with what came of it."""
        if step.who == "key" and not self.held:
            return
        states, powers = self._states(), self._powers()
        authority = self._authority(states)
        using = self.held[step.by % len(self.held)] if step.who == "key" else None
        acting = self._acting(step, states, using)
        answer = self._send(step, using, states)
        if answer is None:
            return
        self.done.append(f"{step} as {acting.role or 'no member'} -> {answer.status_code}")
        if not answer.is_success:
            return
        self._learn(step, answer)
        gained = beyond(
            [each for power in self._powers() for each in people.reached(power)],
            [*powers, *acting.powers],
        )
        if gained:
            self._note(f"gained {gained[0]}")
        if self._authority(self._states()) > max(authority, acting.authority):
            self._note("gained a key of a higher role, which may lift what that role restricted")
        self._compare(step, acting, states)

    def points(self) -> int:
        """How many points of what can be done are open to what is held."""
        return sum(len(list(power.points())) for power in self._powers())

    def reach(self) -> None:
        """Ask with everything that is held for what a role's ceiling keeps from some."""
        states = self._states()
        audit_log = f"/audit-log?org_id={self.org}"
        for held in dict.fromkeys(self.held):
            answer = self.client.get(audit_log, headers=self._headers(held, states))
            may = any(point.scope == "audit-log:read" for point in self._power(held).points())
            if answer.is_success and not may:
                self._note(f"read the audit log with a secret of {held.key}")
        answer = self.client.get(audit_log, headers=self.session)
        if answer.is_success and self.role not in ("admin", "owner"):
            self._note(f"read the audit log as {self.role}")

    def _note(self, text: str) -> None:
        self.wrong.append(f"step {len(self.done)}: {text}")

    def _authority(self, states: dict[str, State]) -> int:
        """The highest role of a key that is held and may do something about other keys."""
        return max(
            (
                people.rank(states[held.key].role)
                for held in self.held
                if people.acts_on_keys(self._power(held))
            ),
            default=0,
        )

    def _acting(self, step: Step, states: dict[str, State], using: Held | None) -> "_Acting":
        if using is not None:
            power = self._power(using)
            role = states[using.key].role
            authority = people.rank(role) if people.acts_on_keys(power) else 0
            return _Acting(role, [power], authority)
        if step.who == "session":
            powers = people.powers_of(self.role, self.environments)
            return _Acting(self.role, powers, people.rank(self.role) if self.role else 0)
        # What an owner gives is given; but what the owner only narrows gives nothing.
        if step.kind == "update" and not self._loosens(step, states[self._to(step)]):
            return _Acting("owner", [], 0)
        powers = people.powers_of("owner", self.environments)
        return _Acting("owner", powers, people.rank("owner"))

    def _loosens(self, step: Step, before: State) -> bool:
        """Whether an update allows something that was not allowed before."""
        after = people.wanted(before, step.body)
        if any(people.loosened(rule, before, after) for rule in RULES):
            return True
        # An expiry that a change names holds for a pending secret as well, which had its own.
        return "expires_at" in step.body and any(
            state == "pending" and sets_expiry and (end or NEVER) < (after.expires_at or NEVER)
            for _, state, sets_expiry, end in self.rows.read(_ROTATIONS, self._to(step))
        )

    def _to(self, step: Step) -> str:
        return self.keys[step.to % len(self.keys)]

    def _send(
        self, step: Step, using: Held | None, states: dict[str, State]
    ) -> httpx.Response | None:
        """Ask for a step, or not, where there is nothing that it could be about."""
        headers = self.owner if step.who == "owner" else self.session
        if using is not None:
            headers = self._headers(using, states)
        asked = self._asked(step)
        if asked is None:
            return None
        method, path, body = asked
        return self.client.request(method, path, json=body, headers=headers)

    def _asked(self, step: Step) -> tuple[str, str, dict[str, Any] | None] | None:
        """The method, path and body of a step."""
        path, members = "/auth/api-keys", f"/organizations/{self.org}/members"
        asked: tuple[str, str, dict[str, Any] | None] | None = None
        match step.kind:
            case "create":
                place = {"org_id": self.org, "env_id": self.environments[step.to % 2]}
                asked = "POST", path, {"name": "More", **place, **step.body}
            case "update" if step.body:
                asked = "PATCH", f"{path}/{self._to(step)}", step.body
            case "rotate":
                asked = "POST", f"{path}/{self._to(step)}/rotations", step.body
            case "cancel" if self.rotations:
                key, rotation = self.rotations[step.to % len(self.rotations)]
                asked = "DELETE", f"{path}/{key}/rotations/{rotation}", None
            case "use":
                asked = "GET", "/auth/whoami", None
            case "give role" if self.role:
                asked = "PATCH", f"{members}/{self.member}", step.body
            case "remove" if self.role:
                asked = "DELETE", f"{members}/{self.member}", None
            case "add" if not self.role:
                asked = "POST", members, {"email": self.email, **step.body}
        return asked

    def _learn(self, step: Step, answer: httpx.Response) -> None:
        """Keep what the answer tells, where it is the insider's."""
        match step.kind:
            case "create":
                made = answer.json()
                self.keys.append(made["id"])
                if step.who != "owner":
                    self.held.append(Held(made["key"], made["id"]))
            case "rotate":
                made = answer.json()
                key = self._to(step)
                if step.who != "owner":
                    self.held.append(Held(made["key"], key))
                    self.rotations.append((key, made["rotation"]["id"]))
                else:
                    # The owner uses the new secret: what the insider knows is an old one now.
                    address = let_in(self._states()[key].allowed_ips)[0]
                    headers = {"X-API-Key": made["key"], "X-Forwarded-For": address}
                    self.client.get("/auth/whoami", headers=headers)
            case "give role" | "add":
                member = answer.json()["member"]
                self.role, self.member = member["role"], member["id"]
            case "remove":
                self.role = None

    def _compare(self, step: Step, acting: "_Acting", before: dict[str, State]) -> None:
        """Note what a lower role lifted, and remember what is restricted by which."""
        for key, after in self._states().items():
            was = before.get(key)
            for rule in RULES:
                lifted = was is not None and people.loosened(rule, was, after)
                tightened = was is None or people.loosened(rule, after, was)
                by = self.restricted.get((key, rule), 0)
                # The first use of a secret gives the key what its rotation was allowed to.
                if lifted and people.rank(acting.role or "member") < by and step.kind != "use":
                    self._note(f"lifted {rule} of {key}")
                if people.is_open(rule, after):
                    self.restricted.pop((key, rule), None)
                elif tightened or lifted:
                    rank = people.rank(acting.role or "member")
                    self.restricted[key, rule] = max(by, rank)

    def _states(self) -> dict[str, State]:
        """All keys as they are stored."""
        return {key: _state(*row) for key, *row in self.rows.read(_KEYS, self.org)}

    def _powers(self) -> list[Power]:
        return [self._power(held) for held in self.held]

    def _power(self, held: Held) -> Power:
        """What a secret opens: as far as the key does, and the rotation lets it."""
        digest = hashlib.sha256(held.secret.encode()).digest()
        state = self._states()[held.key]
        ((own,),) = self.rows.read("select digest from api_key where id = ?", held.key)
        if own == digest:
            return state.power()
        found = [row[1:] for row in self.rows.read(_ROTATIONS, held.key) if row[0] == digest]
        match found:
            case [("pending", 1, end)]:
                return replace(state, expires_at=end).power()
            case [("pending", _, _)]:
                return state.power()
            case [("grace", _, end)]:
                return state.power(end)
            case _:
                return Power(state.env, "")

    def _headers(self, held: Held, states: dict[str, State]) -> Headers:
        """The secret, from an address that it may be used from: who has it knows that."""
        address = let_in(states[held.key].allowed_ips)[0]
        return {"X-API-Key": held.secret, "X-Forwarded-For": address}


class _Acting(NamedTuple):
    """Who does a step: in which role, with which powers, and how high a role it may hand on."""

    role: str | None
    powers: list[Power]
    authority: int


_KEYS = """
    select id, env_id, scopes, role, enabled, expires_at, allowed_ips, rate_limit, revoked_at
    from api_key where org_id = ?
"""
_ROTATIONS = "select digest, state, sets_expiry, expires_at from rotation where key_id = ?"


def _state(env: str, scopes: str, role: str | None, enabled: int, *rest: Any) -> State:
    expires_at, allowed_ips, rate_limit, revoked_at = rest
    requests, _, seconds = (rate_limit or "").partition("/")
    limit = (int(requests), int(seconds)) if rate_limit else None
    networks = tuple(allowed_ips.split())
    return State(
        env, scopes, role, bool(enabled), expires_at, networks, limit, revoked_at is not None
    )
