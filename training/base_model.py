"""Base models: prepare the packaged one once, load any, and render messages for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal

import huggingface_hub.constants
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from jinja2.exceptions import TemplateError
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from training.errors import BaseModelError
from training.packaged_model import PACKAGED_MODEL, Progress, prepare_packaged_model, quiet_bars
from training.records import Message
from training.settings import ModelSettings

_FALLBACK_CONTEXT = 2048
_HASHED_BYTES = 1 << 16


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model, ready for inference or for LoRA.

    Attributes:
        identity: Name and fingerprint of the weights; the same wherever they lie and in whatever
            dtype they are loaded. An adapter fits the model with the identity it was trained on.
        context_tokens: Longest prompt and answer together, in tokens.
        device, dtype: Where and in what it computes.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    identity: str
    context_tokens: int
    device: torch.device
    dtype: torch.dtype


def prepare_base_model(
    settings: ModelSettings, data_dir: Path, on_progress: Progress | None = None
) -> str:
    """Return the folder or hub name to load from, converting the packaged model at first use.

    Safe to kill at any moment and to run in two processes at once: the folder appears whole.

    Args:
        settings: Which model.
        data_dir: The converted model goes into ``models/`` there (538 MB).
        on_progress: Called with the fraction that is done, rising from 0 to 1.

    Raises:
        BaseModelError: The package or the folder isn't there, or the disk is full.
    """
    if settings.name != PACKAGED_MODEL:
        return _checked_source(settings.name)
    return str(prepare_packaged_model(data_dir, on_progress or _ignore))


def load_base_model(
    settings: ModelSettings, data_dir: Path, on_progress: Progress | None = None
) -> LoadedModel:
    """Load the base model, in evaluation mode.

    The dtype 'auto' is what the machine computes fast: bfloat16 on a GPU that has it, else
    float16; on a CPU float32, except bfloat16 where the CPU has AMX. AVX512-BF16 alone isn't
    enough: see `choose_dtype`.

    Args:
        settings: Which model, and how.
        data_dir: Where the packaged model is converted to.
        on_progress: Called with the fraction that is done, rising from 0 to 1.

    Raises:
        BaseModelError: The model can't be had, is damaged, or doesn't fit into the memory.
    """
    report = on_progress or _ignore
    source = prepare_base_model(settings, data_dir, lambda done: report(0.9 * done))
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    with _explained(source, device):
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=_offline())
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            local_files_only=_offline(),
            device_map={"": device},
            quantization_config=_nf4(dtype) if settings.quantization == "nf4" else None,
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    model.eval()
    model.generation_config = _greedy(model, tokenizer)
    report(1.0)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        identity=_identity(settings.name, source, model),
        context_tokens=settings.context_tokens or _context(model),
        device=device,
        dtype=dtype,
    )


def choose_device(name: str) -> torch.device:
    """Return the named device, or the best there is.

    Raises:
        BaseModelError: The name is no device, or this machine doesn't have it.
    """
    if not name:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BaseModelError(
            f"This machine has no device '{name}' that PyTorch can use.",
            "Set model.device to cpu or cuda, or leave it empty.",
        ) from error
    return device


def choose_dtype(
    wanted: Literal["auto", "float32", "bfloat16", "float16"], device: torch.device
) -> torch.dtype:
    """Return the dtype to compute in; 'auto' is decided by what the hardware has.

    The rule looks at the hardware only, never at the clock, so that a day and its night compute
    alike. On a CPU bfloat16 needs AMX tiles: without any support it is 4 to 70 times slower, and
    with AVX512-BF16 alone it gains too little on prefill to pay for its rounding.
    """
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[
            wanted
        ]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float16
    if device.type == "cpu" and "amx_bf16" in cpu_flags():
        return torch.bfloat16
    return torch.float32


def render_messages(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], add_generation_prompt: bool
) -> list[int]:
    """Return the token ids of a conversation in the model's own chat format.

    A template that refuses the system role gets its text at the start of the first user message.
    Text in a message that reads like one of the model's control tokens is split, so that a
    document can't end its own message and speak for somebody else.

    Args:
        tokenizer: The model's.
        messages: In order; roles system, user, assistant.
        add_generation_prompt: Whether the assistant's turn is opened at the end.

    Raises:
        BaseModelError: The model has no chat template, or it refuses the order of the roles.
    """
    if not tokenizer.chat_template:
        raise BaseModelError(
            "The base model has no chat template.", "Choose an instruction-tuned model."
        )
    turns = [
        {"role": message.role, "content": _without_control_tokens(tokenizer, message.content)}
        for message in messages
    ]
    try:
        return _apply(tokenizer, turns, add_generation_prompt)
    except TemplateError:
        if not turns or turns[0]["role"] != "system":
            raise _refused_roles() from None
    try:
        return _apply(tokenizer, _system_into_user(turns), add_generation_prompt)
    except TemplateError:
        raise _refused_roles() from None


def _apply(
    tokenizer: PreTrainedTokenizerBase, turns: list[dict[str, str]], add_generation_prompt: bool
) -> list[int]:
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=add_generation_prompt, tokenize=True, return_dict=False
    )
    return list(ids)


def _system_into_user(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    system, *rest = turns
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system["content"]}, *rest]
    first = {"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}
    return [first, *rest[1:]]


def _without_control_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    for token in tokenizer.all_special_tokens:
        if len(token) > 1:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text


def _refused_roles() -> BaseModelError:
    return BaseModelError(
        "The base model's chat template refuses these messages.",
        "Choose a model whose template takes user and assistant turns.",
    )


def _checked_source(name: str) -> str:
    """Return a folder or hub name as it is, if it can be one."""
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BaseModelError(
                f"The folder {folder} holds no model: config.json isn't there.",
                "Set model.name to the folder that holds config.json and the weights.",
            )
        return str(folder)
    if folder.is_absolute() or name.startswith(("./", "../", "~")) or name.count("/") != 1:
        raise BaseModelError(
            f"There is no model folder '{name}'.",
            f"Set model.name to '{PACKAGED_MODEL}', a folder, or a hub name like 'owner/model'.",
        )
    return name


@contextmanager
def _explained(source: str, device: torch.device) -> Iterator[None]:
    """Turn what loading a model can raise into an error with its mend."""
    try:
        with quiet_bars() if Path(source).is_dir() else nullcontext():
            yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise BaseModelError(
            f"The model '{source}' doesn't fit into the memory of {device}.",
            "Choose a smaller model, or set model.quantization = 'nf4'.",
        ) from error
    except (SafetensorError, UnpicklingError) as error:
        raise _damaged(source) from error
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise _unreachable(source) from error
    except ImportError as error:
        raise BaseModelError(
            f"The model '{source}' needs the package '{error.name or 'that it names'}'.",
            "Install it, or choose another model.",
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        if Path(source).is_dir():
            raise _damaged(source) from error
        raise _unreachable(source) from error


def _damaged(source: str) -> BaseModelError:
    if Path(source).name.startswith(f"{PACKAGED_MODEL}-"):
        mend = f"Delete the folder {source}; it is made anew at the next start."
    else:
        mend = "Copy the model anew, and check that this version of transformers knows its kind."
    return BaseModelError(f"The model in {source} is damaged or of an unknown kind.", mend)


def _unreachable(source: str) -> BaseModelError:
    offline = " HF_HUB_OFFLINE is set: unset it to download." if _offline() else ""
    return BaseModelError(
        f"The model '{source}' isn't on this machine and can't be had from the model hub.",
        f"Check its name, your access to it and the network, or give a folder.{offline}",
    )


def _nf4(dtype: torch.dtype) -> BitsAndBytesConfig:
    """QLoRA's storage: 4-bit NormalFloat, double quantisation (Dettmers et al. 2023, section 3)."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _greedy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> GenerationConfig:
    """Answers are repeatable: many models' own configuration draws by chance."""
    ends = model.generation_config.eos_token_id if model.generation_config else None
    all_ends = {tokenizer.eos_token_id, *([ends] if isinstance(ends, int) else ends or [])}
    return GenerationConfig(
        do_sample=False,
        eos_token_id=sorted(all_ends - {None}),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )


def _context(model: PreTrainedModel) -> int:
    return int(getattr(model.config, "max_position_embeddings", None) or _FALLBACK_CONTEXT)


def _identity(name: str, source: str, model: PreTrainedModel) -> str:
    folder = Path(source)
    if not folder.is_dir():
        revision = getattr(model.config, "_commit_hash", None) or "unknown"
        return f"{name}@{revision[:12]}"
    label = folder.name if name == PACKAGED_MODEL else folder.resolve().name
    return f"{label}@{_fingerprint(folder)}"


def _fingerprint(folder: Path) -> str:
    """Return a hash of the weights' sizes, heads and tails; whole files would take seconds a GB."""
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_HASHED_BYTES))
            stream.seek(max(0, size - _HASHED_BYTES))
            digest.update(stream.read(_HASHED_BYTES))
    return digest.hexdigest()


def cpu_flags() -> frozenset[str]:
    """Return what Linux says that the CPU can do; empty elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return frozenset()
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def _offline() -> bool:
    return bool(huggingface_hub.constants.HF_HUB_OFFLINE)


def _ignore(_: float) -> None:
    pass
