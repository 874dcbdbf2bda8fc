"""Write the values of the document's examples: `python -m kit.write_examples`, in `tests`.

Needed when an example is added, or when the sandbox's seed gives other values. A new example needs
its summary in `openapi.yaml`, and its row in examples.py. Examples of parameters are written by
hand; `test_examples.py` says what they must be.
"""

import re
from pathlib import Path
from typing import Any

import httpx
import yaml
from kit import examples
from kit.examples import Facts
from support.sandboxes import sandbox

DOCUMENT = Path(__file__).parent.parent.parent / "openapi.yaml"


def written(text: str, facts: Facts) -> str:
    """The document with the sandbox's values in its examples."""
    bodies = examples.bodies(facts)
    for name, value in bodies.items():
        text = _with_value(text, name, value)
    with httpx.Client(trust_env=False, timeout=20) as client:
        for name, request in examples.responses(facts).items():
            body = bodies.get(request.body or "")
            answer = examples.send(client, facts, request, body)
            answer.raise_for_status()
            text = _with_value(text, name, answer.json())
    return text


def _with_value(text: str, name: str, value: Any) -> str:
    """The document with another value of an example; its summary stays."""
    start = text.index("\n  examples:\n")
    pattern = re.compile(rf"(\n    {name}:\n      summary: .*\n)(?:      .*\n)*")
    found = pattern.search(text, start)
    assert found, f"components/examples has no {name} with a summary"
    dumped = yaml.safe_dump({"value": value}, sort_keys=False, width=10**6)
    # As the rest of the document is quoted.
    dumped = re.sub(r"'([^'\"\\]*)'$", r'"\1"', dumped, flags=re.MULTILINE)
    lines = "".join(f"      {line}\n" for line in dumped.splitlines())
    return text[: found.start()] + found[1] + lines + text[found.end() :]


def main() -> None:
    with sandbox() as running:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(written(text, running.facts), encoding="utf-8")


if __name__ == "__main__":
    main()
