"""`openapi.yaml` as this server publishes it: with the configured cookie's name."""

import json
from functools import cached_property

import yaml

from hookstream_keys.contract import spec
from hookstream_keys.settings import DEFAULT_COOKIE_PREFIX

#: The cookie's name without its prefix, in the security scheme and in texts.
_NAME = ".session_token"


class ServedDocument:
    """The document, with the session cookie's name under `cookie_prefix`."""

    def __init__(self, cookie_prefix: str = DEFAULT_COOKIE_PREFIX) -> None:
        self._prefix = cookie_prefix

    @cached_property
    def as_yaml(self) -> bytes:
        """The body of `GET /openapi.yaml`: the file, unchanged except for the cookie's name."""
        before, after = (f"{each}{_NAME}" for each in (DEFAULT_COOKIE_PREFIX, self._prefix))
        return spec.source().replace(before.encode(), after.encode())

    @cached_property
    def as_json(self) -> bytes:
        """The body of `GET /openapi.json`: the same document."""
        if self._prefix == DEFAULT_COOKIE_PREFIX:
            # It is parsed already.
            document = spec.document()
        else:
            document = yaml.safe_load(self.as_yaml)
        return json.dumps(document, separators=(",", ":")).encode()
