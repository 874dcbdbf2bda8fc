import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.results import result_of

from hookstream_keys.domain.limits import Limit
from hookstream_keys.runtime import rate_limit_counters as module
from hookstream_keys.runtime import rate_limit_names
from hookstream_keys.runtime.rate_limit_counters import PLACES, ROWS, SIZE, RateLimitCounters
from hookstream_keys.store import StoreUnavailable

#: What is taken of it does not come back while a test runs.
SLOW = Limit(100, 86_400)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db.limits"


@pytest.fixture
def counters(path: Path) -> Iterator[RateLimitCounters]:
    opened = RateLimitCounters(path)
    yield opened
    opened.close()


def taken(counters: RateLimitCounters, name: str, times: int, limit: Limit = SLOW) -> int:
    return sum(result_of(counters.consume(name, limit)).allowed for _ in range(times))


def test_each_name_has_its_own_counter(counters: RateLimitCounters) -> None:
    assert taken(counters, "one", 150) == 100
    assert taken(counters, "two", 150) == 100
    assert taken(counters, "one", 1) == 0


def test_peeking_consumes_nothing(counters: RateLimitCounters) -> None:
    assert [result_of(counters.peek("one", SLOW)).remaining for _ in range(3)] == [100] * 3
    result_of(counters.consume("one", SLOW))
    assert [result_of(counters.peek("one", SLOW)).remaining for _ in range(3)] == [99] * 3


def test_refunded_units_can_be_consumed_again(counters: RateLimitCounters) -> None:
    taken(counters, "one", 100)
    result_of(counters.refund("one", SLOW))
    assert taken(counters, "one", 5) == 1


def test_a_cost_is_consumed_whole_or_not_at_all(counters: RateLimitCounters) -> None:
    assert result_of(counters.consume("one", SLOW, 95)).allowed
    assert not result_of(counters.consume("one", SLOW, 10)).allowed
    assert result_of(counters.consume("one", SLOW, 5)).allowed


def test_it_is_exact_across_threads(counters: RateLimitCounters) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: taken(counters, "one", 50), range(8)))
    assert sum(found) == 100


TAKE = """
import sys
from pathlib import Path
from hookstream_keys.runtime.rate_limit_counters import RateLimitCounters
from hookstream_keys.store.inline import run_inline
from hookstream_keys.domain.limits import Limit
counters = RateLimitCounters(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(run_inline(counters.consume("one", Limit(1000, 86400))).allowed for _ in range(500)))
"""


def test_it_is_exact_across_processes(path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    found = [process.communicate("go\n", timeout=60)[0] for process in processes]
    assert sum(map(int, found)) == 1000


def test_a_process_killed_with_the_lock_releases_it(
    path: Path, counters: RateLimitCounters
) -> None:
    held = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", held, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.kill()
    assert result_of(counters.consume("one", SLOW)).allowed


def test_it_outlives_a_worker(path: Path) -> None:
    first = RateLimitCounters(path)
    taken(first, "one", 60)
    first.close()
    second = RateLimitCounters(path)
    assert taken(second, "one", 60) == 40
    second.close()


def test_it_does_not_outlive_a_boot_of_the_machine(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = RateLimitCounters(path)
    taken(first, "one", 100)
    first.close()
    boot = path.with_name("boot_id")
    boot.write_text("2d6f5b1c-another-boot\n")
    monkeypatch.setattr(module, "_BOOT_ID", boot)
    second = RateLimitCounters(path)
    assert taken(second, "one", 100) == 100
    second.close()


def test_where_a_boot_has_no_name_the_table_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BOOT_ID", path.with_name("none"))
    first = RateLimitCounters(path)
    taken(first, "one", 60)
    first.close()
    second = RateLimitCounters(path)
    assert taken(second, "one", 60) == 40
    second.close()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * SIZE, b"\0" * SIZE])
