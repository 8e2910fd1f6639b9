"""What training reads from the settings."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSettings(_Section):
    """The language model, by day and by night."""

    name: str = Field(
        "smollm2",
        description="'smollm2' (packaged), a folder or hub name of any Hugging Face causal model, "
        "or 'provider:model' for a chat model behind an API, as in 'openai:phi-4-mini'.",
    )
    base_url: str = Field("", description="Address of an OpenAI-compatible endpoint (vLLM).")
    api_key: str = Field(
        "", description="Its key; better in NIGHTSHIFT_MODEL__API_KEY.", repr=False
    )
    device: str = Field("", description="cpu, cuda, …; empty: the best there is.")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: Literal["none", "nf4"] = Field(
        "none", description="nf4: 4-bit weights, by day and by night (QLoRA)."
    )
    context_tokens: int = Field(0, ge=0, description="0: what the model was made for.")
    max_new_tokens: int = Field(200, ge=1)
    timeout_seconds: float = Field(60, gt=0, description="A whole answer must be there by then.")
    queue_size: int = Field(64, ge=1, description="Questions that may wait for the model.")

    @property
    def is_remote(self) -> bool:
        """Whether a model behind an API is named, as in 'openai:phi-4-mini'; it isn't trained."""
        provider, colon, model = self.name.partition(":")
        return bool(colon and model) and provider.replace("_", "").isalnum() and len(provider) > 1

    @model_validator(mode="after")
    def _address_needs_a_remote_name(self) -> Self:
        """Otherwise a local model would answer, and the address be ignored in silence."""
        if self.base_url and not self.is_remote:
            raise ValueError("base_url needs a name like 'openai:phi-4-mini' beside it")
        return self


class DatabaseSettings(_Section):
    """Where answers, votes, pairs and jobs are kept."""

    url: str = Field(
        "", description="SQLAlchemy URL; empty: SQLite in the data folder.", repr=False
    )


class PairSettings(_Section):
    """By which rules rated answers become training pairs."""

    min_up: int = Field(1, ge=1, description="Thumbs-up that an answer needs.")
    max_down_ratio: float = Field(0.34, ge=0, le=1, description="Thumbs-down of all, at most.")
    include_private: bool = Field(
        False, description="Also learn from DMs, private channels and restricted pages."
    )
    review: bool = Field(False, description="A person must approve each pair.")
    held_out_percent: int = Field(
        30, ge=5, le=50, description="Of question clusters, kept to judge by."
    )
    max_answer_tokens: int = Field(400, ge=8)
    near_duplicate: float = Field(
        0.85, gt=0, le=1, description="Similarity from which questions are the same."
    )


class TrainingSettings(_Section):
    """The night."""

    enabled: bool = True
    schedule: str = Field(
        "0 2 * * *", description="Cron expression: minute hour day month weekday."
    )
    timezone: str = Field("", description="As in Europe/Berlin; empty: the machine's.")
    misfire_hours: float = Field(
        4,
        gt=0,
        le=24,
        description="A night missed by a sleeping machine still starts so much later.",
    )
    min_new_pairs: int = Field(
        8, ge=1, description="Fewer new pairs than this: the night is skipped."
    )
    min_held_out: int = Field(6, ge=2, description="Fewer held-out pairs than this can't judge.")
    replay_percent: int = Field(
        10, ge=0, le=100, description="Older pairs mixed in, of the new ones."
    )
    epochs: int = Field(3, ge=1)
    learning_rate: float = Field(2e-4, gt=0)
    lora_rank: int = Field(16, ge=1)
    lora_alpha: int = Field(32, ge=1)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: str = Field(
        "all-linear", description="Or names separated by commas; each must match."
    )
    batch_tokens: int = Field(2048, ge=64, description="Tokens of a packed batch.")
    max_sequence_tokens: int = Field(1024, ge=64)
    seed: int = 17
    max_hours: float = Field(6, gt=0, description="The night is ended after this.")
    keep_adapters: int = Field(5, ge=2, description="Older adapters that aren't live are deleted.")
    gate_confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Of the paired bootstrap's interval."
    )
    gate_max_f1_drop: float = Field(
        0.0, ge=0, description="Loss of answer F1 that is still 'not worse'."
    )
