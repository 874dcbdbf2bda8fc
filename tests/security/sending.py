"""Prepared raw requests, so that sending costs the client no measured time."""

import json
import re
from collections.abc import Mapping

REQUEST_ID = re.compile(rb"req_[0-9a-f]{32}")

DATE = re.compile(rb"(?<=\r\ndate: )[^\r]+")


def request(
    host: str, method: str, target: str, headers: Mapping[str, str], body: object = None
) -> bytes:
    """An HTTP/1.1 request for a target below the API's base path; a body is sent as JSON."""
    lines = [f"{method} /v1{target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    raw = b""
    if body is not None:
        raw = json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(raw)}"]
    return "\r\n".join([*lines, "", ""]).encode() + raw
