"""A sequence, run: each step asks a worker, and its answer must be one that the model allows."""

import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.parse import quote

from model.model import NEVER, RULES, Event, Key, Rotation, Secret, Shown, Span, at
from model.sequences import (
    WAIT_SECONDS,
    Cancel,
    Changes,
    Create,
    DeleteEnvironment,
    Revoke,
    RevokeBySecret,
    Rotate,
    Step,
    Try,
    Turn,
    Update,
    Use,
    Wait,
    Which,
)
from model.workers import Answer, Headers, Service, now
from support import iso

_HEAD = "hs_" + "live_" + "0" * 56
#: Well formed, as far as can be said apart from the code under test: the last eight digits are
#: the CRC-32 of all that precedes them.
NEVER_ISSUED = f"{_HEAD}{zlib.crc32(_HEAD.encode()):08x}"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: What a credential that came to a code is answered; what is not here, 401.
STATUSES = {"INSUFFICIENT_SCOPE": 403, "RATE_LIMITED": 429}
ERRORS = {401: "unauthorized", 403: "insufficient_scope", 409: "conflict", 429: "rate_limited"}


class Divergence(Exception):
    """A worker answered what the model does not allow; the text has all that was done before."""


class Life:
    """The life of one key, by `turns`, beside the model of it that `rules` makes."""

    def __init__(self, service: Service, rules: type[Key], turns: list[Turn]) -> None:
        self.service = service
        self.rules = rules
        self.turns = turns
        self.key: Key
        self.environment_events: list[Event] = []
        self.requests = 0
        self.told: list[str] = []
        self._worker = 0
        self._environment_deleted = False

    @property
    def is_begun(self) -> bool:
        return hasattr(self, "key")

    def run(self) -> Iterator[float]:
        """Take the turns, and give the seconds to wait where time passes. Raises Divergence."""
        for worker, step in self.turns:
            self._worker = worker
            self.told.append(type(step).__name__)
            if isinstance(step, Wait):
                yield WAIT_SECONDS
            else:
                self._take(step)

    def _take(self, step: Step) -> None:
        match step:
            case Create():
                self._create(step)
            case Update():
                self._update(step)
            case Rotate():
                self._rotate(step)
            case Use(how="verify" | "batch"):
                self._verify(step)
            case Use():
                self._use(step)
            case Cancel():
                self._cancel(step)
            case Revoke():
                self._revoke(step)
            case RevokeBySecret():
                self._revoke_by_secret(step)
            case DeleteEnvironment():
                self._delete_environment()
            case _:
                self._look()

    # The steps

    def _create(self, step: Create) -> None:
        env_id = self.service.environments[step.mode]
        if step.own_environment:
            env_id = self._create_environment(step.mode)
        body, rules = _said(step.rules)
        body |= {"name": "new", "org_id": self.service.org_id, "env_id": env_id}
        answer = self._ask("POST", "/auth/api-keys", body)
        self._expect_status(answer, {201})
        created = answer.body
        self.key = self.rules(
            id=created["id"],
            org_id=self.service.org_id,
            env_id=env_id,
            name="new",
            created=answer.when,
            secrets=[Secret(created["key"])],
            **{"scopes": "*", **rules},
        )
        shown = self.key.shown(answer.when)
        self._expect({name: shown[name] for name in ("name", "scopes", "created_at")}, created)
        self._expect_secret(created["key"], created["key_prefix"], step.mode, answer)
        self.key.created = at(_read(created["created_at"]))

    def _create_environment(self, mode: str) -> str:
        slug = f"environment-{now()}-{id(self)}"
        body = {"name": "Env", "slug": slug, "mode": mode, "org_id": self.service.org_id}
        answer = self._ask("POST", "/environments", body)
        self._expect_status(answer, {201})
        self.environment_events.append(("environment.created", None))
        env_id: str = answer.body["environment"]["id"]
        return env_id

    def _update(self, step: Update) -> None:
        body, rules = _said(step.changes)
        answer = self._ask("PATCH", f"/auth/api-keys/{self.key.id}", body)
        self._expect_status(answer, {409} if self.key.revoked else {200})
        if answer.status == 200:
            self.key.update(rules)
            self._expect_shown(answer)

    def _rotate(self, step: Rotate) -> None:
        more, rules = _said(step.more)
        body = {"grace_period_seconds": step.grace_seconds, **more}
        answer = self._ask("POST", f"/auth/api-keys/{self.key.id}/rotations", body)
        allowed = self.key.may_be_rotated(answer.when)
        self._expect_status(answer, {201 if may else 409 for may in allowed})
        if answer.status == 409:
            return
        shown, text = answer.body["rotation"], answer.body["key"]
        mode = self.key.own.text.split("_")[1]
        self._expect_secret(text, shown["key_prefix"], mode, answer)
        self._expect({"created_at": answer.when}, shown)
        rotation = Rotation(
            id=shown["id"],
            grace_seconds=step.grace_seconds,
            created=at(_read(shown["created_at"])),
            new_end=rules.get("expires_at"),
        )
        self.key.rotate(rotation, text)
        self._expect(self.key.shown_rotation(self.key.secrets[-1], rotation), shown)

    def _verify(self, step: Use) -> None:
        bodies = [self._verification(each) for each in step.tries]
        if step.how == "batch":
            answer = self._ask("POST", "/auth/api-keys/verify-batch", {"requests": bodies})
            self._expect_status(answer, {200})
            results = answer.body["results"]
        else:
            answer = self._ask("POST", "/auth/api-keys/verify", bodies[0])
            self._expect_status(answer, {200})
            results = [answer.body]
        for each, body, result in zip(step.tries, bodies, results, strict=True):
            self._verified(each, body["key"], result, answer.when)

    def _verification(self, each: Try) -> dict[str, Any]:
        environments = {"own": self.key.env_id, "another": "env_0"}
        body = {
            "key": self._text(each.secret),
            "ip": each.ip,
            "scopes": each.scopes,
            "env_id": environments.get(each.environment),
            "explain": each.explain or None,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _verified(self, each: Try, text: str, result: dict[str, Any], when: Span) -> None:
        secret = self._secret(text)
        if secret is None or each.environment == "another":
            code = "MALFORMED" if each.secret == "malformed" else "NOT_FOUND"
            self._expect_all({"valid": False, "code": code}, result)
            return
        code = result["code"]
        self._expect({"code": self.key.codes(secret, when, each.ip, each.scopes)}, result)
        expected: dict[str, Any] = {"valid": code == "VALID", "code": code}
        expected["api_key"] = self.key.shown_through(secret)
        self.key.used(secret, code, when)
        if each.explain:
            expected["failed_rule"] = RULES.get(code)
        if self.key.times_a_day and code in ("VALID", "RATE_LIMITED"):
            # When there will be more is a matter of hours.
            said = result.get("rate_limit") or {}
            expected["rate_limit"] = {**said, "remaining": self.key.left()}
        self._expect_all(expected, result)

    def _use(self, step: Use) -> None:
        """Use a secret as a credential."""
        (each,) = step.tries
        text = self._text(each.secret)
        headers = {"Authorization": f"Bearer {text}"} if step.bearer else {"X-API-Key": text}
        if each.ip:
            headers["X-Forwarded-For"] = each.ip
        scopes = each.scopes if step.how == "authorize" else None
        query = f"?scope={quote(scopes)}" if scopes else ""
        answer = self._ask("GET", f"/auth/{step.how}{query}", headers=headers)
        secret = self._secret(text)
        if secret is None:
            self._expect_status(answer, {401})
            return
        valid = 204 if step.how == "authorize" else 200
        by_status: dict[int, set[str]] = {}
        for code in self.key.codes(secret, answer.when, each.ip or "127.0.0.1", scopes):
            status = valid if code == "VALID" else STATUSES.get(code, 401)
            by_status.setdefault(status, set()).add(code)
        self._expect_status(answer, set(by_status))
        if answer.status == valid:
            self._expect_told(answer, secret)
        codes = by_status[answer.status]
        if len(codes) == 1:
            self.key.used(secret, codes.pop(), answer.when)
        else:
            self.key.refused_unsaid += 1

    def _expect_told(self, answer: Answer, secret: Secret) -> None:
        """A valid credential is told whose it is."""
        shown = self.key.shown_through(secret)
        if answer.status == 200:
            names = {"org_id", "env_id", "scopes", "expires_at"}
            expected = {name: shown[name] for name in names}
            key = {"type": "api_key", "key_id": self.key.id, "role": "owner"}
            self._expect_all({**key, **expected}, answer.body)
        else:
            expected = {"X-Key-Id": self.key.id, "X-Scopes": self.key.scopes}
            self._expect({**expected, "X-Env-Id": self.key.env_id}, answer.headers)
        self._expect({"X-Key-Expires-At": shown["expires_at"]}, answer.headers)

    def _cancel(self, step: Cancel) -> None:
        rotations = self.key.rotations
        rotation = rotations[-1 - step.rotation % len(rotations)] if rotations else None
        rotation_id = rotation.id if rotation else "rot_0"
        answer = self._ask("DELETE", f"/auth/api-keys/{self.key.id}/rotations/{rotation_id}")
        if rotation is None:
            self._expect_status(answer, {404})
            return
        self._expect_status(answer, {204} if rotation.state == "pending" else {409})
        if answer.status == 204:
            self.key.cancel(rotation)

    def _revoke(self, step: Revoke) -> None:
        answer = self._ask("DELETE", f"/auth/api-keys/{self.key.id}?reason={step.reason}")
        self._expect_status(answer, {204})
        self.key.end(step.reason, answer.when)

    def _revoke_by_secret(self, step: RevokeBySecret) -> None:
        text = self._text(step.secret)
        body = {"key": text, "reason": step.reason}
        answer = self._ask("POST", "/auth/api-keys/revoke", body, headers={})
        self._expect_status(answer, {204})
        secret = self._secret(text)
        if secret is None:
            return
        ended = self.key.ended_by(secret, answer.when)
        if ended == {True, False}:
            # The answer does not tell; the key does.
            found = self._ask("GET", f"/auth/api-keys/{self.key.id}").body["api_key"]
            ended = {bool(found["revoked"])}
        if ended == {True}:
            self.key.end(step.reason, answer.when)

    def _delete_environment(self) -> None:
        answer = self._ask("DELETE", f"/environments/{self.key.env_id}")
        self._expect_status(answer, {404} if self._environment_deleted else {204})
        if answer.status == 204:
            self._environment_deleted = True
            deleted = ("environment.deleted", "cessationOfOperation")
            self.environment_events += [deleted, ("environment.deletion_completed", None)]
            self.key.end("cessationOfOperation", answer.when)

    def _look(self) -> None:
        answer = self._ask("GET", f"/auth/api-keys/{self.key.id}")
        self._expect_status(answer, {200})
        self._expect_shown(answer)

    # Which secret

    def _text(self, which: Which) -> str:
        secrets = self.key.secrets
        match which:
            case int():
                return secrets[-1 - which % len(secrets)].text
            case "malformed":
                newest = secrets[-1].text
                return newest[:-1] + ("1" if newest[-1] == "0" else "0")
            case _:
                return NEVER_ISSUED

    def _secret(self, text: str) -> Secret | None:
        return next((secret for secret in self.key.secrets if secret.text == text), None)

    # Asking, and what is expected

    def _ask(
        self, method: str, path: str, body: Any = None, headers: Headers | None = None
    ) -> Answer:
        """Ask the worker whose turn it is, as the owner unless other headers are given."""
        self.requests += 1
        sent = self.service.owner if headers is None else headers
        self.told.append(f"  worker {self._worker}: {method} {path} {body or ''} {headers or ''}")
        try:
            answer = self.service.ask(self._worker, method, path, body, sent)
        except (OSError, HTTPException) as error:
            self._diverges([f"no answer: {error!r}"])
        self.told.append(f"  {_show(answer.when)}: {answer.status} {answer.body or ''}")
        return answer

    def _expect_status(self, answer: Answer, statuses: set[int]) -> None:
        self._expect({"status": statuses}, {"status": answer.status})
        if answer.status in ERRORS:
            self._expect({"code": ERRORS[answer.status]}, answer.body)

    def _expect_secret(self, text: str, prefix: str, mode: str, answer: Answer) -> None:
        self._expect({"key_prefix": text[:12]}, {"key_prefix": prefix})
        is_secret = re.fullmatch(rf"hs_{mode}_[0-9a-f]{{64}}", text) is not None
        self._expect({f"a {mode} key": True}, {f"a {mode} key": is_secret})
        self._expect({"Cache-Control": "no-store"}, answer.headers)

    def _expect_shown(self, answer: Answer) -> None:
        """The key is shown as it must be; what that tells of moments is known from now on."""
        found = answer.body["api_key"]
        self._expect(self.key.shown(answer.when), found)
        if found["request_count"] > self.key.uses["VALID"]:
            self._diverges([f"request_count: expected no more than {self.key.uses['VALID']}"])
        if self.key.revoked:
            self.key.revoked = at(_read(found["revoked_at"]))
        for rotation in found["rotations"]:
            if rotation["activated_at"]:
                self.key.learn_activated(rotation["id"], at(_read(rotation["activated_at"])))
        self._expect({"rotations": self.key.shown_rotations(answer.when)}, found)

    def _expect_all(self, expected: dict[str, Any], found: dict[str, Any]) -> None:
        """These, and nothing else beside them."""
        self._expect({"fields": sorted(expected)}, {"fields": sorted(found)})
        self._expect(expected, found)

    def _expect(self, expected: dict[str, Any], found: Any) -> None:
        wrong = list(differences(expected, found))
        if wrong:
            self._diverges(wrong)

    def _diverges(self, wrong: list[str]) -> NoReturn:
        raise Divergence("\n".join([*self.told, *(f"  {line}" for line in wrong)]))


def differences(expected: Any, found: Any, name: str = "") -> Iterator[str]:
    """What of an answer is not as the model has it. At the top it may have more."""
    match expected:
        case dict():
            if name and set(expected) != set(found or {}):
                yield f"{name}: expected {expected}, answered {found}"
            for key, value in expected.items():
                inner = None if found is None else found.get(key)
                yield from differences(value, inner, f"{name}.{key}" if name else key)
        case Shown():
            yield from _differences_of_rotations(expected, found, name)
        case _:
            if not _is(expected, found):
                yield f"{name}: expected {_show(expected)}, answered {found}"


def _differences_of_rotations(expected: Shown, found: Any, name: str) -> Iterator[str]:
    there = {rotation["id"]: rotation for rotation in found}
    if not expected.certain <= set(there) <= set(expected.possible) or len(there) != len(found):
        yield f"{name}: expected {sorted(expected.possible)}, answered {sorted(there)}"
    for key in set(there) & set(expected.possible):
        yield from differences(expected.possible[key], there[key], f"{name}.{key}")


def _is(expected: Any, found: Any) -> bool:
    match expected:
        case Span(first=first, last=last):
            return bool(first <= (NEVER.first if found is None else _read(found)) <= last)
        case set():
            return found in expected
        case _:
            return bool(found == expected)


def _said(changes: Changes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes as they are sent, and as the model has them."""
    body, rules = dict(changes), dict(changes)
    if "expires_at" in changes:
        end = changes["expires_at"]
        moment = None if end is None else now() + end
        body["expires_at"] = None if moment is None else _write(moment)
        rules["expires_at"] = NEVER if moment is None else at(moment)
    if "rate_limit" in rules:
        rules["times_a_day"] = rules.pop("rate_limit")["requests"]
    return body, rules


def _write(moment: int) -> str:
    return iso(EPOCH + timedelta(milliseconds=moment))


def _read(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def _show(expected: Any) -> str:
    match expected:
        case Span(first=NEVER.first):
            return "never"
        case Span():
            return " to ".join(_write(moment) for moment in dict.fromkeys(expected))
        case set():
            return " or ".join(sorted(map(str, expected)))
        case _:
            return str(expected)
