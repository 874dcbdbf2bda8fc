import re
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


def test_ids_are_distinct() -> None:
    assert len({ids.new("ak") for _ in range(1000)}) == 1000
