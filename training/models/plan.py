"""Plan: every number of one training run, which models and the optimization loop read."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Plan:
    """Every number of one training run; `TrainingConfig.plan` derives it from the options and the corpus.

    Meaning and range of each option are in `service/training_options.py`. Here `epochs` are those of the network of
    n_bits, and `first_epochs` those of the wide network before it (0: there is none).
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
    nearest_likeness: float = 0.0
    nearest_share: float = 0.0
    near_neighbors: int = 0
    partners: int = 0

    def first(self) -> Plan:
        """The plan of the wide first network; its noise stays low, because its units need not saturate."""
        return replace(
            self,
            n_bits=self.first_bits,
            epochs=self.first_epochs,
            noise=self.noise_start,
            first_epochs=0,
            likeness=0.0,
            nearest_likeness=0.0,
        )
