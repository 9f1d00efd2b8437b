"""Names to folders: local ones in this process, hub ones in fresh processes against a hub on localhost."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.hub import serve_hub
from vqe_core.encoders import load_image_text_encoder
from vqe_core.encoders.checkpoints import DEFAULT_MODEL, PINNED_REVISIONS, find_checkpoint
from vqe_core.errors import InputError, ModelError, ModelNotFoundError
from vqe_core.toy import model_folder

FIND = """
import json, sys
from vqe_core.encoders.checkpoints import find_checkpoint
found = find_checkpoint(sys.argv[1])
names = ("revision", "safe", "folder", "title")
print(json.dumps({name: getattr(found, name) if name == "safe" else str(getattr(found, name)) for name in names}))
"""
LOAD = """
import json, sys, threading
from vqe_core.encoders import load_image_text_encoder
encoder = load_image_text_encoder(sys.argv[1], device="cpu")
print(json.dumps({
    "revision": encoder.checkpoint.revision,
    "safe": encoder.checkpoint.safe,
    "threads": [thread.name for thread in threading.enumerate()],
}))
"""


def run(script: str, name: str, endpoint: str, home: Path, **environment: str) -> dict[str, Any]:
    """Run in a new process, as the hub client reads its settings once; the outcome, or the last line of the error."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", script, name],
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if ran.returncode:
        return {"error": ran.stderr.strip().splitlines()[-1]}
    outcome: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return outcome


@pytest.fixture
def pickled(tmp_path: Path, clip_folder: str) -> Path:
    """The tiny checkpoint with its weights in a .bin only, as old repositories have them."""
    folder = Path(shutil.copytree(clip_folder, tmp_path / "pickled"))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_safetensors_come_first_and_nothing_else_is_fetched(tmp_path, clip_folder):
    both = Path(shutil.copytree(clip_folder, tmp_path / "both"))
    (both / "pytorch_model.bin").write_bytes(b"not asked for")
    (both / "tf_model.h5").write_bytes(b"not asked for")
    with serve_hub({"org/clip": both}) as (endpoint, asked):
        outcome = run(FIND, "org/clip", endpoint, tmp_path / "home")
        again = run(FIND, "org/clip", endpoint, tmp_path / "home", HF_HUB_OFFLINE="1")
    assert (outcome["revision"], outcome["safe"]) == ("a" * 40, True)
    assert not [path for path in asked if path.endswith((".bin", ".h5"))]
    assert again == outcome
    fetched, local = (load_image_text_encoder(str(folder)) for folder in (outcome["folder"], clip_folder))
    assert torch.equal(fetched.embed_texts(["a cat"])[0].pooled, local.embed_texts(["a cat"])[0].pooled)


@pytest.mark.slow
def test_a_bin_only_repository_loads_without_a_conversion_thread(tmp_path, pickled):
    with serve_hub({"org/old": pickled}) as (endpoint, asked):
        outcome = run(LOAD, "org/old@other", endpoint, tmp_path / "home")
    assert (outcome["revision"], outcome["safe"]) == ("b" * 40, False)
    # transformers would look for a converted copy in discussions and pull requests
    assert not [path for path in asked if "discussions" in path or "refs" in path or "commits" in path]
    assert outcome["threads"][0] == "MainThread"
    assert not [name for name in outcome["threads"] if "conversion" in name]


def test_all_spellings_of_a_folder_are_one_checkpoint(clip_folder, tmp_path, monkeypatch):
    folder = Path(clip_folder)
    monkeypatch.chdir(folder.parent)
    (tmp_path / "link").symlink_to(folder)
    spellings = [clip_folder, folder.name, f"./{folder.name}/", f"{clip_folder}//", str(tmp_path / "link")]
    found = {find_checkpoint(name) for name in spellings}
    assert len(found) == 1
    assert found.pop().title == folder.name
    assert find_checkpoint(str(model_folder())) == find_checkpoint("toy")
    assert find_checkpoint(str(model_folder())).title == "toy"


def test_safetensors_and_bin_give_the_same_embedding(pickled, clip_folder):
    one, other = (load_image_text_encoder(str(path)).embed_texts(["a cat"])[0] for path in (clip_folder, pickled))
    assert torch.equal(one.pooled, other.pooled)


