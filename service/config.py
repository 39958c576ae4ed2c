"""Settings: one frozen model, made of arguments and `NEARBIT_*` environment variables; never made at import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import ConfigurationError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Settings(BaseSettings):
    """Every setting of an installation; docs/operations.md lists them too."""

    model_config = SettingsConfigDict(env_prefix="NEARBIT_", frozen=True, extra="forbid", env_ignore_empty=True)

    database_url: str = Field(
        "sqlite:///var/nearbit.db",
        description="SQLAlchemy URL of the database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    )
    data_dir: Path = Field(Path("var"), description="Folder for training checkpoints and index snapshots.")
    host: str = Field("127.0.0.1", description="Address to listen on; any but a loopback address needs an admin key.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    uds: Path | None = Field(
        None, description="Unix socket to listen on, in place of host and port; who may open it may reach the service."
    )
    root_path: str | None = Field(
        None,
        pattern=r"^(/[A-Za-z0-9._~-]+)+$",
        description="Path under which a proxy shows the service, such as /nearbit; the proxy may remove it or not.",
    )
    cors_origins: str | None = Field(
        None,
        pattern=r"^(\*|https?://[^\s,/*]+(,https?://[^\s,/*]+)*)$",
        description="Origins of web pages that browsers may let call the service, separated by commas; * for any.",
    )
    workers: int = Field(1, ge=1, le=64, description="Number of API processes.")
    admin_key: SecretStr | None = Field(
        None,
        description="Key that may do everything, sent as `Authorization: Bearer KEY`; none: serve this machine only.",
    )
    read_key: SecretStr | None = Field(
        None, description="Second key, which may only read; if a key is set, every call needs one."
    )
    encoder_key: SecretStr | None = Field(
        None, description="Key that is sent to the encoder process; without it, NEARBIT_ADMIN_KEY."
    )
    key_requests_per_minute: int | None = Field(
        None, ge=1, description="Most requests a minute with one key that has no limit of its own; none: any number."
    )
    key_documents_per_minute: int | None = Field(
        None, ge=1, description="Most documents and vectors that such a key may put in a minute; none: any number."
    )
    key_concurrent_searches: int | None = Field(
        None, ge=1, description="Most searches of such a key that run at a time; none: any number."
    )
    max_searches: int = Field(
        128, ge=1, description="Most searches that one API process runs at a time; more get a 503."
    )
    max_puts: int = Field(
        32, ge=1, description="Most puts of documents or vectors that one API process runs at a time; more get a 503."
    )
    audit_days: int = Field(90, ge=1, le=36_500, description="Days for which the calls of administrators are kept.")
    trainer: bool = Field(True, description="Start a trainer process as a child of `serve`.")
    job_runner: bool = Field(
        True,
        description="Start a job runner as a child of `serve`: it does deletions, long promotions, duplicate searches.",
    )
    log_format: Literal["console", "json"] = Field("console", description="Format of log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level of log lines.")

    max_body_bytes: int = Field(16 << 20, ge=1024, description="Largest request body in bytes.")
    max_text_chars: int = Field(100_000, ge=1, description="Longest text of one document or query in characters.")
    max_metadata_bytes: int = Field(16_384, ge=2, description="Largest metadata of one document in bytes of JSON.")
    max_batch: int = Field(1_000, ge=1, description="Most documents or queries in one request.")
    max_k: int = Field(1_000, ge=1, description="Greatest `k` of one query.")
    max_shortlist: int = Field(5_000, ge=1, description="Greatest shortlist of one query that is re-ranked.")
    max_matches: int = Field(100_000, ge=1, description="Most matches of one request: texts times k.")
    max_read_bytes: int = Field(
        64 << 20, ge=1024, description="Most text and metadata that one query may return, in bytes."
    )

    max_import_bytes: int = Field(
        16 << 30, ge=1024, description="Largest body of one import in bytes, as it is sent and decompressed."
    )
    export_limit_s: float = Field(
        3_600.0,
        gt=0,
        description="Most seconds of one export: it holds a snapshot, and the database keeps what others delete.",
    )

    encoder_url: str | None = Field(None, description="URL of an encoder process; without it, the API process encodes.")
    encoder_timeout_s: float = Field(
        10.0, gt=0, description="Seconds to wait for the response of the encoder process to one part of a request."
    )
    encoder_queue: int = Field(8_192, ge=1, description="Most contents that may wait for a code; more get a 503.")
    encoder_batch: int = Field(256, ge=1, description="Most contents encoded in one batch.")
    encoder_cache: int = Field(8, ge=1, description="Number of hash functions that the encoder keeps in memory.")
    device: str = Field("auto", description="Where networks run: auto, cpu, cuda or cuda:N.")

    poll_interval_s: float = Field(0.2, gt=0, description="Seconds between two polls of the database for changes.")
    read_your_writes_s: float = Field(
        0.5,
        ge=0,
        description="Seconds to wait for `at_least_seq` before SQL answers, and for a promoted space.",
    )
    shutdown_grace_s: int = Field(30, ge=1, description="Seconds that a stop waits for requests in flight.")

    unload_after_s: float = Field(
        0.0, ge=0, description="Seconds without a query after which a collection leaves memory; 0: never."
    )
    unload_from_bytes: int = Field(
        16 << 20, ge=0, description="Collections smaller than this, in bytes, always stay in memory."
    )

    min_train_documents: int = Field(100, ge=10, description="Fewest documents that a retrain accepts.")
    train_sample: int = Field(200_000, ge=100, description="Most documents that a retrain learns from.")
    train_threads: int = Field(0, ge=0, description="Threads of the trainer; 0 takes one per core.")
    lease_s: float = Field(30.0, gt=0, description="Seconds after which a silent trainer or job runner loses its job.")
    ready_timeout_s: float = Field(
        60.0, gt=0, description="Most seconds to wait for API processes to load a new space."
    )
    keep_retired: int = Field(2, ge=1, description="Retired code spaces kept for rollback, per collection.")
    sql_index: Literal["full", "codes"] = Field(
        "full",
        description="What SQL keeps of new code spaces: codes and their buckets, or codes alone, a quarter of the "
        "size; then SQL reads every code for a query.",
    )

    @model_validator(mode="after")
    def _check_exposure(self) -> Settings:
        if self.host not in LOOPBACK and self.uds is None and self.admin_key is None:
            raise ConfigurationError(
                f"host {self.host} is reachable from outside: set NEARBIT_ADMIN_KEY, or listen on 127.0.0.1"
            )
        if self.read_key is not None and self.admin_key is None:
            raise ConfigurationError("with NEARBIT_READ_KEY alone nobody could write: set NEARBIT_ADMIN_KEY too")
        if self.root_path is not None and f"{self.root_path}/".startswith("/v1/"):
            raise ConfigurationError("NEARBIT_ROOT_PATH must not begin with /v1, which is a path of the service itself")
        if self.cors_origins == "*" and self.admin_key is None:
            raise ConfigurationError("NEARBIT_CORS_ORIGINS=* would let any web page in: set NEARBIT_ADMIN_KEY")
        if self.read_key is not None and self.read_key == self.admin_key:
            raise ConfigurationError("NEARBIT_READ_KEY must differ from NEARBIT_ADMIN_KEY, or readers could write")
        return self

    @property
    def origins(self) -> list[str]:
        """The origins of `cors_origins`."""
        return [] if self.cors_origins is None else self.cors_origins.split(",")
