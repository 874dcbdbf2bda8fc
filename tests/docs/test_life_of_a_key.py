"""docs/life-of-a-key.md: its numbers and words are those of the code and the document."""

import re
from datetime import timedelta

from support.readme import ROOT

from hookstream_keys.contract import spec
from hookstream_keys.domain.limits import SECOND, Limit
from hookstream_keys.http.rate_limiting import REFUSAL_COST
from hookstream_keys.runtime.usage import FLUSH_SECONDS
from hookstream_keys.settings import Settings
from hookstream_keys.store.sql.idempotency_records import KEPT

PAGE = " ".join((ROOT / "docs" / "life-of-a-key.md").read_text(encoding="utf-8").split())
SCHEMAS = spec.document()["components"]["schemas"]


def test_the_outcomes_are_in_the_documented_order() -> None:
    told = re.findall(r"\(`([A-Z_]+)`\)", PAGE)
    words = SCHEMAS["VerificationCode"]["enum"]
    assert sorted([*told, "VALID"]) == sorted(words)
    order = SCHEMAS["VerificationCode"]["description"]
    rules = re.findall(r"form|exists|revoked|enabled|expired|address|scopes|limit", order)[:8]
    of_rule = {
        "form": "MALFORMED",
        "exists": "NOT_FOUND",
        "revoked": "REVOKED",
        "enabled": "DISABLED",
        "expired": "EXPIRED",
        "address": "IP_NOT_ALLOWED",
        "scopes": "INSUFFICIENT_SCOPE",
        "limit": "RATE_LIMITED",
    }
    assert told == [of_rule[rule] for rule in rules]


def test_the_numbers_of_rotations() -> None:
    grace = SCHEMAS["RotateRequest"]["properties"]["grace_period_seconds"]
    assert grace["minimum"] == 0
    assert f"at most {grace['maximum']} seconds" in PAGE


def test_the_numbers_of_limits() -> None:
    assert Limit(100, 60).interval == 0.6 * SECOND
    assert f"{Settings().requests_per_minute} requests a minute" in PAGE
    assert f"counts for {REFUSAL_COST} requests" in PAGE


def test_the_numbers_of_usage_and_idempotency_records() -> None:
    assert PAGE.count(f"{FLUSH_SECONDS:.0f} seconds") >= 2
    assert timedelta(hours=24) == KEPT


def test_the_example_is_a_limit_as_the_document_has_it() -> None:
    assert '{"requests": 100, "window_seconds": 60}' in PAGE
    assert SCHEMAS["RateLimitRequest"]["example"] == {"requests": 100, "window_seconds": 60}
