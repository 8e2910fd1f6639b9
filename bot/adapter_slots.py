"""Adapters inside one model, side by side: loaded, named per row, dropped. One thread only."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModelForCausalLM, set_peft_model_state_dict
from peft.utils import load_peft_weights
from safetensors import SafetensorError

from bot.decoding import Generate
from training.adapters import AdapterRef
from training.base_model import LoadedModel
from training.errors import AdapterError

_BARE = "__base__"  # PEFT's name for a row without adapter

log = logging.getLogger(__name__)


class AdapterSlots:
    """The versions that a loaded model holds. Nothing is ever merged into its weights."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._peft: Any = None
        self._slots: dict[str, str] = {}
        self._count = 0

    @property
    def versions(self) -> frozenset[str]:
        """The versions that are in the model now."""
        return frozenset(self._slots)

    def load(self, ref: AdapterRef) -> None:
        """Put an adapter into the model, unless it is there; the others stay as they are.

        Raises:
            AdapterError: It is damaged or fits another model; the model is as it was before.
        """
        if ref.version in self._slots:
            return
        if ref.base_model and ref.base_model != self._loaded.identity:
            raise AdapterError(
                f"Adapter {ref.version} was made for the base model {ref.base_model}.",
                "Roll back to one that was made for this model, or train anew.",
            )
        try:
            config, weights = _read(ref)
            self._insert(ref.version, config, weights)
        except (OSError, SafetensorError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise AdapterError(
                f"Adapter {ref.version} is damaged or doesn't fit the model "
                f"({type(error).__name__}).",
                "Roll back to an older one: nightshift adapters rollback.",
            ) from error

    def keep_only(self, versions: Collection[str]) -> None:
        """Drop all versions but these."""
        for version in sorted(self.versions - set(versions)):
            slot = self._slots.pop(version)
            if self._slots:
                self._peft.set_adapter(next(iter(self._slots.values())), inference_mode=True)
            self._peft.delete_adapter(slot)
            log.info("Dropped adapter %s.", version)

    def generate(self, versions: Sequence[str]) -> Generate:
        """Return ``generate`` for a batch whose rows use these versions ("" is the bare base)."""
        if not self._slots:
            # Without any slot the layers are the base's own again, wrapped or not.
            bare: Any = self._loaded.model if self._peft is None else self._peft.get_base_model()
            return partial(bare.generate)
        names = [self._slots[version] if version else _BARE for version in versions]
        return partial(self._peft.generate, adapter_names=names)

    def _insert(self, version: str, config: PeftConfig, weights: dict[str, torch.Tensor]) -> None:
        # A slot's name, because a version may hold a dot and a module's name may not.
        self._count += 1
        slot = f"slot{self._count}"
        try:
            if self._peft is None:
                self._peft = PeftModelForCausalLM(self._loaded.model, config, adapter_name=slot)
            else:
                self._peft.add_adapter(slot, config)
            outcome: Any = set_peft_model_state_dict(self._peft, weights, adapter_name=slot)
            absent = [key for key in outcome.missing_keys if slot in key]
            if absent or outcome.unexpected_keys:
                raise ValueError("the adapter's weights are not those of its configuration")
        except (ValueError, RuntimeError, KeyError, TypeError):
            if self._peft is not None and slot in self._peft.peft_config:
                self._peft.delete_adapter(slot)
            raise
        self._peft.eval()
        self._slots[version] = slot
        log.info("Loaded adapter %s.", version)


def _read(ref: AdapterRef) -> tuple[LoraConfig, dict[str, torch.Tensor]]:
    """Read an adapter's files without touching the model."""
    config = PeftConfig.from_pretrained(str(ref.path))
    if not isinstance(config, LoraConfig) or config.use_dora:
        raise ValueError("only plain LoRA adapters can share a batch")
    config.inference_mode = True
    return config, load_peft_weights(str(ref.path), device="cpu")
