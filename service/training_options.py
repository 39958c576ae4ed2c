"""The options of a training: name, type, range, default and help of each, presets of variants, and what goes together.

This is the only place that defines them: the trainer's configuration and the body of the retrain endpoint are made from
it. Importing it loads no torch. It is long because each option takes a few lines.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.errors import InvalidInput

VariantName = Literal[
    "contractive",
    "denoising",
    "neighbor",
    "predictive_sparse",
    "rbm",
    "recirculation",
    "semantic_hashing",
    "sparse",
    "stacked",
    "undercomplete",
    "variational",
]
Activation = Literal["relu", "tanh", "sigmoid"]
Output = Literal["counts", "bits", "reals"]
Code = Literal["sigmoid", "linear"]
CorruptionKind = Literal["masking", "gaussian", "salt_pepper"]
NoiseKind = Literal["fresh", "fixed"]
Sparsity = Literal["kl", "l1"]
Jacobian = Literal["exact", "hutchinson"]
Pretraining = Literal["autoencoder", "rbm"]
Language = Literal[
    "auto", "none", "ar", "ca", "cs", "da", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fr", "ga", "hi",
    "hu", "hy", "id", "it", "lt", "ne", "nl", "no", "pl", "pt", "ro", "ru", "sr", "st", "sv", "ta", "tr", "yi",
]  # fmt: skip
Aim = Literal["topics", "both", "nearest"]
WordParts = Literal["auto", "on", "off"]
Width = Annotated[int, Field(ge=1, le=8_192)]

_MAX_WEIGHT = 1_000
"""Largest weight of a part of a loss: above it the other parts have no effect."""

DEFAULTS: Mapping[str, object] = {
    "hidden": (500, 500),
    "activation": "relu",
    "output": "counts",
    "code": "sigmoid",
    "mirrored": False,
    "learning_rate": 3e-3,
    "corruption": 0.0,
    "corruption_kind": "masking",
    "neighbors": 0,
    "lsa_dims": 64,
    "lsa_weight": 0.5,
    "rarity": 0.0,
    "start_dims": 0,
    "drawn_neighbors": 0,
    "refined_neighbors": 100,
    "near_neighbors": 0,
    "partners": 0,
    "first_bits": 128,
    "first_share": 0.0,
    "noise_start": 0.0,
    "noise": 0.0,
    "noise_kind": "fresh",
    "sampled_bits": False,
    "balance": 0.0,
    "likeness": 0.0,
    "nearest_likeness": 0.0,
    "nearest_share": 0.625,
}
"""Values of the options that neither the caller nor the variant sets and that do not depend on the corpus."""


@dataclass(frozen=True)
class Variant:
    """Presets and fixed values of the options of one variant of the autoencoder.

    Attributes:
        preset: values that replace the defaults; explicit options replace them.
        fixed: the only values that the variant works with, or that have an effect; None: the option must be left out.
    """

    preset: Mapping[str, object] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)


_NO_NOISE: Mapping[str, object] = {"noise_start": 0.0, "noise": 0.0, "sampled_bits": False, "likeness": 0.0}
"""Fixed values for variants whose own loss uses the units without noise."""
_LOCAL: Mapping[str, object] = {
    **_NO_NOISE,
    "hidden": (),
    "mirrored": False,
    "code": "sigmoid",
    "neighbors": 0,
    "balance": 0.0,
    "output_words": None,
}
"""Fixed values for variants of one layer with their own learning rule."""

VARIANTS: Mapping[str, Variant] = {
    "contractive": Variant({"penalty": 0.1, "jacobian": "hutchinson"}),
    "denoising": Variant({"corruption": 0.3, "corruption_kind": "masking"}),
    "neighbor": Variant(
        {
            "aim": "topics",
            "neighbors": 20,
            "lsa_dims": 32,
            "lsa_weight": 1.0,
            "rarity": 1.0,
            "start_dims": 64,
            "first_share": 0.45,
            "first_bits": 128,
            "refined_neighbors": 10,
            "drawn_neighbors": 15,
            "output_words": 4_000,
            "corruption": 0.5,
            "noise_start": 1.0,
            "noise": 5.0,
            "balance": 0.3,
            "likeness": 0.3,
        }
    ),
    "predictive_sparse": Variant(
        {"code": "linear", "penalty": 0.02, "inner_steps": 20}, {**_NO_NOISE, "code": "linear", "mirrored": False}
    ),
    # Adam divides by the size of gradients, and gradients of sampled states are mostly noise: steps must be longer.
    "rbm": Variant({"hidden": (), "inner_steps": 1, "learning_rate": 3e-2}, _LOCAL),
    "recirculation": Variant({"hidden": ()}, _LOCAL),
    "semantic_hashing": Variant({"noise": 4.0}),
    "sparse": Variant({"sparsity": "kl", "target_rate": 0.2, "penalty": 1.5}),
    "stacked": Variant(
        {"activation": "sigmoid", "mirrored": True, "pretraining": "autoencoder"},
        {"activation": "sigmoid", "mirrored": True, "code": "sigmoid", "output_words": None},
    ),
    "undercomplete": Variant({"code": "linear"}),
    "variational": Variant({"penalty": 1.0}, _NO_NOISE),
}

AIMS: Mapping[Aim, Mapping[str, object]] = {
    "topics": {},
    "both": {"near_neighbors": 5, "partners": 10, "nearest_likeness": 1.0, "corruption": 0.4, "noise": 4.0},
    "nearest": {"neighbors": 5, "first_share": 0.0},
}
"""Values that replace those of the preset of `neighbor`, by what its codes are for."""
OF_VECTORS: Mapping[str, object] = {
    "aim": "nearest",
    "hidden": (),
    "neighbors": 0,
    "first_share": 0.0,
    "start_dims": 0,
    "drawn_neighbors": 0,
    "corruption": 0.0,
    "noise_start": 2.0,
    "noise": 2.0,
    "balance": 0.0,
    "likeness": 0.0,
    "nearest_likeness": 25.0,
    "nearest_share": 1.0,
    "learning_rate": 1e-3,
}
"""Values of `neighbor` for vectors unless an aim is named: codes are to keep what the model behind them finds alike."""
LONGER: Mapping[Aim, float] = {"topics": 1.0, "both": 2.0, "nearest": 1.0}
"""How many times the epochs of `neighbor`."""

_OF_TWO_NETWORKS = ("first_bits", "refined_neighbors", "near_neighbors", "partners", "likeness", "nearest_likeness")

OWN_OPTIONS = frozenset({"penalty", "sparsity", "target_rate", "jacobian", "pretraining", "inner_steps", "aim"})
"""Options that only the variants use whose presets name them."""


class TrainingOptions(BaseModel):
    """The options of any training; the value of an omitted one follows from the variant, n_bits and the corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    variant: VariantName = Field("neighbor", description="Variant of the autoencoder.")
    seed: int = Field(1, ge=0, lt=1 << 32, description="Equal seeds give equal hash functions, bit for bit on a CPU.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:[0-9]{1,2})?)$",
        description="Where the network is trained: auto, cpu, cuda or cuda:N.",
    )

    max_features: int = Field(20_000, ge=1, le=200_000, description="Size of the vocabulary, the commonest words.")
    min_df: int = Field(2, ge=1, le=100_000, description="A word must occur in this many documents.")
    aim: Aim | None = Field(
        None,
        description="What codes are to find: documents of one topic, the very nearest, or both (neighbor). "
        "A new code space must not be worse at it than the active one.",
    )
    language: Language = Field(
        "auto",
        description="Of stems and stop words of texts; auto: decided from the training documents; none: neither.",
    )
    word_parts: WordParts = Field(
        "auto",
        description="Parts of words, of 3 and 4 characters, beside words; auto: on where words of a sample are rare.",
    )
    image_size: int = Field(32, ge=4, le=256, description="Width and height that pictures are resized to, in pixels.")
    image_color: bool = Field(False, description="Keep the colors of pictures.")

    hidden: Annotated[tuple[Width, ...], Field(max_length=8)] | None = Field(
        None, description="Widths of the encoder's hidden layers."
    )
    activation: Activation | None = Field(None, description="Between the encoder's layers.")
    output: Output | None = Field(
        None,
        description="What features are, and with that the loss: counts (texts), bits (images) or reals (embeddings).",
    )
    code: Code | None = Field(None, description="Units of the code layer while learning.")
    mirrored: bool | None = Field(
        None, description="The decoder has the encoder's hidden layers too; else it is linear."
    )

    epochs: int | None = Field(None, ge=1, le=1_000, description="Passes over the training documents.")
    batch_size: int | None = Field(None, ge=2, le=65_536, description="Documents in one step.")
    learning_rate: float | None = Field(None, gt=0, le=10, description="Peak step size of Adam; it anneals to zero.")
    patience: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Epochs without a better validation loss before an early stop; a quarter, but at least 3.",
    )

    corruption: float | None = Field(
        None, ge=0, lt=1, description="Share of each input that is corrupted, or relative deviation of Gaussian noise."
    )
    corruption_kind: CorruptionKind | None = Field(None, description="How inputs are corrupted.")
    neighbors: int | None = Field(
        None, ge=0, le=1_000, description="Nearest documents to reconstruct; 0: the document itself."
    )
    lsa_dims: int | None = Field(
        None, ge=1, le=1_000, description="Latent dimensions in the neighbors' similarity; needs neighbors."
    )
    lsa_weight: float | None = Field(
        None,
        ge=0,
        le=_MAX_WEIGHT,
        description="What they count beside the cosine of the features; needs neighbors.",
    )
    rarity: float | None = Field(
        None,
        ge=0,
        le=10,
        description="Power of the idf by which latent axes and targets weigh a word beyond its TF-IDF.",
    )
    start_dims: int | None = Field(
        None, ge=0, le=1_000, description="Latent dimensions that word vectors start from; 0: they start at random."
    )
    drawn_neighbors: int | None = Field(
        None, ge=0, le=1_000, description="Neighbors drawn into a target per step; 0: all. Needs neighbors."
    )
    refined_neighbors: int | None = Field(
        None, ge=1, le=1_000, description="Neighbors once the first network has learned; needs first_share."
    )
    near_neighbors: int | None = Field(
        None,
        ge=0,
        le=1_000,
        description="Nearest by the features alone, half of the target once the first network has learned; 0: none.",
    )
    partners: int | None = Field(
        None,
        ge=0,
        le=1_000,
        description="Half of each batch are partners of the others, each one of so many nearest by features; 0: none.",
    )
    first_bits: int | None = Field(
        None, ge=1, le=2_048, description="Width of the network that learns first; needs first_share."
    )
    first_share: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the epochs that go to a first network, which refines the neighbors; needs neighbors.",
    )
    output_words: int | None = Field(
        None, ge=1, le=200_000, description="Words that the decoder gives, those of most weight."
    )
    noise_start: float | None = Field(None, ge=0, le=100, description="Noise before the units at the start, in logits.")
    noise: float | None = Field(None, ge=0, le=100, description="Noise before the units at the end, in logits.")
    noise_kind: NoiseKind | None = Field(
        None, description="Noise drawn fresh at each step, or fixed: once for each training document. Needs noise."
    )
    sampled_bits: bool | None = Field(
        None, description="Decode bits drawn under the noise, straight-through; needs a sigmoid code."
    )
    balance: float | None = Field(None, ge=0, le=_MAX_WEIGHT, description="Weight of balanced and uncorrelated bits.")

    likeness: float | None = Field(
        None,
        ge=0,
        le=_MAX_WEIGHT,
        description="Weight of codes that are alike where a first network sees documents alike; needs first_share.",
    )

    nearest_likeness: float | None = Field(
        None,
        ge=0,
        le=_MAX_WEIGHT,
        description="Weight of bits that are alike where the features alone see documents alike; needs first_share.",
    )
    nearest_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the bits that learn it; the others learn likeness. Needs nearest_likeness.",
    )

    penalty: float | None = Field(
        None,
        ge=0,
        le=_MAX_WEIGHT,
        description="Weight of the variant's own penalty (contractive, predictive_sparse, sparse, variational).",
    )
    sparsity: Sparsity | None = Field(None, description="kl to a target rate, or l1 (sparse).")
    target_rate: float | None = Field(
        None, gt=0, lt=1, description="Mean activation of each unit (sparse, with sparsity kl)."
    )
    jacobian: Jacobian | None = Field(None, description="Its norm exact, or estimated: hutchinson (contractive).")
    pretraining: Pretraining | None = Field(None, description="Layer by layer, as autoencoder or as rbm (stacked).")
    inner_steps: int | None = Field(
        None, ge=1, le=1_000, description="Gibbs steps (rbm), steps of inference (predictive_sparse)."
    )

    @model_validator(mode="after")
    def _check_composition(self) -> Self:
        if faults := dict(conflicts(self)):
            raise IncompatibleOptions(faults)
        return self

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """The validated options.

        Raises:
            InvalidInput: an option is unknown, its value is out of range, or options do not go together; the message
                names each, with the allowed values and the given one, and `errors` lists them.
        """
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            raise refusal(cls, options, error) from error

    @property
    def explicit(self) -> dict[str, Any]:
        """The options that the caller set."""
        named = (name for name in type(self).model_fields if name in self.model_fields_set)
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}

    @property
    def resolved(self) -> dict[str, Any]:
        """Options as set by the caller, else the variant, else the defaults; without those that the corpus decides."""
        preset = VARIANTS[self.variant].preset
        by_aim = AIMS[self.aim] if self.aim and "aim" in preset else {}
        return {**DEFAULTS, **preset, **by_aim, **self.explicit}


