import numpy as np
import pytest
import torch

from training.models.losses import ALIKE, NAMED, disagreement, imbalance, told_similarities, unlikeness


def test_imbalance_is_zero_for_independent_balanced_bits_and_one_for_equal_dead_bits():
    every = torch.tensor([[i >> j & 1 for j in range(3)] for i in range(8)], dtype=torch.float32)
    assert float(imbalance(every)) == pytest.approx(0, abs=1e-6)
    assert float(imbalance(torch.ones(8, 3))) == pytest.approx(1, abs=1e-6)
    assert float(imbalance(0.5 + 0.01 * (every - 0.5))) == pytest.approx(0, abs=1e-6)


def test_unlikeness_is_smallest_if_codes_are_near_where_documents_are_similar():
    torch.manual_seed(0)
    bits = torch.randint(2, (40, 16)).float()
    similarities = (2 * bits - 1) @ (2 * bits - 1).T / 32
    matching, shuffled, same = (float(unlikeness(u, similarities)) for u in (bits, bits[torch.randperm(40)], 0 * bits))
    assert matching < same < shuffled
    assert same == pytest.approx(np.log(39), rel=1e-5)


def test_unlikeness_ignores_the_similarity_of_a_document_with_itself():
    units = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert float(unlikeness(units, torch.ones(2, 2))) == pytest.approx(0, abs=1e-6)


def test_rows_that_do_not_count_add_nothing_to_unlikeness():
    torch.manual_seed(0)
    units, similarities = torch.rand(6, 8), torch.rand(6, 6)
    parts = [float(unlikeness(units, similarities, rows=torch.arange(6) == i)) for i in range(6)]
    assert sum(parts) == pytest.approx(float(unlikeness(units, similarities)), rel=1e-5)


def test_similarities_follow_what_people_said_and_are_left_alone_elsewhere():
    similarities, known = torch.tensor([[1.0, 0.3, -0.2]]), torch.tensor([[0.0, -1.0, 1.0]])
    assert told_similarities(similarities, known).tolist() == [[1.0, -ALIKE, ALIKE]]


def test_disagreement_is_how_far_named_pairs_are_from_what_was_said_of_them():
    units = torch.tensor([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    known = torch.zeros(3, 3)
    assert float(disagreement(units, known)) == 0
    known[0, 1] = NAMED  # they agree by one half
    assert float(disagreement(units, known)) == pytest.approx(0.25)
    known[0, 2] = -NAMED  # farther than by chance, as was said
    assert float(disagreement(units, known)) == pytest.approx(0.125)
    known[1, 2] = 1  # labels say it, which is not this loss's concern
    assert float(disagreement(units, known)) == pytest.approx(0.125)
