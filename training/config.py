"""TrainingConfig: what may be said about a training; `n_bits` is the dial, the rest follows from it unless said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from service.errors import InvalidInput
from service.hashing.codes import check_n_bits
from training.models import MODELS, Plan

Activation = Literal["relu", "tanh", "sigmoid"]
Output = Literal["counts", "bits", "reals"]
Code = Literal["sigmoid", "linear"]
CorruptionKind = Literal["masking", "gaussian", "salt_pepper"]
NoiseKind = Literal["fresh", "fixed"]
Sparsity = Literal["kl", "l1"]
Jacobian = Literal["exact", "hutchinson"]
Pretraining = Literal["autoencoder", "rbm"]

OWN_OPTIONS = frozenset({"penalty", "sparsity", "target_rate", "jacobian", "pretraining", "inner_steps"})
"""Options that mean something to the variants alone whose presets name them."""


def options_of(pairs: Sequence[str]) -> dict[str, Any]:
    """Options from `name=value` pairs: values as JSON where they are, text otherwise.

    Raises:
        InvalidInput: a pair without an equals sign.
    """
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidInput(f"--set must be name=value, got {pair!r}")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


class TrainingConfig(BaseModel):
    """One training run; a field left at None follows from the variant, n_bits and the size of the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_bits: int = Field(64, description="Width of the codes in bits: a multiple of 8 between 8 and 256.")
    variant: str = Field("neighbor", description="Variant of the autoencoder, by its name in the registry.")
    seed: int = Field(1, ge=0, lt=1 << 63, description="Equal seeds give equal hash functions, bit for bit on a CPU.")
    device: str = Field("auto", description="Where the network is trained: auto, cpu, cuda or cuda:N.")

    max_features: int = Field(20_000, ge=1, description="Size of the vocabulary, the commonest words.")
    min_df: int = Field(2, ge=1, description="A word must occur in this many documents.")
    image_size: int = Field(32, ge=4, le=256, description="Width and height that pictures are resized to, in pixels.")
    image_color: bool = Field(False, description="Keep the colors of pictures.")

    hidden: tuple[int, ...] | None = Field(None, description="Widths of the encoder's hidden layers.")
    activation: Activation | None = Field(None, description="Between the encoder's layers: relu, tanh or sigmoid.")
    output: Output | None = Field(
        None,
        description="What features are, and with that the loss: counts (texts), bits (images) or reals (embeddings).",
    )
    code: Code | None = Field(None, description="Units of the code layer while learning: sigmoid or linear.")
    mirrored: bool | None = Field(
        None, description="The decoder has the encoder's hidden layers too; else it is linear."
    )

    epochs: int | None = Field(None, ge=1, description="Passes over the training documents.")
    batch_size: int | None = Field(None, ge=2, description="Documents in one step.")
    learning_rate: float | None = Field(None, gt=0, description="Peak step size of Adam; it anneals to zero.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Epochs without a better validation loss before an early stop; a quarter, but at least 3.",
    )

    corruption: float | None = Field(
        None, ge=0, lt=1, description="Share of each input that is corrupted, or relative deviation of Gaussian noise."
    )
    corruption_kind: CorruptionKind | None = Field(None, description="masking, gaussian or salt_pepper.")
    neighbors: int | None = Field(None, ge=0, description="Nearest documents to reconstruct; 0: the document itself.")
    lsa_dims: int | None = Field(None, ge=1, description="Latent dimensions in the neighbors' similarity.")
    lsa_weight: float | None = Field(None, ge=0, description="What they count beside the cosine of the features.")
    rarity: float | None = Field(
        None, ge=0, description="Power of the idf by which latent axes and targets weigh a word beyond its TF-IDF."
    )
    start_dims: int | None = Field(
        None, ge=0, description="Latent dimensions that word vectors start from; 0: they start at random."
    )
    drawn_neighbors: int | None = Field(None, ge=0, description="Neighbors drawn into a target per step; 0: all.")
    refined_neighbors: int | None = Field(None, ge=1, description="The same, once the first network has learned.")
    first_bits: int | None = Field(None, ge=1, description="Width of the network that learns first.")
    first_share: float | None = Field(
        None, ge=0, lt=1, description="Share of the epochs that go to a first network, which refines the neighbors."
    )
    output_words: int | None = Field(None, ge=1, description="Words that the decoder gives, those of most weight.")
    noise_start: float | None = Field(None, ge=0, description="Noise before the sigmoid at the start, in logits.")
    noise: float | None = Field(None, ge=0, description="Noise before the sigmoid at the end, in logits.")
    noise_kind: NoiseKind | None = Field(
        None, description="Noise drawn fresh at each step, or fixed: once for each training document."
    )
    sampled_bits: bool | None = Field(None, description="Decode bits drawn under the noise, straight-through.")
    balance: float | None = Field(None, ge=0, description="Weight of balanced and uncorrelated bits.")

    likeness: float | None = Field(
        None, ge=0, description="Weight of codes that are alike where a first network sees documents alike."
    )

    penalty: float | None = Field(None, ge=0, description="Weight of the variant's own penalty.")
    sparsity: Sparsity | None = Field(None, description="kl to a target rate, or l1 (sparse).")
    target_rate: float | None = Field(None, gt=0, lt=1, description="Mean activation of each unit (sparse).")
    jacobian: Jacobian | None = Field(None, description="Its norm exact, or estimated: hutchinson (contractive).")
    pretraining: Pretraining | None = Field(None, description="Layer by layer, as autoencoder or as rbm (stacked).")
    inner_steps: int | None = Field(
        None, ge=1, description="Gibbs steps (rbm), steps of inference (predictive_sparse)."
    )

    @field_validator("n_bits")
    @classmethod
    def _check_n_bits(cls, n_bits: int) -> int:
        try:
            return check_n_bits(n_bits)
        except InvalidInput as error:
            raise ValueError(str(error)) from None

    @field_validator("variant")
    @classmethod
    def _check_variant(cls, variant: str) -> str:
        if variant not in MODELS:
            raise ValueError(f"variant must be one of {sorted(MODELS)}, got {variant!r}")
        return variant

    @model_validator(mode="after")
    def _check_own_options(self) -> Self:
        """An option of some variants alone is an error elsewhere: it would silently do nothing."""
        owned = set().union(*(model.preset for model in MODELS.values())) & OWN_OPTIONS
        for name in sorted(owned - set(MODELS[self.variant].preset)):
            if getattr(self, name) is not None:
                owners = sorted(variant for variant, model in MODELS.items() if name in model.preset)
                raise ValueError(f"{name} is an option of {owners}, variant {self.variant!r} has no use for it")
        return self

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """The configuration of those options.

        Raises:
            InvalidInput: an unknown option, or a value out of its range; the message names each.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise InvalidInput(f"training options: {'; '.join(faults)}") from error

    def plan(self, n_documents: int, output: str = "counts") -> Plan:
        """Every number of the run: what was said, then the variant's preset, then what follows from the dial.

        Args:
            n_documents: training documents.
            output: what their features are: counts, bits or reals.
        """
        batch_size = _batch_size(n_documents)
        steps_per_epoch = -(-n_documents // batch_size)
        derived: dict[str, Any] = {
            "hidden": (500, 500),
            "activation": "relu",
            "output": output,
            "code": "sigmoid",
            "mirrored": False,
            "epochs": min(200, max(_least_epochs(steps_per_epoch), round(1400 / steps_per_epoch))),
            "batch_size": batch_size,
            "learning_rate": 3e-3,
            "corruption": 0.0,
            "corruption_kind": "masking",
            "neighbors": 0,
            "lsa_dims": 64,
            "lsa_weight": 0.5,
            "rarity": 0.0,
            "start_dims": 0,
            "noise_start": 0.0,
            "noise": 0.0,
            "sampled_bits": False,
            "balance": 0.0,
            "first_share": 0.0,
        }
        said = {name: value for name, value in self.model_dump().items() if value is not None}
        merged = derived | dict(MODELS[self.variant].preset) | said
        # A neighborhood is about one document in a hundred: more would blur a small corpus into one.
        if merged["neighbors"] and "neighbors" not in said:
            merged["neighbors"] = min(merged["neighbors"], max(3, n_documents // 75))
        if merged["first_share"] and "refined_neighbors" not in said:
            merged["refined_neighbors"] = min(merged["refined_neighbors"], max(5, n_documents // 75))
        merged["first_epochs"] = round(merged["first_share"] * merged["epochs"]) if merged["neighbors"] else 0
        merged["epochs"] -= merged["first_epochs"]
        return Plan(**{name: merged[name] for name in Plan.__dataclass_fields__ if name in merged})


def _batch_size(n_documents: int) -> int:
    """32 for a few documents, then 128; up to 512 where four epochs of larger batches are still 6,000 steps."""
    size = 128 if n_documents >= 1024 else 32
    while 128 <= size < 512 and 4 * n_documents >= 6000 * 2 * size:
        size *= 2
    return size


def _least_epochs(steps_per_epoch: int) -> int:
    """Six; as few as four where these are 4,000 steps."""
    return max(4, min(6, -(-4000 // steps_per_epoch)))
