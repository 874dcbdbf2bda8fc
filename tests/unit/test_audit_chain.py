"""The audit log's hash chain by itself: whatever is done to a chain is found, and where."""

import dataclasses
import hashlib
import json
import secrets
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookstream_keys.store import ChainCheck, ChainFault, chain

GENESIS = "0" * 64

texts = st.none() | st.text(max_size=8)

#: All but the number and the id, which are each row's own; rows may well be alike in the rest.
contents = st.builds(lambda *some: [*some, *"defghijk"], texts, texts, texts)


@given(
    st.dictionaries(st.text(max_size=4), st.none() | st.integers(-(2**63), 2**63 - 1) | st.text())
)
def test_a_row_is_hashed_as_it_always_was(row: dict[str, Any]) -> None:
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert chain.entry_hash(bytes(32), row) == hashlib.sha256(bytes(32) + text.encode()).digest()


@dataclasses.dataclass
class Log:
    """A log as a database has it: rows, and the head beside them."""

    rows: list[list[Any]]
    head: tuple[int, str] | None

    def check(self, kept: str | None = None) -> ChainCheck:
        in_order = sorted(self.rows, key=lambda row: int(row[0]))
        return chain.check(lambda: map(tuple, in_order), self.head, kept)

    def fault(self, kept: str | None = None) -> ChainFault:
        found = self.check(kept).fault
        assert found is not None
        return found

    def renumber(self) -> None:
        """As an attacker does who hides the gap."""
        for number, row in enumerate(self.rows, start=1):
            row[0] = number

    def rechain(self) -> None:
        """As an attacker does who recomputes the hashes, but not the head."""
        previous = chain.GENESIS
        for row in self.rows:
            previous = chain.entry_hash(previous, dict(zip(chain.COLUMNS, row[:-1], strict=True)))
            row[-1] = previous.hex()


def log_of(contents: list[list[Any]]) -> Log:
    rows = [
        [number, f"al_{number}", *content, ""] for number, content in enumerate(contents, start=1)
    ]
    log = Log(rows, None)
    log.rechain()
    log.head = (len(rows), rows[-1][-1] if rows else GENESIS)
    return log


def logs(min_size: int) -> st.SearchStrategy[Log]:
    return st.lists(contents, min_size=min_size, max_size=6).map(log_of)


@given(logs(0))
def test_an_unmodified_chain_verifies(log: Log) -> None:
    found = log.check()
    assert found == ChainCheck(len(log.rows), log.head[1] if log.head else "", None)


@given(st.data(), logs(1))
def test_a_change_is_detected_at_its_row(data: st.DataObject, log: Log) -> None:
    row = data.draw(st.sampled_from(log.rows))
    at = data.draw(st.integers(1, len(row) - 1))
    before = row[:]
    row[at] = data.draw(texts.filter(lambda value: value != before[at]), label="new value")
    fault = log.fault()
    assert (fault.problem, fault.seq) == ("changed", before[0])
    assert fault.id == row[1]


@given(st.data(), logs(1))
def test_a_change_with_a_recomputed_hash_is_detected(data: st.DataObject, log: Log) -> None:
    row = data.draw(st.sampled_from(log.rows))
    at = data.draw(st.integers(1, len(row) - 2))
    row[at] = data.draw(texts.filter(lambda value: value != row[at]), label="new value")
    previous = bytes.fromhex(log.rows[row[0] - 2][-1]) if row[0] > 1 else chain.GENESIS
    row[-1] = chain.entry_hash(previous, dict(zip(chain.COLUMNS, row[:-1], strict=True))).hex()
    fault = log.fault()
    if row[0] == len(log.rows):
        assert fault.problem == "head"
    else:
        assert (fault.problem, fault.seq) == ("changed", row[0] + 1)


@given(st.data(), logs(1))
def test_a_removal_is_detected_at_its_row(data: st.DataObject, log: Log) -> None:
    gone = data.draw(st.sampled_from(log.rows))
    log.rows.remove(gone)
    fault = log.fault()
    assert (fault.problem, fault.seq, fault.id) == ("removed", gone[0], None)


@given(st.data(), logs(1))
def test_a_removal_without_a_gap_is_detected(data: st.DataObject, log: Log) -> None:
    gone = data.draw(st.sampled_from(log.rows))
    log.rows.remove(gone)
    log.renumber()
    assert log.fault().seq == gone[0]


@given(st.data(), logs(2))
def test_two_rows_that_changed_places_are_found(data: st.DataObject, log: Log) -> None:
    one, other = sorted(data.draw(st.permutations(range(len(log.rows))))[:2])
    log.rows[one], log.rows[other] = log.rows[other], log.rows[one]
    log.renumber()
    fault = log.fault()
    assert (fault.problem, fault.seq, fault.id) == ("reordered", one + 1, log.rows[one][1])
    assert fault.message.endswith(f"at seq {other + 1}")


