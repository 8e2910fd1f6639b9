"""Put an adapter from disk on a base model: wholly, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import (
    PeftConfig,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from safetensors import SafetensorError
from safetensors.torch import load_file

from training.adapters import WEIGHTS
from training.errors import AdapterError


def attach(model: Any, adapter: Path, trainable: bool = False) -> Any:
    """Return the model with the adapter on; ``unload`` of the result takes it off again.

    PEFT's own ``from_pretrained`` takes an adapter of another architecture where only some layers
    are called the same, and leaves its layers behind when it fails.

    Raises:
        AdapterError: The adapter is damaged or was made for another base model. The model is bare.
    """
    try:
        weights = load_file(adapter / WEIGHTS)
        config = PeftConfig.from_pretrained(str(adapter))
    except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
        raise _unfit(adapter) from error
    config.inference_mode = not trainable
    # A folder name, which may have moved since: the manifest says which base model it fits.
    config.base_model_name_or_path = None
    try:
        adapted = get_peft_model(model, config)
    except ValueError as error:  # no layer has any of the names
        raise _unfit(adapter) from error
    try:
        if get_peft_model_state_dict(adapted).keys() != weights.keys():
            raise _unfit(adapter)
        set_peft_model_state_dict(adapted, weights)
    except RuntimeError as error:  # other shapes
        adapted.unload()
        raise _unfit(adapter) from error
    except AdapterError:
        adapted.unload()
        raise
    return adapted


def _unfit(adapter: Path) -> AdapterError:
    return AdapterError(
        f"The adapter {adapter.name} can't be put on this base model.",
        "Run `nightshift adapters rollback`, or promote another version.",
    )
