"""Video-audio similarity as an `evaluate` metric: does the sound fit the video?"""

import evaluate

import vqe_core  # From: vqe-core

_DESCRIPTION = """\
Video-audio similarity compares a video's pictures with its sound: with a description of the sound, with the sound's
tags, or with the sound itself in a model that was trained on both; or by a judge that sees and hears. It reports what
a similarity is worth beside it: how the true pairs of a call stand against its mismatches.
"""

_CITATION = """\
@misc{vqe,
    title = {vqe: judge a video against its words and its sound},
    year = {2026}
}
"""

_INPUTS = """
Args:
    videos: list; a row is a path, bytes, {"path", "bytes", "start", "end"} (seconds), uint8 frames (N, H, W, 3) RGB,
        a list of PIL images, or a list of videos.
    audios: optional list; a row is a path, bytes, {"path", "bytes"}, {"array", "sampling_rate"}, or None: each
        video's own track.
    audio_descriptions: optional list of str or None, the sounds in words.
    groups: optional list of str, equal for rows that share a sound.
    method: "auto", "description", "tags", "joint" or "judge".
    hf_clip, or encoder: image-text or joint model, or "toy" (a teaching model). Default "openai/clip-vit-base-patch32".
    hf_clap: model that tags sounds. Default "laion/clap-htsat-unfused". labels: sounds to tell apart.
    sampler: which frames, for example "scene:threshold=10", or a sampler; default 3 uniform. frame_sampling_method,
        frame_num, every_n_seconds, every_n_frames are shorthand for it. max_frames: most of one video.
    video_stream, audio_stream: of a file with several, its index or language.
    horizontal_flip, vertical_flip: also compare flipped frames. window, hop: seconds. describer, or api_url,
        model_name, max_workers: what puts sounds into words. judge, or these with method "judge": who sees and hears,
        and says how well they fit. reduce_mode: "avg", "max" or "min".
    min_score, max_score, min_percentile, any_or_all: what passes the filter. reference_bank, seed: of percentiles.
    batch_size, device, dtype, backend, quantize, reader (or decoder), isolate, row_timeout, row_memory: how to run.
    cache_dir: folder of embeddings.
    per_sample, return_profile: return more.
    on_error: "raise", "warn" or "skip" rows that cannot be compared. progress: True, False, None (on a terminal).
    trust_remote_code: only False.
Returns:
    Means of similarity, avg_similarity, max_similarity, min_similarity, percentile and passed_filter;
    mismatched_mean, gap, auc, r1_v2a, r1_a2v, median_rank, p_value and their chance levels; num_rows, num_failed,
    signature; with per_sample also samples, with return_profile also profile. By a judge a similarity is its number
    from 0 to 1, samples hold its reason, and there is no percentile and no number against mismatches.
Examples:
    >>> import evaluate
    >>> import vqe_core
    >>> from vqe_core.toy.clips import make_clip
    >>> clips = [make_clip(seed) for seed in range(3)]
    >>> metric = evaluate.load(vqe_core.metrics_path("video_audio_similarity"))
    >>> result = metric.compute(
    ...     videos=[clip.frames for clip in clips],
    ...     audios=[{"array": clip.waveform, "sampling_rate": clip.sampling_rate} for clip in clips],
    ...     hf_clip="toy",
    ... )
    >>> result["num_rows"], result["num_failed"]
    (3, 0)
"""


class VideoAudioSimilarity(vqe_core.evaluate_inputs.OptionalInputs, evaluate.Metric):
    scorer = vqe_core.VideoAudioSimilarity

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=self.input_features(),
            homepage="https://github.com/OpenDCAI/DataFlow-MM",
        )