def test_a_file_of_another_format_is_recreated(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    opened = RateLimitCounters(path)
    assert taken(opened, "one", 101) == 100
    opened.close()
    assert path.stat().st_size == SIZE


def test_the_file_is_private_and_says_nothing_of_names(
    path: Path, counters: RateLimitCounters
) -> None:
    result_of(counters.consume("sign-in address 203.0.113.7 ada@example.com", SLOW))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert b"ada@example.com" not in content
    assert b"203.0.113.7" not in content


def test_all_of_it_is_on_the_disk_from_the_beginning(
    path: Path, counters: RateLimitCounters
) -> None:
    # A disk that is full is to be noticed at the start.
    assert path.stat().st_blocks * 512 >= SIZE


def test_many_names_are_kept_apart(counters: RateLimitCounters) -> None:
    # Rows are chosen by a random hash. With 4,000 names in 16,384 rows, one run in nine million
    # has a row with more names than slots (Poisson, 0.24 per row); with 20,000, one in eleven.
    names = [f"org {number}" for number in range(4_000)]
    limit = Limit(2, 86_400)
    for name in names:
        assert result_of(counters.consume(name, limit)).remaining == 1
    assert all(result_of(counters.consume(name, limit)).remaining == 0 for name in names)
    assert not any(result_of(counters.consume(name, limit)).allowed for name in names)


def test_in_a_full_row_the_emptiest_makes_room(
    counters: RateLimitCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ROWS * PLACES >= 200_000
    monkeypatch.setattr(module, "ROWS_OF_OTHERS", 1)
    for number in range(PLACES):
        result_of(counters.consume(f"name {number}", SLOW, number + 1))
    result_of(counters.consume("one more", SLOW, 50))
    left = [result_of(counters.peek(f"name {number}", SLOW)).remaining for number in range(PLACES)]
    assert left == [100] + [99 - number for number in range(1, PLACES)]
    assert result_of(counters.peek("one more", SLOW)).remaining == 50


def test_no_number_of_keys_evicts_other_limits(
    counters: RateLimitCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_OF_KEYS", 1)
    monkeypatch.setattr(module, "ROWS_OF_OTHERS", 1)
    for name in ("sign-in address 203.0.113.7", "org org_1"):
        assert result_of(counters.consume(name, SLOW, 5)).allowed
    for number in range(PLACES * 20):
        result_of(counters.consume(rate_limit_names.of_key(f"ak_{number}"), SLOW, 100))
    assert result_of(counters.peek("sign-in address 203.0.113.7", SLOW)).remaining == 95
    assert result_of(counters.peek("org org_1", SLOW)).remaining == 95


def test_a_changed_limit_takes_over_what_was_used(counters: RateLimitCounters, path: Path) -> None:
    other_worker = RateLimitCounters(path)
    assert taken(counters, "one", 3) == 3
    raised, lowered = Limit(300, 86_400), Limit(2, 86_400)
    assert result_of(counters.peek("one", raised)).remaining == 297
    assert result_of(other_worker.consume("one", raised)).remaining == 296
    assert not result_of(counters.consume("one", lowered)).allowed
    # The refusal is remembered under the limit that refused.
    assert result_of(other_worker.peek("one", SLOW)).remaining == 98
    other_worker.close()


def test_a_changed_limit_takes_over_what_was_used_while_the_disk_is_full(
    counters: RateLimitCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert taken(counters, "one", 3) == 3
    assert result_of(counters.consume("one", Limit(300, 86_400))).remaining == 296


def test_a_forgotten_limit_begins_anew(counters: RateLimitCounters) -> None:
    assert taken(counters, "one", 100) == 100
    result_of(counters.forget("one", SLOW))
    assert result_of(counters.peek("one", SLOW)).remaining == 100


def test_an_unusable_file_is_reported(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreUnavailable, match=r"keys\.db\.limits"):
        RateLimitCounters(path)
    opened = RateLimitCounters(tmp_path / "other")
    os.close(opened._file)
    with pytest.raises(StoreUnavailable, match="locked"):
        result_of(opened.consume("one", SLOW))


def test_failed_writes_are_counted_in_memory(
    counters: RateLimitCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_of(counters.consume("before", SLOW, 10))
    with monkeypatch.context() as patched:
        patched.setattr(module, "MAX_REMEMBERED", 3)
        patched.setattr(os, "pwrite", full)
        assert [result_of(counters.consume("one", SLOW)).remaining for _ in range(2)] == [99, 98]
        assert result_of(counters.consume("before", SLOW)).remaining == 89
        for number in range(3):
            result_of(counters.consume(f"more {number}", SLOW))
        # The one that was seen the longest ago made room.
        assert result_of(counters.peek("one", SLOW)).remaining == 100
        assert result_of(counters.peek("more 2", SLOW)).remaining == 99
    assert result_of(counters.consume("more 2", SLOW)).remaining == 98
    assert result_of(counters.consume("more 2", SLOW)).remaining == 97
    assert not any(result_of(counters.peek("more 2", SLOW)).remaining == 100 for _ in range(2))


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_that_is_written_in_pieces_is_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def short(file: int, data: bytes, offset: int) -> int:
        return real(file, data[: max(1, len(data) // 2)], offset)

    monkeypatch.setattr(os, "pwrite", short)
    opened = RateLimitCounters(path)
    assert path.stat().st_size == SIZE
    assert [result_of(opened.consume("one", SLOW)).remaining for _ in range(2)] == [99, 98]
    opened.close()


def test_a_file_that_is_cut_short_while_it_is_used_counts_on(
    counters: RateLimitCounters, path: Path
) -> None:
    os.truncate(path, 200)
    assert [result_of(counters.consume("one", SLOW)).remaining for _ in range(2)] == [99, 98]


def test_a_slot_that_has_another_buckets_mark_inside_it_is_not_that_bucket(
    counters: RateLimitCounters, path: Path
) -> None:
    row, mark = counters._address("one")
    other = bytes(4) + mark + bytes(12)
    with path.open("r+b") as file:
        file.seek(row)
        file.write(other * PLACES)
    assert taken(counters, "one", 3) == 3
    assert result_of(counters.peek("one", SLOW)).remaining == 97
