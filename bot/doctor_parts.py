"""The doctor's checks that open the parts: stores, models, the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.errors import HFValidationError

from bot.assembly import Nightshift
from bot.certificates import TRUST_MEND, is_untrusted
from bot.doctor import GIB, is_web_address
from bot.doctor_slack import slack_answers
from bot.findings import Check, Finding, Level
from bot.generations import served_generation
from bot.plural import counted
from ingestion.index.opening import INDEX_FOLDER
from ingestion.index.served import difference
from training.base_model import cpu_flags, prepare_base_model
from training.packaged_model import PACKAGED_MODEL, packaged_gguf

_REACH_SECONDS = 5.0
_MEMORY_NEEDED = 3 * GIB
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def part_checks(nightshift: Nightshift) -> list[tuple[str, Check]]:
    """Return the checks that open the parts."""
    return [
        ("database", lambda: database(nightshift)),
        ("embedder", lambda: embedder(nightshift)),
        ("Elasticsearch", lambda: elasticsearch(nightshift)),
        ("index", lambda: index(nightshift)),
        ("model", lambda: model(nightshift)),
        ("adapters", lambda: adapters(nightshift)),
        ("Slack's answer", lambda: slack_answers(nightshift.settings.slack)),
        ("GPU", lambda: gpu(nightshift)),
        ("machine", machine),
    ]


def database(nightshift: Nightshift) -> Iterator[Finding]:
    """Open the database, which migrates it; one that isn't there yet is not made."""
    settings = nightshift.settings
    if not settings.database.url and not (settings.data_dir / "nightshift.db").exists():
        yield Finding("database", Level.NOTE, "Not made yet; it is at first use.")
        return
    pairs = len(nightshift.pairs.list())
    yield Finding("database", Level.OK, f"opens, up to date, {pairs} pairs")


def embedder(nightshift: Nightshift) -> Iterator[Finding]:
    """Load the embedding model."""
    name = nightshift.settings.embedding.model or "the packaged all-MiniLM-L6-v2"
    dimensions = nightshift.embedder.dimensions
    yield Finding("embedder", Level.OK, f"{name}, {dimensions} dimensions")


def elasticsearch(nightshift: Nightshift) -> Iterator[Finding]:
    """Say which servers hold the index and how they are, where it isn't on this machine."""
    settings = nightshift.settings.index
    if not settings.on_server:
        return
    from ingestion.index.elastic_health import server_health

    health, name = server_health(settings), "Elasticsearch"
    version = ".".join(map(str, health.version or ())) or "of a version that isn't told"
    nodes = f"{health.nodes} node{'s' * (health.nodes > 1)}" if health.nodes else ""
    text = ", ".join(filter(None, [f"{health.address} answers", version, nodes, health.status]))
    if health.status == "red":
        mend = "Start the nodes that are missing, or restore them."
        yield Finding(name, Level.PROBLEM, f"{text}: a part of the index is lost.", mend)
    elif health.status == "yellow":
        mend = "Add a node, or start the one that is missing."
        yield Finding(name, Level.NOTE, f"{text}: copies are missing.", mend)
    else:
        yield Finding(name, Level.OK, text)
    yield from (Finding(name, Level.NOTE, *note) for note in health.notes)


def index(nightshift: Nightshift) -> Iterator[Finding]:
    """Open the index, which compares it with the embedder and the chunking."""
    settings = nightshift.settings
    if not settings.index.on_server and not (settings.data_dir / INDEX_FOLDER).exists():
        yield _nothing_indexed()
        return
    documents, chunks = len(nightshift.index.states()), nightshift.index.count()
    if chunks:
        yield Finding("index", Level.OK, f"{documents} documents in {chunks} chunks")
        yield from _made_otherwise(nightshift)
    else:
        yield _nothing_indexed()


def _made_otherwise(nightshift: Nightshift) -> Iterator[Finding]:
    """Tell that pages are cut in another way now; with another embedder nothing would open."""
    served = served_generation(nightshift)
    if served and served.metadata and served.metadata != nightshift.index_metadata:
        text = difference(served.metadata, nightshift.index_metadata)
        yield Finding("generation", Level.NOTE, text, "It serves. To renew it: nightshift ingest")


def _nothing_indexed() -> Finding:
    return Finding("index", Level.NOTE, "Nothing is indexed yet.", "Run: nightshift ingest DOCS")


