"""One fuzzer: `python -m security.fuzzers.run NAME --executions N`, in the folder `tests`.

Prints libFuzzer's figures; exits with another status than 0 when a promise was broken, and
says by which input.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

import atheris
from security.fuzzers.harnesses import ALL, NAMES, check_of, seeds


def main() -> None:
    """Fuzz one harness, from its seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=(ALL, "canary", *NAMES))
    parser.add_argument("--executions", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=0, help="at most; 0 for no limit")
    parser.add_argument("--longest", type=int, default=600, help="of an input, in bytes")
    parser.add_argument("--corpus", type=Path, help="where what is found is kept for the next run")
    given = parser.parse_args()
    # The fuzzed code logs every malformed input.
    logging.disable()
    with atheris.instrument_imports(include=["hookstream_keys", "security.fuzzers.canary"]):
        check = check_of(given.name)
    with tempfile.TemporaryDirectory() as temporary:
        corpus = given.corpus or Path(temporary)
        corpus.mkdir(exist_ok=True)
        for number, seed in enumerate(seeds(given.name)):
            (corpus / f"seed-{number}").write_bytes(seed)
        options = [
            f"-runs={given.executions}",
            f"-seed={given.seed}",
            f"-max_total_time={given.seconds}",
            f"-max_len={given.longest}",
            "-timeout=20",
            "-rss_limit_mb=1024",
            f"-artifact_prefix={temporary}/",
            "-print_final_stats=1",
            "-verbosity=1",
            str(corpus),
        ]
        atheris.Setup([sys.argv[0], *options], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
