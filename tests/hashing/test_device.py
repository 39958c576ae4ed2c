import pytest
import torch

from service.errors import ConfigurationError
from service.hashing.device import resolve_device, share_cores


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


def test_processes_share_the_cores_and_leave_threads_that_were_set_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.hashing.device.usable_cores", lambda: 8)
    before = torch.get_num_threads()
    try:
        for set_before, n_processes, n_threads in ((8, 1, 8), (8, 3, 2), (8, 4, 2), (8, 64, 1), (1, 2, 1)):
            torch.set_num_threads(set_before)
            assert share_cores(n_processes) == torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
