"""What ingestion and retrieval read from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(_Section):
    """One place where documents come from."""

    path: Path | None = Field(None, description="A folder or a file.")
    name: str = Field("", description="Name of the source; the folder's name by default.")
    base_url: str = Field("", description="Where the pages can be read; file:// links by default.")
    strip_suffix: bool = Field(False, description="Leave .md, .html and index out of links.")
    loader: str = Field(
        "",
        description="Instead of a path: a LangChain community document loader's import path, "
        "as in 'langchain_community.document_loaders:CSVLoader'.",
    )
    loader_args: dict[str, object] = Field(default_factory=dict)
    allow: list[str] = Field(["everyone"], description="Who may read what names nobody itself.")

    @field_validator("name")
    @classmethod
    def _ends_before_a_colon(cls, name: str) -> str:
        """A document's id is its source's name, a colon and its path: two must not share one."""
        if ":" in name:
            raise ValueError("the name of a source holds no colon; write a dash")
        return name


class IngestSettings(_Section):
    """When the sources are read."""

    schedule: str = Field(
        "0 * * * *",
        description="When serve reads [[sources]] by itself (cron); empty: only by command.",
    )


class IndexSettings(_Section):
    """The store of chunks."""

    url: str = Field(
        "",
        description="Elasticsearch's address, or several with commas between them; empty: LanceDB "
        "in the data folder.",
    )
    cloud_id: str = Field("", description="Of a deployment in Elastic Cloud, instead of index.url.")
    name: str = Field(
        "nightshift",
        pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$",
        description="Elasticsearch's alias; the generations' names begin with it.",
    )
    api_key: SecretStr = Field(SecretStr(""), description="Encoded API key; wins over a password.")
    username: str = Field("", description="For a server that asks for name and password.")
    password: SecretStr = Field(SecretStr(""), description="Belongs in the environment.")
    ca_file: str = Field(
        "", description="An authority's certificate (PEM), trusted beside those of the system."
    )
    verify_certificates: bool = Field(True, description="False only where nobody can listen in.")
    vectors: Literal[
        "int8_hnsw", "hnsw", "int4_hnsw", "bbq_hnsw", "int8_flat", "flat", "int4_flat", "bbq_flat"
    ] = Field("int8_hnsw", description="Kind of Elasticsearch's vector index, at a rebuild.")
    shards: int = Field(1, ge=1, le=1024, description="Elasticsearch's primary shards, likewise.")
    language: str = Field(
        "",
        pattern=r"^[a-z_]*$",
        description="Elasticsearch's analyzer for the pages' language, such as german; likewise.",
    )
    patience_seconds: float = Field(
        60.0, ge=0, description="How long ingest waits for a server that restarts."
    )

    @property
    def on_server(self) -> bool:
        """Whether the store is Elasticsearch."""
        return bool(self.url or self.cloud_id)


class EmbeddingSettings(_Section):
    """The model that turns text into vectors."""

    model: str = Field(
        "",
        description="Folder or hub name, or 'provider:model' through LangChain; empty: the "
        "packaged all-MiniLM-L6-v2.",
    )
    device: str = Field("", description="cpu, cuda, …; empty: the best there is.")
    batch_size: int = Field(32, ge=1, le=4096)
    query_prefix: str = Field("", description="What the model wants before a question.")
    document_prefix: str = Field("", description="What the model wants before a passage.")


class ChunkingSettings(_Section):
    """Which files are read, and how their sections are cut."""

    max_file_mb: int = Field(50, ge=1, description="Larger files are reported and left out.")
    max_tokens: int = Field(
        220, ge=32, le=8192, description="Embedder's tokens, headings included."
    )
    min_tokens: int = Field(40, ge=0, description="Shorter neighbours are joined.")


class RetrievalSettings(_Section):
    """How chunks are found."""

    dense_weight: float = Field(
        0.6, ge=0, le=1, description="Of min-max normalised cosine; BM25 has the rest."
    )
    candidates: int = Field(50, ge=1, le=1000, description="Chunks from each leg before fusion.")
    late_interaction: int = Field(
        12, ge=0, le=100, description="Chunks that are compared token by token; 0: none."
    )
