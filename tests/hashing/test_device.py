import pytest
import torch

from service.errors import ConfigurationError
from service.hashing.device import resolve_device


def test_auto_is_a_device_of_this_machine() -> None:
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["toaster", "", "meta", "cpu:x"])
def test_a_device_that_does_not_exist_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"got '{name}'"):
        resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_where_there_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="sees no CUDA device"):
        resolve_device("cuda:0")
