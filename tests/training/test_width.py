import pytest

from training.width import choose_width


@pytest.mark.parametrize(
    ("n_documents", "n_bits"),
    [(1, 32), (300, 32), (17_095, 64), (1_000_000, 64), (10_000_000, 128), (10**9, 128), (10**30, 256)],
)
def test_more_documents_ask_for_more_bits(n_documents, n_bits):
    width = choose_width(n_documents, 64, None)
    assert width.n_bits == n_bits
    assert f"{n_documents:,} documents" in width.reason


@pytest.mark.parametrize(("active_bits", "n_bits"), [(32, 64), (64, 128), (96, 128), (128, 256), (256, 256)])
def test_documents_that_share_codes_ask_for_the_next_width_up_to_the_widest(active_bits, n_bits):
    width = choose_width(20_000, active_bits, {"share_of_shared_codes": 0.83})
    assert width.n_bits == n_bits
    assert ("83%" in width.reason) == (n_bits > 64)


def test_codes_that_few_documents_share_may_get_narrower():
    assert choose_width(900, 128, {"share_of_shared_codes": 0.1}).n_bits == 32
