"""Groups of near duplicates are those of a slow oracle, which goes document by document."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.index.hamming.duplicates import LINKAGES, Linkage
from service.index.hamming.table import HammingTable
from service.index.key_mask import KeyMask
from tests import oracles
from tests.examples import examples
from tests.oracles import clustered_codes

Members = list[list[int]]


def chains(model: dict[int, bytes], radius: int) -> Members:
    """All that near pairs join."""
    group = {key: {key} for key in model}
    for one in model:
        for other in model:
            if oracles.distance(model[one], model[other]) <= radius and group[one] is not group[other]:
                joined = group[one] | group[other]
                for key in joined:
                    group[key] = joined
    return [sorted(members) for members in {id(members): members for members in group.values()}.values()]


def first_fit(model: dict[int, bytes], radius: int) -> Members:
    """Each key into the oldest group all of whose members lie near it."""
    found: Members = []
    for key in sorted(model):
        for members in found:
            if all(oracles.distance(model[key], model[other]) <= radius for other in members):
                members.append(key)
                break
        else:
            found.append([key])
    return found


def expected(model: dict[int, bytes], radius: int, linkage: Linkage, max_size: int) -> list[tuple[list[int], bool]]:
    """(keys, whether they were cut) of each group, in order."""
    found: list[tuple[list[int], bool]] = []
    for members in (chains if linkage == "single" else first_fit)(model, radius):
        too_large = len(members) > max_size
        parts = first_fit({key: model[key] for key in members}, radius) if too_large else [members]
        for part in parts:
            if len(part) > 1:
                runs = np.array_split(np.array(part), -(-len(part) // max_size))
                found += [(run.tolist(), too_large) for run in runs]
    return sorted(found)


@examples(120)
@given(
    n=st.integers(0, 70),
    n_bits=st.sampled_from([8, 16, 64, 72]),
    radius=st.sampled_from([0, 1, 2, 3, 5, 16]),
    linkage=st.sampled_from(LINKAGES),
    max_size=st.sampled_from([2, 3, 10, 1_000]),
    share=st.sampled_from([None, 0.1, 0.6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_groups_are_those_of_an_oracle_that_goes_document_by_document(
    n: int, n_bits: int, radius: int, linkage: Linkage, max_size: int, share: float | None, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes, keys = clustered_codes(rng, n, n_bits, 4, 0.05), rng.permutation(3 * n)[:n].astype(np.int64)
    table = HammingTable.build(codes[: n // 2], keys[: n // 2])
    table.add(codes[n // 2 :], keys[n // 2 :])
    table.delete(keys[::6])
    model = {int(key): code.tobytes() for key, code in zip(keys, codes, strict=True) if key not in keys[::6]}
    allowed = None if share is None else KeyMask.of_keys(keys[rng.random(n) < share])
    shown = {key: code for key, code in model.items() if allowed is None or allowed.covers(np.array([key]))[0]}
    found = table.near_duplicates(radius, linkage, max_size, allowed)
    assert [(group.keys.tolist(), group.is_capped) for group in found] == expected(shown, radius, linkage, max_size)


@pytest.mark.parametrize("linkage", LINKAGES)
def test_groups_do_not_depend_on_how_many_pairs_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch, linkage: Linkage
) -> None:
    rng = np.random.default_rng(0)
    table = HammingTable.build(clustered_codes(rng, 3_000, 32, 100, 0.04), rng.permutation(3_000).astype(np.int64))
    found = table.near_duplicates(3, linkage)
    monkeypatch.setattr("service.index.hamming.table.MAX_PAIRS", 1)
    assert [group.keys.tolist() for group in found] == [
        group.keys.tolist() for group in table.near_duplicates(3, linkage)
    ]
    assert len(found) > 90


def test_complete_linkage_keeps_the_ends_of_a_chain_apart() -> None:
    steps = np.array([[0b00000000], [0b00000001], [0b00000011], [0b00000111]], np.uint8)
    table = HammingTable.build(steps, np.arange(4))
    assert [group.keys.tolist() for group in table.near_duplicates(1)] == [[0, 1, 2, 3]]
    assert [group.keys.tolist() for group in table.near_duplicates(1, "complete")] == [[0, 1], [2, 3]]


def test_equal_codes_beyond_the_limit_are_cut_into_runs_that_say_so() -> None:
    table = HammingTable.build(np.zeros((2_500, 8), np.uint8), np.arange(2_500))
    for linkage in LINKAGES:
        groups = table.near_duplicates(2, linkage, 1_000)
        assert [len(group.keys) for group in groups] == [834, 833, 833]
        assert all(group.is_capped for group in groups)
        assert np.concatenate([group.keys for group in groups]).tolist() == list(range(2_500))


def test_wrong_options_are_refused_by_name() -> None:
    table = HammingTable(64)
    with pytest.raises(InvalidInput, match="linkage must be single or complete, got 'average'"):
        table.near_duplicates(1, "average")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="radius must be at least 0, got -1"):
        table.near_duplicates(-1)
    with pytest.raises(InvalidInput, match="max_size must be at least 2, got 1"):
        table.near_duplicates(1, max_size=1)
