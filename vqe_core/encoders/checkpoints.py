"""Checkpoints: from a model's name to a folder with its files. The only code that asks a model hub.

A name is a hub id (``org/name`` or ``org/name@revision``), a local folder in Hugging Face form, a name of the OpenAI
release (``ViT-B/32``), or ``toy``. Safetensors are preferred; a ``.bin`` is read by torch's weights-only loader alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from vqe_core.errors import PROGRAMMING_ERRORS, InputError, InputTypeError, ModelError, ModelNotFoundError
from vqe_core.toy import model_folder

# Files that shape an embedding beside the weights, by the beginnings of their names.
INPUT_FILES = (
    *("config", "tokenizer", "vocab", "merges", "special_tokens", "added_tokens", "spiece", "sentencepiece"),
    *("preprocessor", "processor"),
)

DEFAULT_MODEL = "openai/clip-vit-base-patch32"

OPENAI_NAMES = {
    "ViT-B/32": "openai/clip-vit-base-patch32",
    "ViT-B/16": "openai/clip-vit-base-patch16",
    "ViT-L/14": "openai/clip-vit-large-patch14",
    "ViT-L/14@336px": "openai/clip-vit-large-patch14-336",
}

# The main branch of the default holds only a pickled .bin; its safetensors sit in this commit (refs/pr/66).
PINNED_REVISIONS = {DEFAULT_MODEL: "c237dc49a33fc61debc9276459120b7eac67e7ef"}

SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
BIN_WEIGHTS = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# What a tokenizer or an image processor may need beside the weights.
SMALL_FILES = (".json", ".txt", ".model", ".vocab")

LOCAL = "local-"  # a revision that is a digest of the files
_TOLD_BY = {"model": "revision", "audio_model": "audio_revision"}


@dataclass(frozen=True)
class Checkpoint:
    """A model's files on disk.

    Attributes:
        name: as the user gave it, for messages; two names of one model are equal.
        folder: holds config.json, the weights, and tokenizer and processor files.
        revision: commit of the hub, or ``local-`` and a digest of the files.
        safe: whether the weights are safetensors.
        title: one name for all spellings: the hub's repository, the last part of a folder's path, or ``toy``.
    """

    name: str = field(compare=False)
    folder: Path = field(repr=False)
    revision: str
    safe: bool
    title: str

    @property
    def model_type(self) -> str:
        """``model_type`` of config.json, the family of models."""
        return str(self.config.get("model_type", ""))

    @property
    def space(self) -> str:
        """Name of the embedding space: embeddings of two spaces are never compared."""
        return f"{self.title}@{self.revision}"

    @property
    def config(self) -> dict[str, Any]:
        """The content of config.json."""
        try:
            content: dict[str, Any] = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        except ValueError as error:
            raise ModelError(f"config.json of {self.name!r} is no JSON ({error}); fetch or save it again") from error
        return content


def content_parts(signature: Mapping[str, str]) -> dict[str, str]:
    """Return an encoder's signature for a cache key: without the name of a folder, whose digest tells all."""
    told = {name for name, digest in _TOLD_BY.items() if signature.get(digest, "").startswith(LOCAL)}
    return {name: value for name, value in signature.items() if name not in told}


def find_checkpoint(name: str) -> Checkpoint:
    """Find a model's files, from disk where they are there, else from the hub.

    Args:
        name: see the module's head.

    Returns:
        The checkpoint, with its resolved revision.

    Raises:
        InputError: the name has no form that can be looked up.
        ModelNotFoundError: the files are neither on disk nor within reach.
    """
    if not isinstance(name, str | os.PathLike):
        raise InputTypeError(f"clip_model_path ({name!r}) must be a string or a path, got {type(name).__name__}")
    name = os.fspath(name)
    if name == "toy":
        return _from_folder("toy", model_folder())
    path = Path(name).expanduser()
    if name and path.is_dir():
        return _from_folder(name, path)
    if path.is_file():
        raise InputError(
            f"clip_model_path ({name!r}) is a file; give the folder that holds config.json and model.safetensors "
            "(an OpenAI .pt file must be converted to that form first)"
        )
    repository, revision = _split_name(name)
    _check_id(name, repository)
    return _from_cache(name, repository, revision) or _from_hub(name, repository, revision)


def is_at_hand(name: str) -> bool:
    """Tell whether a model's files are on this disk, so that it loads without asking a hub.

    Example:
        >>> is_at_hand("toy"), is_at_hand("nobody/has-this")
        (True, False)
    """
    try:
        if name == "toy" or Path(name).expanduser().is_dir():
            return bool(name)
        repository, revision = _split_name(name)
        _check_id(name, repository)
        return _from_cache(name, repository, revision, offline=True) is not None
    except (InputError, ModelNotFoundError, OSError):
        return False


def _split_name(name: str) -> tuple[str, str | None]:
    if name in OPENAI_NAMES:
        return OPENAI_NAMES[name], PINNED_REVISIONS.get(OPENAI_NAMES[name])
    if name.split("@")[0].startswith("RN") and "/" not in name:
        raise ModelNotFoundError(
            f"clip_model_path ({name!r}): the ResNet models of OpenAI have no Hugging Face form; use one of "
            f"{', '.join(OPENAI_NAMES)}"
        )
    repository, _, revision = name.partition("@")
    parts = repository.split("/")
    if not name or len(parts) > 2 or name[0] in "./~" or not all(parts):
        raise ModelNotFoundError(
            f"clip_model_path ({name!r}) is no folder on this machine and no hub id; give an existing folder, "
            f"'org/name', 'org/name@revision', 'toy', or one of {', '.join(OPENAI_NAMES)}"
        )
    return repository, revision or PINNED_REVISIONS.get(repository)


