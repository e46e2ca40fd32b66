"""all-MiniLM-L6-v2 (a BERT encoder of 6 layers) in numpy, one text at a time, float32 throughout."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer


class MiniLM:
    def __init__(self, directory: Path) -> None:
        """`directory` holds model.safetensors, tokenizer.json, config.json and sentence_bert_config.json."""
        config = json.loads((directory / "config.json").read_text())
        self.heads = config["num_attention_heads"]
        self.layers = config["num_hidden_layers"]
        self.epsilon = np.float32(config["layer_norm_eps"])
        self.weights = load_file(directory / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.no_padding()
        limit = json.loads((directory / "sentence_bert_config.json").read_text())["max_seq_length"]
        self.tokenizer.enable_truncation(limit)

    def embed(self, text: str, *, normalize: bool = True) -> np.ndarray:
        """The mean of the last layer's states over all tokens, of length 1 if `normalize`."""
        states = self.encode(self.tokenizer.encode(text).ids)
        pooled = states.mean(axis=0)
        return pooled / max(np.linalg.norm(pooled), np.float32(1e-12)) if normalize else pooled

    def encode(self, tokens: list[int]) -> np.ndarray:
        """Token ids to the last layer's states, (tokens, 384)."""
        states = (
            self.weights["embeddings.word_embeddings.weight"][tokens]
            + self.weights["embeddings.position_embeddings.weight"][: len(tokens)]
            + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        states = self.norm(states, "embeddings.LayerNorm")
        for layer in range(self.layers):
            states = self.layer(states, f"encoder.layer.{layer}")
        return states

    def layer(self, states: np.ndarray, name: str) -> np.ndarray:
        attended = self.dense(self.attention(states, f"{name}.attention.self"), f"{name}.attention.output.dense")
        states = self.norm(states + attended, f"{name}.attention.output.LayerNorm")
        inner = gelu(self.dense(states, f"{name}.intermediate.dense"))
        return self.norm(states + self.dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def attention(self, states: np.ndarray, name: str) -> np.ndarray:
        count, width = states.shape
        query, key, value = (
            self.dense(states, f"{name}.{part}").reshape(count, self.heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(width // self.heads))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return (shares @ value).transpose(1, 0, 2).reshape(count, width)

    def dense(self, states: np.ndarray, name: str) -> np.ndarray:
        return states @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def norm(self, states: np.ndarray, name: str) -> np.ndarray:
        centred = states - states.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    """x * (1 + erf(x / sqrt(2))) / 2, with erf to 1.5e-7 (Abramowitz and Stegun, 7.1.26)."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    series = np.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(coefficient)) * t
    return (x + np.abs(x) * (1 - series * np.exp(-z * z))) / 2