_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "text": ("max_features", "min_df", "language", "word_parts"),
    "image": ("image_size", "image_color"),
}
"""Options of the features of one kind."""


def check_kind(given: Iterable[str], kind: str) -> None:
    """Refuse options that make features of another kind.

    Args:
        given: names of the options that the caller set.
        kind: what is to be learned from: text, embedding or image.

    Raises:
        InvalidInput: there is one.
    """
    for owner, names in _OF_KIND.items():
        if owner != kind and (misfits := [name for name in given if name in names]):
            rule = f"{misfits[0]} is an option of kind {owner}, got kind {kind}"
            raise InvalidInput(f"training options: {rule}", [{"where": f"body.{misfits[0]}", "rule": rule}])


class IncompatibleOptions(ValueError):
    """Options that do not go together; `faults` has a message for each of them."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = faults


def conflicts(options: TrainingOptions) -> Iterator[tuple[str, str]]:
    """Name and error message of each explicit option that would have no effect, or make the run fail."""
    explicit, resolved, variant = options.explicit, options.resolved, options.variant
    needs = dict(_needs(resolved))
    fixed = VARIANTS[variant].fixed
    for name, value in explicit.items():
        owners = [other for other in sorted(VARIANTS) if name in VARIANTS[other].preset]
        if name in OWN_OPTIONS and variant not in owners:
            rule = f"is an option of {', '.join(owners)}, variant {variant!r} has no use for it"
        elif name in fixed and value != fixed[name]:
            allowed = "left out" if fixed[name] is None else _shown(fixed[name])
            rule = f"must be {allowed} with variant {variant!r}"
        elif name in needs and value:  # zero switches off what is off anyway
            rule = f"needs {needs[name]}"
        else:
            continue
        yield name, f"{name} {rule}, got {_shown(value)}"


def _needs(resolved: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name of each option that has no effect with the other options, and what it needs."""
    if not resolved["neighbors"]:
        for name in ("lsa_dims", "lsa_weight", "drawn_neighbors", "first_share"):
            yield name, "neighbors above 0"
    elif not resolved["lsa_weight"]:
        yield "lsa_dims", "lsa_weight above 0"
    if resolved.get("epochs") == 1:
        yield "first_share", "at least 2 epochs, one for each of the two networks"
    if not (resolved["neighbors"] and resolved["first_share"]) or resolved.get("epochs") == 1:
        for name in _OF_TWO_NETWORKS:
            yield name, "a first network: neighbors and first_share above 0, and at least 2 epochs"
    if not resolved["nearest_likeness"]:
        yield "nearest_share", "nearest_likeness above 0"
    if not resolved["corruption"]:
        yield "corruption_kind", "corruption above 0"
    if not (resolved["noise"] or resolved["noise_start"]):
        yield "noise_kind", "noise above 0"
    if resolved["code"] != "sigmoid":
        yield "sampled_bits", "code='sigmoid'"
    if not resolved["hidden"]:
        yield "activation", "hidden layers"
        yield "mirrored", "hidden layers"
    if resolved.get("sparsity") == "l1":
        yield "target_rate", "sparsity='kl'"


