"""Names to audio models."""

import re

import pytest

from tests.tiny import tiny_clip
from tests.tiny_audio import declare, tiny_ast, tiny_clap
from vqe_core import registry
from vqe_core.encoders.audio_loading import load_audio_encoder, load_joint_encoder, load_tagger
from vqe_core.errors import InputError, InputTypeError, ModelError, ModelNotFoundError


def test_a_model_is_loaded_once_and_an_encoder_is_returned_as_it_is(tmp_path):
    clap = load_audio_encoder(str(tiny_clap(tmp_path)), device="cpu")
    assert load_tagger(str(tmp_path), device="cpu") is clap
    assert load_audio_encoder(clap) is clap
    assert load_tagger(clap) is clap


def test_a_wrong_kind_of_checkpoint_is_refused_with_the_kinds_that_fit(tmp_path):
    clip = str(tiny_clip(tmp_path / "clip"))
    with pytest.raises(ModelError, match=re.escape(f"tagger ({clip!r}) is of type 'clip', which is no tagger")):
        load_tagger(clip, device="cpu")
    ast = str(tiny_ast(tmp_path / "ast"))
    with pytest.raises(ModelError, match="is no audio encoder; types that are: clap"):
        load_audio_encoder(ast, device="cpu")
    with pytest.raises(ModelError, match=r"is no joint encoder; types that are: pe_audio_video.*'description'"):
        load_joint_encoder(str(tiny_clap(tmp_path / "clap")), device="cpu")


def test_messages_name_the_callers_argument(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"^hf_clip .*is no folder") as raised:
        load_joint_encoder("./nowhere")
    assert "clip_model_path" not in str(raised.value)
    with pytest.raises(InputTypeError, match=re.escape("sound_model (3) must be a string")):
        load_audio_encoder(3, argument="sound_model")
    with pytest.raises(InputError, match=re.escape("dtype ('int8')")):
        load_audio_encoder(str(tiny_clap(tmp_path)), dtype="int8")


@pytest.mark.parametrize("folder", ["../audio", "/etc", "..", "", "a\\b", 3])
def test_a_config_cannot_lead_out_of_its_folder(tmp_path, folder):
    clip = declare(tiny_clip(tmp_path), vqe_audio_model=folder)
    with pytest.raises(ModelError, match=re.escape(f"vqe_audio_model ({folder!r}) must be a folder's name")):
        load_tagger(str(clip), device="cpu")


def test_a_bundled_model_that_is_not_there_is_not_found(tmp_path):
    clip = declare(tiny_clip(tmp_path), vqe_audio_model="audio")
    with pytest.raises(ModelNotFoundError):
        load_tagger(str(clip), device="cpu")


def test_every_registered_component_can_be_imported():
    kinds = ("describer", "judge")
    found = {kind: [registry.load(kind, name) for name in registry.names(kind)] for kind in kinds}
    assert all(found.values())
