"""Which architecture of transformers a model of sae_lens's directory has, without network.

All are causal language models of text alone, or of text and images, of which the text part is
loaded. A small random model of each is tried with the hook points that the directory's entries
read: tests/load/test_model_families.py.
"""

from __future__ import annotations

from sae_checks.resolve.model_name import hub_model_name

# What a hub id begins with -> `model_type` of its config.json; the first that fits.
_FAMILIES = (
    ("gpt2", "gpt2"),
    ("EleutherAI/pythia-", "gpt_neox"),
    ("google/gemma-2b", "gemma"),
    ("google/gemma-2-", "gemma2"),
    ("google/gemma-3-270m", "gemma3_text"),
    ("google/gemma-3-1b", "gemma3_text"),
    ("google/gemma-3-", "gemma3"),
    ("meta-llama/", "llama"),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-", "llama"),
    ("mistralai/Mistral-7B-", "mistral"),
    ("Qwen/Qwen2.5-", "qwen2"),
    ("Qwen/Qwen3.5-35B-A3B", "qwen3_5_moe"),
    ("Qwen/Qwen3.5-", "qwen3_5"),
    ("Qwen/Qwen3-30B-A3B", "qwen3_moe"),
    ("Qwen/Qwen3-", "qwen3"),
    ("openai/gpt-oss-", "gpt_oss"),
)


def model_family(name: str) -> str | None:
    """The `model_type` of a model by any of its names; None where it is not known."""
    hub_id = hub_model_name(name)
    return next((family for prefix, family in _FAMILIES if hub_id.startswith(prefix)), None)