@given(st.data(), logs(2))
def test_any_other_order_is_detected(data: st.DataObject, log: Log) -> None:
    before = log.rows[:]
    log.rows = data.draw(st.permutations(before).filter(lambda rows: rows != before))
    first = next(at for at, row in enumerate(log.rows) if row is not before[at])
    log.renumber()
    fault = log.fault()
    assert (fault.problem, fault.seq) == ("reordered", first + 1)


@given(st.data(), logs(1))
def test_a_row_moved_to_the_end_is_detected(data: st.DataObject, log: Log) -> None:
    row = data.draw(st.sampled_from(log.rows))
    was, row[0] = row[0], len(log.rows) + 1
    fault = log.fault()
    assert (fault.problem, fault.seq) == ("reordered", was)


@given(st.data(), logs(0), contents)
def test_an_insertion_is_detected(data: st.DataObject, log: Log, content: list[Any]) -> None:
    at = data.draw(st.integers(0, len(log.rows)))
    log.rows.insert(at, [0, "al_new", *content, secrets.token_hex(32)])
    log.renumber()
    assert log.fault().seq == at + 1


@given(st.data(), logs(1))
def test_a_row_before_the_first_is_found(data: st.DataObject, log: Log) -> None:
    copy = data.draw(st.sampled_from(log.rows))[:]
    copy[0] = data.draw(st.integers(-5, 0))
    log.rows.insert(0, copy)
    fault = log.fault()
    assert (fault.problem, fault.seq, fault.id) == ("changed", copy[0], copy[1])


@given(st.data(), logs(1))
def test_a_duplicate_is_found(data: st.DataObject, log: Log) -> None:
    original = data.draw(st.sampled_from(range(1, len(log.rows) + 1)))
    copy = log.rows[original - 1][:]
    at = data.draw(st.integers(0, len(log.rows)))
    log.rows.insert(at, copy)
    log.renumber()
    # Beside its original it makes no difference which of the two is the copy.
    assert log.fault().seq == (at + 1 if at + 1 != original else original + 1)


@given(logs(0), contents)
def test_a_row_added_past_the_head_is_found(log: Log, content: list[Any]) -> None:
    log.rows.append([len(log.rows) + 1, "al_forged", *content, ""])
    log.rechain()
    assert log.fault().problem == "head"


@given(st.data(), logs(1))
def test_a_truncated_chain_and_head_are_detected_by_an_expected_head(
    data: st.DataObject, log: Log
) -> None:
    kept = log.rows[-1][-1]
    left = data.draw(st.integers(0, len(log.rows) - 1))
    del log.rows[left:]
    log.head = (left, log.rows[-1][-1] if left else GENESIS)
    assert log.check().fault is None
    assert log.fault(kept).problem == "head"


@given(st.data(), logs(1))
def test_a_rewritten_chain_is_detected_by_an_expected_head(data: st.DataObject, log: Log) -> None:
    hashes = [row[-1] for row in log.rows]
    at = data.draw(st.integers(0, len(log.rows) - 1))
    log.rows[at][1] += "x"
    log.rechain()
    log.head = (len(log.rows), log.rows[-1][-1])
    assert log.check().fault is None
    for number, kept in enumerate(hashes):
        assert (log.check(kept).fault is None) is (number < at)


@given(logs(0))
def test_every_earlier_head_is_a_valid_expected_head(log: Log) -> None:
    for kept in (GENESIS, *(row[-1] for row in log.rows)):
        assert log.check(kept).fault is None
    assert log.fault(secrets.token_hex(32)).problem == "head"


@pytest.mark.parametrize("head", [None, (2, GENESIS), (1, None), ("2", "x"), (None, None)])
def test_a_head_of_another_row_is_detected(head: Any) -> None:
    log = log_of([["x"] * 11, ["y"] * 11])
    log.head = head
    assert log.fault().problem == "head"


@pytest.mark.parametrize("value", [b"\x00", "\udcff", 1.5, 2**70])
def test_rows_that_no_version_wrote_are_detected(value: object) -> None:
    log = log_of([["x"] * 11, ["y"] * 11])
    log.rows[1][5] = value
    assert log.fault().problem == "changed"


@pytest.mark.parametrize("value", [b"\x00", None, 7])
def test_a_hash_or_an_id_of_another_kind_is_found(value: object) -> None:
    for at in (1, -1):
        log = log_of([["x"] * 11, ["y"] * 11])
        log.rows[1][at] = value
        fault = log.fault()
        assert (fault.problem, fault.seq) == ("changed", 2)
        assert fault.id == ("al_2" if at == -1 else None)


def test_an_entry_hash_is_sha_256_over_the_previous_hash_and_canonical_json() -> None:
    row = {"b": 'é"\\\n\x1f\x7f😀', "a": None, "seq": 12}
    text = '{"a":null,"b":"é\\"\\\\\\n\\u001f\x7f😀","seq":12}'
    expected = hashlib.sha256(bytes(32) + text.encode()).digest()
    assert chain.entry_hash(chain.GENESIS, row) == expected
