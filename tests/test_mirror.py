"""Whoever changes a module finds its tests by its name, or here."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = 1200  # bytes; an __init__ of so few only gathers names

# Modules whose tests have another name, most because they are tested through what users call.
METRIC = "tests/metrics/test_video_audio_similarity.py"
CLIP_FAMILIES = ("pe_video", "videoprism", "x_clip")
JUDGED = "tests/metrics/test_judged.py"
OPERATORS = "tests/integrations/dataflow/inside_operators.py"
CLI = "tests/cli/test_cli.py"
JOB = "tests/run/test_job.py"
TESTED_BY = {
    "vqe_core/__init__.py": "tests/test_layers.py",
    "vqe_core/version.py": "tests/test_repository.py",
    **{
        f"vqe_core/cli/{name}.py": CLI for name in ("__init__", "__main__", "demo", "listing", "logs", "metric_options")
    },
    **{f"vqe_core/cli/{name}.py": CLI for name in ("progress", "run")},
    "vqe_core/integrations/daft.py": "tests/integrations/engines/inside_daft.py",
    "vqe_core/cli/filter.py": "tests/run/test_filtering.py",
    "vqe_core/cli/plan.py": "tests/run/test_estimate.py",
    **{f"vqe_core/run/{name}.py": JOB for name in ("folder", "parts", "staging", "merging", "summary", "status")},
    **{f"vqe_core/run/{name}.py": JOB for name in ("worker", "engines/__init__", "engines/local")},
    "vqe_core/cli/cache.py": "tests/cache/test_eviction.py",
    "vqe_core/cli/compare.py": "tests/report/test_compare.py",
    "vqe_core/cli/score.py": CLI,
    "vqe_core/__main__.py": CLI,
    "vqe_core/app/emscore.py": "tests/app/test_page.py",
    "vqe_core/app/video_audio.py": "tests/app/test_page.py",
    "vqe_core/app/inputs.py": "tests/app/test_page.py",
    "vqe_core/embed/batching.py": "tests/embed/test_videos.py",
    "vqe_core/embed/sharing.py": "tests/scorers/test_several.py",
    "vqe_core/scorers/call.py": "tests/scorers/test_base.py",
    "vqe_core/scorers/survey.py": "tests/scorers/emscore/test_survey.py",
    "vqe_core/scorers/emscore/chance_file.py": "tests/scorers/emscore/test_survey.py",
    "vqe_core/scorers/fitted_file.py": "tests/scorers/test_caption_bank.py",
    "vqe_core/cli/bank.py": "tests/run/test_bank.py",
    "vqe_core/cli/baseline.py": "tests/run/test_baseline.py",
    "vqe_core/embed/settings.py": "tests/embed/test_videos.py",
    "vqe_core/encoders/__init__.py": "tests/encoders/test_dual_encoder.py",
    **{f"vqe_core/encoders/{name}.py": "tests/encoders/test_video_encoder.py" for name in CLIP_FAMILIES},
    "vqe_core/encoders/weights.py": "tests/encoders/test_checkpoints.py",
    "vqe_core/encoders/backends/towers.py": "tests/encoders/backends/test_vit.py",
    "vqe_core/functional/shapes.py": "tests/functional/test_matching.py",
    "vqe_core/integrations/dataflow/__init__.py": "tests/integrations/dataflow/test_without_dataflow.py",
    "vqe_core/integrations/dataflow/descriptions.py": OPERATORS,
    "vqe_core/integrations/dataflow/emscore_eval.py": OPERATORS,
    "vqe_core/integrations/dataflow/score_operator.py": OPERATORS,
    "vqe_core/integrations/dataflow/video_audio.py": OPERATORS,
    "vqe_core/integrations/datasets/sources.py": "tests/integrations/test_hub.py",
    "vqe_core/integrations/datasets/summary.py": "tests/integrations/test_two_metrics.py",
    "vqe_core/llm/transport.py": "tests/llm/test_client.py",
    "vqe_core/media/__init__.py": "tests/contracts/test_readers.py",
    "vqe_core/media/content_hash.py": "tests/cache/test_store_digests.py",
    "vqe_core/media/audio/buffer.py": "tests/media/audio/test_timeline.py",
    "vqe_core/media/audio/errors.py": "tests/media/audio/test_reader_faults.py",
    "vqe_core/media/audio/pyav_reader.py": "tests/media/audio/test_reader.py",
    "vqe_core/media/audio/soundfile_reader.py": "tests/media/audio/test_reader.py",
    "vqe_core/media/audio/torchcodec_reader.py": "tests/media/audio/test_source.py",
    "vqe_core/tables/formats.py": "tests/tables/test_reading.py",
    "vqe_core/report/word_alignment.py": "tests/report/test_word_support.py",
    "vqe_core/samplers/content_based.py": "tests/samplers/test_index_based.py",
    "vqe_core/scorers/caption_scorer.py": "tests/contracts/test_scorers.py",
    "vqe_core/scorers/clip_score.py": "tests/contracts/test_scorers.py",
    "vqe_core/functional/clip_score.py": "tests/contracts/test_scorers.py",
    "vqe_core/scorers/llm_calls.py": JUDGED,
    "vqe_core/scorers/embedded_rows.py": "tests/scorers/emscore/test_scorer.py",
    "vqe_core/scorers/emscore/row_scorer.py": "tests/metrics/test_emscore.py",
    "vqe_core/scorers/emscore/scoring.py": "tests/scorers/emscore/test_baseline.py",
    "vqe_core/scorers/emscore/score_types.py": "tests/metrics/test_emscore.py",
    "vqe_core/scorers/video_audio/bridges.py": METRIC,
    "vqe_core/scorers/video_audio/cache_entries.py": "tests/scorers/test_base_stored_scores.py",
    "vqe_core/scorers/video_audio/calibration.py": METRIC,
    "vqe_core/scorers/video_audio/description.py": METRIC,
    "vqe_core/scorers/video_audio/frame_comparison.py": METRIC,
    "vqe_core/scorers/video_audio/joint.py": METRIC,
    "vqe_core/scorers/video_audio/judge.py": JUDGED,
    "vqe_core/scorers/video_audio/methods.py": METRIC,
    "vqe_core/scorers/video_audio/options.py": METRIC,
    "vqe_core/scorers/video_audio/pairs.py": METRIC,
    "vqe_core/scorers/video_audio/report.py": METRIC,
    "vqe_core/scorers/video_audio/rows.py": METRIC,
    "vqe_core/scorers/video_audio/scorer.py": METRIC,
    "vqe_core/scorers/video_audio/scoring.py": METRIC,
    "vqe_core/scorers/video_audio/tags.py": METRIC,
    "vqe_core/scorers/video_audio/windows.py": METRIC,
    "vqe_core/toy/foils.py": "tests/toy/test_captions.py",
    "vqe_core/toy/judge.py": "tests/metrics/test_caption_judge.py",
    "vqe_core/toy/drawing.py": "tests/toy/test_clips.py",
    "vqe_core/toy/synthesis.py": "tests/toy/test_clips.py",
    "vqe_core/toy/wordings.py": "tests/toy/test_demo.py",
    "vqe_core/workers/limits.py": "tests/workers/test_client_faults.py",
    "vqe_core/workers/messages.py": "tests/workers/test_client.py",
    "vqe_core/workers/server.py": "tests/workers/test_client.py",
    "training/audio_card.py": "tests/training/test_audio_evaluate.py",
    "training/audio_measures.py": "tests/training/test_audio_evaluate.py",
    "training/audio_network.py": "tests/training/test_train_audio.py",
    "training/audio_training_data.py": "tests/training/test_train_audio.py",
    "training/card.py": "tests/training/test_evaluate.py",
    "training/measures.py": "tests/training/test_evaluate.py",
    "training/network.py": "tests/training/test_train.py",
    "training/optimisation.py": "tests/training/test_train.py",
    "training/train_contrastive.py": "tests/training/test_train.py",
    "training/train_vision.py": "tests/training/test_train.py",
    "training/training_data.py": "tests/training/test_train.py",
}


def modules() -> list[str]:
    paths = [path for room in ("vqe_core", "training") for path in (ROOT / room).rglob("*.py")]
    told = [path for path in paths if path.name != "__init__.py" or path.stat().st_size >= SMALL]
    return sorted(str(path.relative_to(ROOT)) for path in told)


def named_after(module: str) -> list[Path]:
    """Test files that have the module's place and name, a room's own for its __init__."""
    path = Path(module)
    place = path.parent.relative_to("vqe_core") if path.parts[0] == "vqe_core" else path.parent
    if path.name == "__init__.py":
        place, name = place.parent / place.name, place.name
    else:
        name = path.stem
    folder = ROOT / "tests" / place
    return [*folder.glob(f"test_{name}.py"), *folder.glob(f"test_{name}_*.py")]


@pytest.mark.parametrize("module", modules())
def test_a_module_has_tests_of_its_name_or_says_where_they_are(module):
    told = TESTED_BY.get(module)
    if told is None:
        assert named_after(module), f"{module} has no tests of its name; add them, or say here where they are"
    else:
        assert (ROOT / told).is_file(), f"the tests of {module} are not in {told}"


def test_the_list_names_modules_that_there_are():
    assert set(TESTED_BY) <= set(modules())
