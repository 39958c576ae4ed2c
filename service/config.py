"""Settings: one frozen model, read from arguments and `NEARBIT_*` in the environment when asked, never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import ConfigurationError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """Everything about a nearbit installation that can be set; docs/operations.md lists it."""

    model_config = SettingsConfigDict(env_prefix="NEARBIT_", frozen=True, extra="forbid", env_ignore_empty=True)

    database_url: str = Field(
        "sqlite:///var/nearbit.db",
        description="SQLAlchemy URL of the database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    )
    data_dir: Path = Field(Path("var"), description="Folder for training checkpoints and index snapshots.")
    host: str = Field("127.0.0.1", description="Address to listen on; any other than loopback needs an admin key.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(1, ge=1, le=64, description="Number of API processes.")
    admin_key: SecretStr | None = Field(
        None, description="Key that may do everything, sent as `Authorization: Bearer KEY`; none allows loopback only."
    )
    read_key: SecretStr | None = Field(
        None, description="Key that may read only, beside the admin key; with one of them set, every call needs a key."
    )
    trainer: bool = Field(True, description="Start a trainer process as a child of `serve`.")
    job_runner: bool = Field(
        True, description="Start a job runner as a child of `serve`: it deletes, and completes long rollbacks."
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe line written.")

    max_body_bytes: int = Field(16 << 20, ge=1024, description="Largest request body in bytes.")
    max_text_chars: int = Field(100_000, ge=1, description="Longest text of one document or query in characters.")
    max_metadata_bytes: int = Field(16_384, ge=2, description="Largest metadata of one document in bytes of JSON.")
    max_batch: int = Field(1_000, ge=1, description="Most documents or queries in one request.")
    max_k: int = Field(1_000, ge=1, description="Most matches that one query may ask for.")
    max_shortlist: int = Field(5_000, ge=1, description="Most documents that one query may have re-ranked.")
    max_matches: int = Field(
        100_000, ge=1, description="Most matches that the queries of one request may ask for: texts times k."
    )
    max_read_bytes: int = Field(
        64 << 20, ge=1024, description="Most text and metadata that one request may answer with or re-rank, in bytes."
    )
    vector_cache_bytes: int = Field(
        64 << 20, ge=0, description="Memory for the vectors of documents that were re-ranked, in bytes."
    )

    encoder_url: str | None = Field(None, description="URL of an encoder process; none encodes in the API process.")
    encoder_timeout_s: float = Field(
        10.0, gt=0, description="Seconds to wait for the encoder process to answer one part of a request."
    )
    encoder_queue: int = Field(8_192, ge=1, description="Most contents waiting for a code before 503 is answered.")
    encoder_batch: int = Field(256, ge=1, description="Most contents encoded at once.")
    encoder_cache: int = Field(8, ge=1, description="Hash functions kept in memory by the encoder.")
    device: str = Field("auto", description="Where networks run: auto, cpu, cuda or cuda:N.")

    poll_interval_s: float = Field(0.2, gt=0, description="Seconds between two looks of a replica at the database.")
    read_your_writes_s: float = Field(
        0.5, ge=0, description="Seconds to wait for `at_least_seq` before SQL answers, and for a promoted space."
    )
    shutdown_grace_s: int = Field(30, ge=1, description="Seconds that a stop waits for requests in flight.")

    unload_after_s: float = Field(
        0.0, ge=0, description="Seconds after which a collection that nobody asked for leaves memory; 0 never."
    )
    unload_from_bytes: int = Field(
        16 << 20, ge=0, description="Collections that take less memory than this stay in it all the same."
    )

    min_train_documents: int = Field(100, ge=10, description="Fewest documents that a retrain accepts.")
    train_sample: int = Field(200_000, ge=100, description="Most documents that featurizer and network are fitted on.")
    train_threads: int = Field(0, ge=0, description="Threads of the trainer; 0 takes one per core.")
    lease_s: float = Field(30.0, gt=0, description="Seconds after which a silent trainer or job runner loses its job.")
    ready_timeout_s: float = Field(60.0, gt=0, description="Longest wait for API processes to load a new space.")
    keep_retired: int = Field(2, ge=1, description="Retired code spaces kept for rollback, per collection.")

    @model_validator(mode="after")
    def _check_exposure(self) -> Settings:
        if self.host not in LOOPBACK and self.admin_key is None:
            raise ConfigurationError(
                f"host {self.host} is reachable from outside: set NEARBIT_ADMIN_KEY, or listen on 127.0.0.1"
            )
        if self.read_key is not None and self.admin_key is None:
            raise ConfigurationError("with NEARBIT_READ_KEY alone nobody could write: set NEARBIT_ADMIN_KEY too")
        if self.read_key is not None and self.read_key == self.admin_key:
            raise ConfigurationError("NEARBIT_READ_KEY must differ from NEARBIT_ADMIN_KEY, or readers could write")
        return self