def model(nightshift: Nightshift) -> Iterator[Finding]:
    """Say whether the language model is there, without loading it."""
    settings = nightshift.settings.model
    if settings.is_remote:
        yield Finding("model", Level.OK, f"{settings.name}, behind an API")
        if is_web_address(settings.base_url):
            yield _reached(settings.base_url, settings.api_key)
        return
    if settings.name == PACKAGED_MODEL:
        size = packaged_gguf().stat().st_size / GIB
        yield Finding("model", Level.OK, f"{settings.name}, packaged ({size:.2f} GB)")
    else:
        source = prepare_base_model(settings, nightshift.settings.data_dir)
        yield Finding("model", Level.OK, source) if Path(source).is_dir() else _of_the_hub(source)
    if settings.quantization == "nf4":
        yield _bitsandbytes()


def _reached(base_url: str, api_key: str) -> Finding:
    name, headers = "model endpoint", {"Authorization": f"Bearer {api_key or 'not-needed'}"}
    try:
        url = f"{base_url.rstrip('/')}/models"
        status = httpx.get(url, headers=headers, timeout=_REACH_SECONDS).status_code
    except httpx.HTTPError as error:
        if is_untrusted(error):
            text = "The certificate of the model's endpoint isn't trusted here."
            return Finding(name, Level.PROBLEM, text, TRUST_MEND)
        text = f"The model's endpoint can't be reached ({type(error).__name__})."
        return Finding(name, Level.PROBLEM, text, "Start it, or check model.base_url.")
    if status in {401, 403}:
        text = "The model's endpoint refuses the key."
        return Finding(name, Level.PROBLEM, text, "Set NIGHTSHIFT_MODEL__API_KEY.")
    if status >= 500:
        text = f"The model's endpoint answers with {status}."
        return Finding(name, Level.PROBLEM, text, "See the endpoint's log.")
    return Finding(name, Level.OK, "the endpoint answers")


def _of_the_hub(name: str) -> Finding:
    try:
        cached = isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        text = f"'{name}' is no name of the model hub."
        return Finding("model", Level.PROBLEM, text, "Write owner/model, or a folder.")
    if cached:
        return Finding("model", Level.OK, f"{name}, downloaded")
    if HF_HUB_OFFLINE:
        text = f"{name} isn't on this machine, and the hub isn't asked."
        mend = "Unset HF_HUB_OFFLINE where the hub can be reached, or give a folder."
        return Finding("model", Level.PROBLEM, text, mend)
    return Finding("model", Level.NOTE, f"{name} is downloaded at its first answer.")


def _bitsandbytes() -> Finding:
    try:
        import bitsandbytes
    except (ImportError, RuntimeError, OSError) as error:
        text = f"model.quantization = 'nf4' needs bitsandbytes ({type(error).__name__})."
        return Finding("bitsandbytes", Level.PROBLEM, text, "Run make install again.")
    return Finding("bitsandbytes", Level.OK, f"bitsandbytes {bitsandbytes.__version__}")


def adapters(nightshift: Nightshift) -> Iterator[Finding]:
    """Compare the live adapter's files with their hashes."""
    count = counted(len(nightshift.registry.list()), "adapter")
    live = nightshift.registry.current()
    if live is None:
        yield Finding("adapters", Level.OK, f"{count}; the bare base model is live")
        return
    nightshift.registry.verify(live.version)
    yield Finding("adapters", Level.OK, f"{count}; {live.version} is live and whole")


def gpu(nightshift: Nightshift) -> Iterator[Finding]:
    """Say what there is; none is fine."""
    wanted = nightshift.settings.model.device
    if not torch.cuda.is_available():
        if wanted.startswith("cuda"):
            text = f"model.device is '{wanted}', but PyTorch sees no GPU."
            yield Finding("GPU", Level.PROBLEM, text, "Leave model.device empty.")
        else:
            yield Finding("GPU", Level.OK, "none; the CPU computes")
        return
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        bf16 = "bfloat16" if torch.cuda.is_bf16_supported(False) else "no bfloat16"
        text = f"{properties.name}, {properties.total_memory / GIB:.0f} GB, {bf16}"
        yield Finding("GPU", Level.OK, text)


def machine() -> Iterator[Finding]:
    """Say what the CPU can do and how much memory there is."""
    flags = cpu_flags()
    found = ", ".join(flag for flag in _FLAGS if flag in flags) or "no vector instructions known"
    yield Finding("CPU", Level.OK, f"{os.cpu_count()} cores: {found}")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    text = f"{memory / GIB:.1f} GB"
    if memory < _MEMORY_NEEDED:
        yield Finding("memory", Level.NOTE, f"{text}; the night wants {_MEMORY_NEEDED / GIB:.0f}.")
    else:
        yield Finding("memory", Level.OK, text)
