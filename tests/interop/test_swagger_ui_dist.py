"""Swagger UI, as it is in this package, is what its makers released."""

from pathlib import Path

import hookstream_keys

#: The page is this project's own: the released one loads inline scripts and another site's API.
OUR_OWN = {"index.html"}


def test_the_files_of_swagger_ui_are_those_of_the_release(node_modules: Path) -> None:
    release = node_modules / "swagger-ui-dist"
    ours = Path(hookstream_keys.__file__).parent / "swagger_ui"
    names = {file.name for file in ours.iterdir() if (release / file.name).is_file()} - OUR_OWN
    assert {"swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE"} <= names
    changed = [n for n in sorted(names) if (ours / n).read_bytes() != (release / n).read_bytes()]
    assert changed == []
