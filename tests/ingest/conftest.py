from tests.use_cases import use_cases

__all__ = ["use_cases"]
