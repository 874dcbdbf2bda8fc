import pytest

from hookstream_keys.domain.sources import SYSTEM_RANDOM
from hookstream_keys.handlers import tenancy


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Production", "production"),
        ("My organization", "my-organization"),
        ("  --A & B, Ltd.--  ", "a-b-ltd"),
        ("2nd", "2nd"),
        ("M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller", "m-ller"),
        ("\N{GRINNING FACE}", "default"),
        ("", "default"),
    ],
)
def test_slug(name: str, slug: str) -> None:
    assert tenancy.slug(name) == slug


def test_a_slug_is_no_longer_than_the_document_lets_it_be() -> None:
    assert tenancy.slug("a" * 100) == "a" * 50
    assert tenancy.slug("a" * 49 + " b") == "a" * 49
    assert len(tenancy.unique_slug("a" * 100, SYSTEM_RANDOM)) <= 64


def test_two_organizations_of_one_name_have_each_a_slug_of_its_own() -> None:
    assert len({tenancy.unique_slug("Acme", SYSTEM_RANDOM) for _ in range(2)}) == 2
