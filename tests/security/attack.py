"""A chain of steps by an attacker who holds a few secrets of a tenant's keys."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from security.chains import Origin, Step
from security.powers import ADDRESSES, NEVER, SCOPES, UNLIMITED, Point, Power, Rate, Reached, let_in
from security.world import PAST, Headers, Rows, Tenant, bearer


@dataclass
class Attack:
    """An attacker who holds secrets of a tenant's keys, and the results."""

    client: httpx.Client
    rows: Rows
    #: Secrets, keys and rotations that are known, the first two in the order of coming to know.
    held: list[str] = field(default_factory=list)
    #: What each secret that is held was given, as a request would say it.
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    rotations: list[tuple[str, str]] = field(default_factory=list)
    origins: list[Power] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def begin(self, origins: list[Origin]) -> None:
        with self.rows.at_once():
            self.tenant = Tenant(self.rows)
            self.environments = (self.tenant.env, self.rows.add_environment(self.tenant.org))
            self.owner: Headers = bearer(self.rows.add_session(self.tenant.owner))
            # A key that may do anything, and that the attacker knows by its id only.
            self.keys.append(self.rows.add_key(self.tenant.org, self.tenant.env)[0])
            for origin in origins:
                self._add(origin)

    def _add(self, origin: Origin) -> None:
        env = self.environments[origin.in_second_environment]
        key, secret = self.rows.add_key(
            self.tenant.org,
            env,
            scopes=origin.scopes,
            expires_at=origin.end,
            allowed_ips=" ".join(origin.allowed_ips),
            rate_limit=origin.rate and "{}/{}".format(*origin.rate),
            enabled=int(origin.enabled),
        )
        self.keys.append(key)
        ends = {secret: origin.end or NEVER}
        if origin.rotation:
            ends |= self._rotate(key, origin)
        for (held, end), holds in zip(ends.items(), origin.holds, strict=False):
            if holds:
                self.held.append(held)
                self.rules[held] = _as_asked_for(origin, end)
                rate = Rate(*origin.rate) if origin.rate else UNLIMITED
                if origin.enabled:
                    power = Power(env, origin.scopes, origin.allowed_ips, end, rate)
                    self.origins.append(power)

    def _rotate(self, key: str, origin: Origin) -> dict[str, str]:
        """A rotation of an origin: its secret, and until when that is valid."""
        end = min(origin.end or NEVER, origin.rotation_end or NEVER)
        rules: dict[str, Any] = {}
        if origin.rotation == "pending with an end":
            end = origin.rotation_end or NEVER
            rules = {"sets_expiry": 1, "expires_at": origin.rotation_end}
        elif origin.rotation == "pending":
            end = origin.end or NEVER
        else:
            rules = {"state": "grace", "activated_at": PAST, "expires_at": end}
        rotation, secret = self.rows.add_rotation(key, **rules)
        self.rotations.append((key, rotation))
        return {secret: end}

    def do(self, step: Step) -> None:
        """Try a step; a refusal is no failure, but what most attempts should come to."""
        if not self.held:
            return
        key = self.keys[step.to % len(self.keys)]
        secret = self.held[step.by % len(self.held)]
        headers = {"X-API-Key": secret, "X-Forwarded-For": self._address(step, secret)}
        if step.kind in ("create", "update"):
            own = {
                name: rule for name, rule in self.rules[secret].items() if name in step.as_itself
            }
            step = step._replace(body=own | step.body)
        answer = self._send(step, key, headers)
        self.done.append(f"{step} -> {answer.status_code}")
        if answer.status_code == 201:
            made = answer.json()
            self.held.append(made["key"])
            self.rules[made["key"]] = self.rules[secret]
            if step.kind == "create":
                self.keys.append(made["id"])
            else:
                self.rotations.append((key, made["rotation"]["id"]))

    def _address(self, step: Step, secret: str) -> str:
        """That of the step, or one that the secret is valid from: who has it knows that."""
        valid = let_in(self.rules[secret]["allowed_ips"])
        return step.address if step.address in valid else valid[0]

    def _send(self, step: Step, key: str, headers: Headers) -> httpx.Response:
        path = "/auth/api-keys"
        match step.kind:
            case "create":
                place = {"org_id": self.tenant.org, "env_id": self.environments[step.to % 2]}
                body = {"name": "More", **place, **step.body}
                body.pop("enabled", None)
                return self.client.post(path, json=body, headers=headers)
            case "update":
                return self.client.patch(f"{path}/{key}", json=step.body, headers=headers)
            case "rotate":
                url = f"{path}/{key}/rotations"
                return self.client.post(url, json=step.body, headers=headers)
            case "cancel" if self.rotations:
                key, rotation = self.rotations[step.to % len(self.rotations)]
                return self.client.delete(f"{path}/{key}/rotations/{rotation}", headers=headers)
            case _:
                return self.client.get("/auth/whoami", headers=headers)

    def reached(self) -> list[Reached]:
        """What every secret that is held opens now, in the eyes of a service that asks."""
        asked = [
            (secret, scope, address)
            for secret in self.held
            for scope in SCOPES
            for address in ADDRESSES
        ]
        found = []
        for first in range(0, len(asked), 100):
            part = asked[first : first + 100]
            requests = [{"key": key, "scopes": scope, "ip": ip} for key, scope, ip in part]
            body = json.dumps({"requests": requests})
            answer = self.client.post(
                "/auth/api-keys/verify-batch",
                content=body,
                headers={**self.owner, "Content-Type": "application/json"},
            )
            assert answer.is_success, answer.text
            for (_, scope, address), result in zip(part, answer.json()["results"], strict=True):
                if result["valid"]:
                    found.append(_seen(result["api_key"], scope, address))
        return found


def _as_asked_for(origin: Origin, end: str) -> dict[str, Any]:
    rate = origin.rate and {"requests": origin.rate[0], "window_seconds": origin.rate[1]}
    return {
        "enabled": True,
        "scopes": origin.scopes,
        "expires_at": None if end == NEVER else end,
        "allowed_ips": list(origin.allowed_ips),
        "rate_limit": rate,
    }


def _seen(key: dict[str, Any], scope: str, address: str) -> Reached:
    limit = key["rate_limit"]
    rate = Rate(limit["requests"], limit["window_seconds"]) if limit else UNLIMITED
    return Reached(Point(key["env_id"], scope, address), key["expires_at"] or NEVER, rate)
