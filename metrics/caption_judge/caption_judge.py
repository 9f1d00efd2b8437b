"""Caption judge as an `evaluate` metric: does a caption fit a video, by a model that is shown both?"""

import evaluate

import vqe_core  # From: vqe-core

_DESCRIPTION = """\
A judge is shown sampled frames of a video and a caption, and says from 0 to 1 how well the caption fits, with a reason.
It is a vision-language model behind an OpenAI-compatible endpoint, a Python function, or a serving of DataFlow.
"""

_CITATION = """\
@article{dipta2025vcinspector,
    title = {Advancing Reference-free Evaluation of Video Captions with Factual Analysis},
    author = {Dipta, Shubhashis Roy and Wu, Tz-Ying and Tripathi, Subarna},
    journal = {arXiv preprint arXiv:2509.16538},
    year = {2025}
}
"""

_INPUTS = """
Args:
    predictions: list of str, one caption a row.
    videos: list; a row is a path, bytes, {"path", "bytes", "start", "end"} (seconds), uint8 frames (N, H, W, 3) RGB
        as array, tensor or list, or a list of PIL images.
    references: optional list; a row is a str, a list of str, or None. show_references: False hides them from the judge.
    judge: a function f(frames, timestamps, caption, references) that gives a number from 0 to 1 or (number, reason), a
        judge of vqe_core.llm, a serving of DataFlow, or "toy" (a teaching model). Or:
    api_url, model_name: OpenAI-compatible endpoint of a model that sees pictures.
    judge_prompt: "zero-shot", "vc-inspector" (object by object, action by action), or words of your own that ask for
        JSON with a score from 0 to 10 and a reason.
    max_workers, timeout, retries, max_tokens: of requests. keep_answers: False asks again what was answered before.
    sampler: which frames, for example "scene:threshold=10", or a sampler; default 10 uniform, at most 32.
        every_n_seconds, every_n_frames, frame_sampling_method, frame_num are shorthand for it.
    video_stream, audio_stream: of a file with several, its index or language.
    reader (or decoder), isolate, row_timeout, row_memory: how to decode.
    cache_dir: folder of answers. per_sample: return 'samples' too, with the reasons.
    on_error: "raise", "warn" or "skip" rows that cannot be judged. progress: True, False, None (on a terminal).
Returns:
    Mean of caption_judge, in [0, 1]; num_rows, num_failed, signature.
Examples:
    >>> import evaluate
    >>> import vqe_core
    >>> from vqe_core.toy.clips import make_clip
    >>> clip = make_clip(seed=0)
    >>> caption_judge = evaluate.load(vqe_core.metrics_path("caption_judge"))
    >>> result = caption_judge.compute(predictions=clip.captions(1), videos=[clip.frames], judge="toy")
    >>> 0 <= result["caption_judge"] <= 1
    True
"""


class CaptionJudge(vqe_core.evaluate_inputs.OptionalInputs, evaluate.Metric):
    scorer = vqe_core.CaptionJudgeScore

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=self.input_features(),
            homepage="https://dipta007.github.io/VC-Inspector",
            reference_urls=["https://arxiv.org/abs/2509.16538"],
        )
