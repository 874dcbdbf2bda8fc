"""`context.origins`: which addresses a user may be redirected to, as a browser reads them."""

from hookstream_keys.context.origins import Origins
from hookstream_keys.contract import spec
from hookstream_keys.contract.schemas import check_value

TRUSTED = "https://console.example.com"
ORIGINS = Origins([TRUSTED])
_SCHEMA = spec.document()["components"]["schemas"]["CallbackUrl"]


def check(data: bytes) -> None:
    """The data as a `callbackURL`: what is trusted takes a browser to a trusted origin only."""
    url = data.decode("utf-8", "replace")
    if ORIGINS.trust(url) and check_value(_SCHEMA, url, "body/callbackURL") == []:
        assert _goes_to(url) in ("this site", TRUSTED), url


def _goes_to(url: str) -> str:
    """The origin that a browser at a page of ours goes to (WHATWG URL, sections 4.1 and 4.4)."""
    url = url.strip("".join(map(chr, range(0x21))))
    for character in "\t\r\n":
        url = url.replace(character, "")
    scheme, colon, rest = url.partition(":")
    if not colon or not _is_scheme(scheme):
        slashed = url.replace("\\", "/")
        return "elsewhere" if slashed.startswith("//") else "this site"
    if scheme.lower() not in ("http", "https"):
        return "elsewhere"
    after = rest.replace("\\", "/").lstrip("/")
    authority = after.partition("/")[0].partition("?")[0].partition("#")[0]
    host = authority.rpartition("@")[2].lower()
    return f"{scheme.lower()}://{host}"


def _is_scheme(text: str) -> bool:
    letters = "abcdefghijklmnopqrstuvwxyz"
    small = text.lower()
    return small != "" and small[0] in letters and not small.strip(f"{letters}0123456789+-.")