def test_a_bin_that_holds_code_is_refused(pickled, tmp_path):
    import pickle

    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "was_here"),)

    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ModelError, match="holds more than weights in its"):
        load_image_text_encoder(str(pickled))
    assert not (tmp_path / "was_here").exists()


def test_the_default_is_pinned_and_an_older_cached_copy_serves_offline(tmp_path, pickled, clip_folder):
    pin = PINNED_REVISIONS[DEFAULT_MODEL]
    with serve_hub({DEFAULT_MODEL: Path(clip_folder)}) as (endpoint, asked):
        outcome = run(FIND, DEFAULT_MODEL, endpoint, tmp_path / "home")
        named = run(FIND, "ViT-B/32", endpoint, tmp_path / "home")
    assert outcome["revision"] == pin
    assert outcome == named and named["title"] == DEFAULT_MODEL
    assert all(pin in path for path in asked if "/resolve/" in path)
    # A user who once loaded the main branch has only its .bin.
    snapshot = tmp_path / "old" / "hub" / ("models--" + DEFAULT_MODEL.replace("/", "--"))
    shutil.copytree(pickled, snapshot / "snapshots" / ("c" * 40))
    (snapshot / "refs").mkdir()
    (snapshot / "refs" / "main").write_text("c" * 40)
    offline = run(FIND, DEFAULT_MODEL, endpoint, tmp_path / "old", HF_HUB_OFFLINE="1")
    assert (offline["revision"], offline["safe"]) == ("c" * 40, False)


def test_nothing_within_reach_is_one_plain_error(tmp_path):
    with serve_hub({}) as (endpoint, _):
        unknown = run(FIND, "org/clip", endpoint, tmp_path)["error"]
    down = run(FIND, "org/clip@v2", endpoint, tmp_path)["error"]
    offline = run(FIND, "org/clip", endpoint, tmp_path, HF_HUB_OFFLINE="1")["error"]
    for message in (unknown, down, offline):
        assert message.startswith("vqe_core.errors.ModelNotFoundError: model 'org/clip")
        assert f"is not in the cache {tmp_path / 'hub'}" in message
        assert all(
            way in message for way in ("(1) with a network, run `hf download org/clip", "(2) point HF_HOME", "(3)")
        )
    assert "hf download org/clip --revision v2`" in down


def test_a_missing_model_is_told_before_anything_is_decoded(monkeypatch):
    from vqe_core.scorers.emscore.scorer import EMScore

    def decoded(*arguments: Any, **named: Any) -> None:
        raise AssertionError("a video was opened before the model was found")

    monkeypatch.setattr("vqe_core.embed.videos.open_video_in", decoded)
    import numpy as np

    with pytest.raises(ModelNotFoundError):
        EMScore(clip_model_path="org/none").compute(predictions=["a"], videos=[np.zeros((1, 8, 8, 3), np.uint8)])


def test_the_revision_of_a_folder_changes_with_its_weights_and_its_tokenizer(tmp_path, clip_folder):
    from tests.tiny import tiny_clip

    same = find_checkpoint(clip_folder).revision
    copied = Path(shutil.copytree(clip_folder, tmp_path / "copy"))
    assert find_checkpoint(str(copied)).revision == same
    other = find_checkpoint(str(tiny_clip(tmp_path / "seed", seed=1))).revision
    (copied / "tokenizer.json").write_text((copied / "tokenizer.json").read_text() + "\n")
    changed = find_checkpoint(str(copied)).revision
    assert len({same, other, changed}) == 3
    (copied / "README.md").write_text("a card")
    (copied / "evaluation.json").write_text("{}")
    assert find_checkpoint(str(copied)).revision == changed


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        (7, InputError, "clip_model_path (7) must be a string or a path, got int"),
        ("./nowhere", ModelNotFoundError, "is no folder on this machine and no hub id"),
        ("a/b/c", ModelNotFoundError, "is no folder on this machine and no hub id"),
        ("RN50", ModelNotFoundError, "the ResNet models of OpenAI have no Hugging Face form"),
        ("", ModelNotFoundError, "is no folder on this machine and no hub id"),
        (__file__, InputError, "is a file; give the folder that holds config.json"),
        (str(Path(__file__).parent), ModelNotFoundError, "must hold config.json and model.safetensors"),
        ("org/na me", InputError, "is not a valid hub id"),
    ],
)
def test_names_that_cannot_be_models(name, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        find_checkpoint(name)
