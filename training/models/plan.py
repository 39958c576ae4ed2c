"""Plan: every number of one training run."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Plan:
    """Every number of one training run, concrete; `TrainingConfig.plan` derives it from n_bits and the corpus.

    The options from `penalty` on belong to single variants, whose presets name them.
    """

    n_bits: int
    hidden: tuple[int, ...]
    activation: str
    output: str
    code: str
    mirrored: bool
    epochs: int
    batch_size: int
    learning_rate: float
    corruption: float
    corruption_kind: str
    neighbors: int
    lsa_dims: int
    lsa_weight: float
    rarity: float
    start_dims: int
    noise_start: float
    noise: float
    sampled_bits: bool
    balance: float
    penalty: float = 0.0
    sparsity: str = ""
    target_rate: float = 0.0
    jacobian: str = ""
    pretraining: str = ""
    inner_steps: int = 0
    output_words: int = 1 << 31
    drawn_neighbors: int = 0
    refined_neighbors: int = 0
    first_epochs: int = 0
    first_bits: int = 0
    noise_kind: str = "fresh"
    likeness: float = 0.0

    def first(self) -> Plan:
        """The plan of the wide network that learns first: the noise stays low, its units need not saturate."""
        return replace(
            self,
            n_bits=self.first_bits,
            epochs=self.first_epochs,
            noise=self.noise_start,
            first_epochs=0,
            likeness=0.0,
        )
