"""`openapi.yaml` as this server publishes it: with the configured cookie's name and public URL."""

import json
from functools import cached_property
from urllib.parse import urlsplit

from hookstream_keys.contract import spec
from hookstream_keys.settings import DEFAULT_COOKIE_PREFIX

#: The cookie's name without its prefix, in the security scheme and in texts.
_NAME = ".session_token"

#: The server that the code samples name: `serve` listens there by default.
SAMPLE_URL = "http://127.0.0.1:8080"

#: better-auth's client takes the path of a URL in another option.
_CLIENT = 'baseURL: "{}", basePath: "{}/'

_SERVERS = "\nservers:\n"
_BELOW_A_PROXY = "Behind the reverse proxy"


class ServedDocument:
    """The document, with the session cookie's name under `cookie_prefix`, and with `public_url`.

    Without a public URL, clients resolve the server's path against the URL of the document.
    """

    def __init__(self, cookie_prefix: str = DEFAULT_COOKIE_PREFIX, public_url: str = "") -> None:
        self._prefix = cookie_prefix
        self._public_url = public_url

    @cached_property
    def base_path(self) -> str:
        """The path under which clients reach the API: that of the public URL before `/v1`."""
        return urlsplit(self._public_url).path + spec.base_path(spec.document())

    @cached_property
    def as_yaml(self) -> bytes:
        """The body of `GET /openapi.yaml`: the file, unchanged except for the settings."""
        text = spec.source().decode()
        for before, after in self._replacements():
            text = text.replace(before, after)
        return text.encode()

    @cached_property
    def as_json(self) -> bytes:
        """The body of `GET /openapi.json`: the same document."""
        # The file is parsed already.
        unchanged = self.as_yaml == spec.source()
        document = spec.document() if unchanged else spec.parse(self.as_yaml)
        return json.dumps(document, separators=(",", ":")).encode()

    def below(self, prefix: str) -> "ServedDocument":
        """The document for clients that reach the server below the path `prefix`.

        It is the same document where there is no prefix, or a public URL, which says it already.
        """
        return _PrefixedDocument(self, prefix) if prefix and not self._public_url else self

    def _replacements(self) -> list[tuple[str, str]]:
        """What stands in the file, and what the settings put in its place, in this order."""
        cookie = f"{DEFAULT_COOKIE_PREFIX}{_NAME}", f"{self._prefix}{_NAME}"
        if not self._public_url:
            return [cookie]
        parts = urlsplit(self._public_url)
        url = f"{parts.scheme}://{parts.netloc}{self.base_path}"
        server = f"  - url: {url}\n    description: The public URL\n"
        return [
            cookie,
            (_SERVERS, _SERVERS + server),
            (
                _CLIENT.format(SAMPLE_URL, ""),
                _CLIENT.format(f"{parts.scheme}://{parts.netloc}", parts.path),
            ),
            (SAMPLE_URL, self._public_url),
        ]


class _PrefixedDocument(ServedDocument):
    """A document whose first server is the API below a proxy's path.

    Clients can make proxies send many prefixes, so nothing is parsed or stored for one.
    """

    def __init__(self, document: ServedDocument, prefix: str) -> None:
        super().__init__()
        self._document = document
        self._path = prefix

    @property
    def base_path(self) -> str:
        return self._path + self._document.base_path

    @property
    def as_yaml(self) -> bytes:
        server = f"  - url: {self.base_path}\n    description: {_BELOW_A_PROXY}\n"
        return self._with_server(self._document.as_yaml, _SERVERS, server)

    @property
    def as_json(self) -> bytes:
        server = f'{{"url":"{self.base_path}","description":"{_BELOW_A_PROXY}"}},'
        return self._with_server(self._document.as_json, '"servers":[', server)

    @staticmethod
    def _with_server(document: bytes, key: str, server: str) -> bytes:
        return document.replace(key.encode(), f"{key}{server}".encode(), 1)
