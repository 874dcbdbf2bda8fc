import re
import time
from typing import get_args

import pytest

from hookstream_keys.contract import spec
from hookstream_keys.domain import ids


@pytest.mark.parametrize("kind", get_args(ids.Kind))
def test_an_id_is_its_kind_and_128_bits(kind: ids.Kind) -> None:
    assert re.fullmatch(rf"{kind}_[0-9a-f]{{32}}", ids.new(kind))


def test_a_request_id_is_as_the_document_says() -> None:
    pattern = spec.load()["components"]["schemas"]["RequestId"]["pattern"]
    assert re.match(pattern, ids.new("req"))


@pytest.mark.parametrize("kind", sorted({*get_args(ids.Kind)} - {"req"}))
def test_an_id_of_a_row_begins_with_its_time(kind: ids.Kind) -> None:
    before = time.time_ns() // 1_000_000
    made = [ids.new(kind) for _ in range(3)]
    after = time.time_ns() // 1_000_000
    assert all(before <= int(each.partition("_")[2][:12], 16) <= after for each in made)
    # The rest is random.
    assert len({each[-20:] for each in made}) == 3


def test_an_id_of_a_request_is_all_random() -> None:
    assert len({ids.new("req")[:10] for _ in range(20)}) > 1
    assert abs(int(ids.new("req")[4:16], 16) - time.time_ns() // 1_000_000) > 1_000


def test_ids_are_distinct() -> None:
    assert len({ids.new("ak") for _ in range(1000)}) == 1000