def refusal(model: type[BaseModel], given: Mapping[str, Any], error: ValidationError, where: str = "") -> InvalidInput:
    """The error for invalid options: it names each one, with the allowed values and the given one.

    Args:
        model: the model that refused the options.
        given: the options.
        error: the validation error of the model.
        where: prefix of the option's name that says where it was given.
    """
    known = model.model_json_schema()["properties"]
    reasons: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        misfit = fault.get("ctx", {}).get("error")
        if isinstance(misfit, IncompatibleOptions):
            reasons |= misfit.faults
            continue
        name = str(fault["loc"][0]) if fault["loc"] else "options"
        if fault["type"] == "extra_forbidden":
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            reasons[name] = f"{_shown(name)} is no option: {hint}"
        elif isinstance(misfit, ValueError):  # raised by a validator of the model, with a complete message
            reasons[name] = str(misfit)
        elif name not in known:  # about the whole input, for example a name that is not valid Unicode
            reasons[name] = fault["msg"]
        else:
            reasons[name] = f"{name} must be {_allowed(known[name])}, got {_shown(given[name])}"
    errors = [{"where": f"{where}{name}", "rule": reason} for name, reason in reasons.items()]
    return InvalidInput(f"training options: {'; '.join(list(reasons.values())[:5])}", errors[:100])


def _allowed(schema: Mapping[str, Any]) -> str:
    """The values that a JSON schema allows, in words."""
    choices = [choice for choice in schema.get("anyOf", [schema]) if choice.get("type") != "null"]
    return " or ".join(_allowed_choice(choice) for choice in choices)


def _allowed_choice(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"const": name}:
            return str(name)
        case {"enum": names}:
            return f"one of {', '.join(names)}"
        case {"type": "array", "items": items, "maxItems": most}:
            return f"a list of at most {most}, each {_allowed(items)}"
        case {"pattern": _, "description": description}:
            return str(description).partition(": ")[2].rstrip(".")
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "string", "maxLength": most}:
            return f"a text of at most {most} characters"
    kind = {"integer": "an integer", "number": "a number"}[schema["type"]]
    bounds = [
        f"{word} {schema[key]:,}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    steps = f"in steps of {schema['multipleOf']}" if "multipleOf" in schema else ""
    return " ".join(part for part in (kind, " and ".join(bounds), steps) if part)


def _shown(value: object) -> str:
    """A value as JSON, cut to 80 characters."""
    try:
        shown = json.dumps(value)
    except (TypeError, ValueError):
        shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
