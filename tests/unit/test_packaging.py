import importlib.resources
import re
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import hookstream_keys
from hookstream_keys.contract import spec

PACKAGE = importlib.resources.files("hookstream_keys")
CHECKOUT = Path(__file__).parents[2] / "openapi.yaml"


def test_the_package_has_the_document() -> None:
    assert PACKAGE.joinpath("openapi.yaml").read_bytes() == spec.source()


@pytest.mark.skipif(not CHECKOUT.is_file(), reason="the tests are not in a checkout")
def test_the_package_s_document_is_the_checkout_s_byte_for_byte() -> None:
    assert PACKAGE.joinpath("openapi.yaml").read_bytes() == CHECKOUT.read_bytes()


def test_the_package_says_that_it_is_typed() -> None:
    assert PACKAGE.joinpath("py.typed").is_file()


def test_package_metadata_and_document_have_one_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", hookstream_keys.__version__)
    with suppress(PackageNotFoundError):  # in a checkout that is not installed
        assert version("hookstream-keys") == hookstream_keys.__version__
    assert spec.load()["info"]["version"] == hookstream_keys.__version__


@pytest.mark.parametrize(("page", "name"), [("ui", "swagger_ui"), ("reference", "reference")])
def test_the_package_has_the_files_of_a_page_that_the_document_names(page: str, name: str) -> None:
    (parameter,) = spec.load()["paths"][f"/{page}/{{asset}}"]["get"]["parameters"]
    folder = PACKAGE.joinpath(name)
    assert folder.joinpath("index.html").is_file()
    for asset in parameter["schema"]["enum"]:
        assert folder.joinpath(asset).is_file(), asset
