"""Tiny random models of real architectures, with a real tokenizer and chat template."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
)

Kind = Literal["llama", "phi3"]

_CONTEXT = 512
_CONTROL = {
    "llama": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "phi3": ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
}
_EOS = {"llama": "<|im_end|>", "phi3": "<|end|>"}
_TEMPLATES = {
    "llama": "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    # Like the first Phi-3 and Gemma: no system role.
    "phi3": "{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
}
_TEXT = [
    "The office in Berlin opens at nine and closes at six, also on Fridays.",
    "Employees receive thirty days of paid leave every year; ask your manager first.",
    "How do I reset my password? Visit the help desk or write to support.",
    "Größe, Übung, straße, naïve café, 日本語のテスト, привет мир, 🙂 🚀",
]


def build_tiny_model(folder: Path, kind: Kind = "llama", seed: int = 0) -> Path:
    """Write a random model of about 100,000 weights and its tokenizer; return the folder."""
    tokenizer = _tokenizer(kind)
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": _CONTEXT,
        "initializer_range": 0.2,  # far from uniform logits: greedy has no near ties
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
    }
    model = (
        LlamaForCausalLM(LlamaConfig(**sizes, tie_word_embeddings=True))
        if kind == "llama"
        else Phi3ForCausalLM(Phi3Config(**sizes))
    )
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_adapter(model_folder: Path, folder: Path, seed: int, scale: float = 0.3) -> Path:
    """Write a random LoRA adapter (weights and adapter_config.json) that changes the answers."""
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    torch.manual_seed(seed)
    peft = get_peft_model(
        model, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    with torch.no_grad():
        for name, weight in peft.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=scale)
    peft.save_pretrained(folder)
    return folder


def _tokenizer(kind: Kind) -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(
        _TEXT,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=_CONTROL[kind],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=_EOS[kind],
        pad_token="<|endoftext|>",
        additional_special_tokens=_CONTROL[kind],
        chat_template=_TEMPLATES[kind],
        model_max_length=_CONTEXT,
    )
