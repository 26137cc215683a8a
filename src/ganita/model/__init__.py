"""The decoder: a standard shape that Hugging Face `Llama` and `Qwen3` classes load without custom code.

- `config.py`: the resolved shape, its parameter count and its FLOPs per token (no torch, so plans start fast)
- `decoder.py`: the whole forward pass, the loss, the initialisation
- `attention.py`: causal attention within documents, by the kernel that is quickest where it runs
- `cache.py`: keys and values of the tokens already seen, one length per row
- `cross_entropy.py`: the loss over the vocabulary, in chunks, without keeping the logits
- `weights.py`: safetensors in and out
- `huggingface.py`: a folder that `transformers` loads, and back
"""