def _check_id(name: str, repository: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise InputError(f"clip_model_path ({name!r}) is not a valid hub id: {error}") from error


def _from_folder(name: str, folder: Path) -> Checkpoint:
    weights = _weights_in(folder)
    if not (folder / "config.json").is_file() or weights is None:
        raise ModelNotFoundError(
            f"clip_model_path ({name!r}) must hold config.json and model.safetensors (or pytorch_model.bin); "
            f"it holds {sorted(p.name for p in folder.iterdir())[:12]}"
        )
    folder = folder.resolve()
    title = "toy" if folder == model_folder().resolve() else folder.name
    return Checkpoint(name, folder, f"{LOCAL}{digest_folder(folder, weights)}", weights in SAFE_WEIGHTS, title)


def _weights_in(folder: Path) -> str | None:
    return next((file for file in (*SAFE_WEIGHTS, *BIN_WEIGHTS) if (folder / file).is_file()), None)


def digest_folder(folder: Path, weights: str) -> str:
    """Return a digest of what can change an embedding: configuration, weights, tokenizer and processor files."""
    stem = weights.split(".")[0]
    chosen = [p for p in sorted(folder.iterdir()) if p.is_file()]
    chosen = [p for p in chosen if p.name.startswith((stem, *INPUT_FILES)) and p.suffix != ".md"]
    return _digest_files(tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in chosen))


@lru_cache(maxsize=8)  # weights are large; size and time tell that a file is the one already read
def _digest_files(files: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _, _ in files:
        digest.update(Path(path).name.encode())
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]


def _from_cache(name: str, repository: str, revision: str | None, *, offline: bool = False) -> Checkpoint | None:
    """Return a complete copy in the user's cache, by its commit: a branch may have moved, so it needs the hub."""
    from huggingface_hub import try_to_load_from_cache

    if not offline and (revision is None or not _is_commit(revision)):
        return None
    found = try_to_load_from_cache(repository, "config.json", revision=revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    weights = _weights_in(folder)
    if weights is None:
        return None
    return Checkpoint(name, folder, folder.name, weights in SAFE_WEIGHTS, repository)


def _is_commit(revision: str) -> bool:
    return len(revision) == 40 and all(c in "0123456789abcdef" for c in revision)


@lru_cache(maxsize=8)  # a branch is resolved once a process: a training run must not change its judge half-way
def _from_hub(name: str, repository: str, revision: str | None) -> Checkpoint:
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        if constants.HF_HUB_OFFLINE:
            raise OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
        info = HfApi().model_info(repository, revision=revision)
        commit = str(info.sha)
        files = [entry.rfilename for entry in info.siblings or []]
        wanted = _wanted_files(files)
        paths = [Path(hf_hub_download(repository, file, revision=commit)) for file in wanted]
        if revision is None or not _is_commit(revision):
            # Asked for by its branch, so that the cache notes which commit the branch was: it then serves offline.
            hf_hub_download(repository, "config.json", revision=revision)
    except PROGRAMMING_ERRORS:
        raise
    except Exception as error:  # the hub client raises errors of several libraries; all mean "not within reach"
        # An older copy on the default branch still serves a user who is offline; its commit goes into the signature.
        for fallback in dict.fromkeys((revision, "main")):
            cached = _from_cache(name, repository, fallback, offline=True)
            if cached is not None:
                return cached
        raise ModelNotFoundError(_not_found_message(name, repository, revision, error)) from error
    if not any(file in wanted for file in (*SAFE_WEIGHTS, *BIN_WEIGHTS)) or "config.json" not in wanted:
        raise ModelNotFoundError(
            f"hub repository {repository!r} at {commit} has no config.json with model.safetensors or "
            f"pytorch_model.bin; it has {files[:12]}"
        )
    folder = next(path for path in paths if path.name == "config.json").parent
    return Checkpoint(name, folder, commit, any(file in wanted for file in SAFE_WEIGHTS), repository)


def _wanted_files(files: list[str]) -> list[str]:
    """Choose the small files of the top folder, and the weights in one form: safetensors where there are some."""
    small = [f for f in files if "/" not in f and f.endswith(SMALL_FILES) and ".index." not in f]
    for stem, suffix in (("model", ".safetensors"), ("pytorch_model", ".bin")):
        weights = [
            f for f in files if "/" not in f and f.startswith(stem) and f.endswith((suffix, f"{suffix}.index.json"))
        ]
        if weights:
            return small + weights
    return small


def _not_found_message(name: str, repository: str, revision: str | None, error: Exception) -> str:
    from huggingface_hub import constants

    at = f" at revision {revision}" if revision else ""
    flag = f" --revision {revision}" if revision else ""
    reason = str(error).strip().splitlines() or [""]
    return (
        f"model {name!r} ({repository}{at}) is not in the cache {constants.HF_HUB_CACHE} and the hub cannot give it "
        f"({type(error).__name__}: {reason[0][:200]}). Ways out: (1) with a network, run "
        f"`hf download {repository}{flag}` once (check the id, and HF_HUB_OFFLINE); "
        "(2) point HF_HOME at a cache that holds it; "
        "(3) give clip_model_path a folder with config.json, model.safetensors and the tokenizer files. "
        "(clip_model_path='toy' runs a teaching model that knows only coloured shapes.)"
    )
