"""CLIPScore for video as an `evaluate` metric: does a caption as a whole fit a video as a whole?"""

import evaluate

import vqe_core  # From: vqe-core

_DESCRIPTION = """\
CLIPScore compares a caption with a video as wholes: 2.5 x max(cos, 0) of the caption's embedding and the mean frame's.
With reference captions, RefCLIPScore is its harmonic mean with the cosine of the best reference.
"""

_CITATION = """\
@inproceedings{hessel2021clipscore,
    title = {CLIPScore: A Reference-free Evaluation Metric for Image Captioning},
    author = {Hessel, Jack and Holtzman, Ari and Forbes, Maxwell and Le Bras, Ronan and Choi, Yejin},
    booktitle = {EMNLP},
    year = {2021}
}
"""

_INPUTS = """
Args:
    predictions: list of str, one caption a row.
    videos: list; a row is a path, bytes, {"path", "bytes", "start", "end"} (seconds), uint8 frames (N, H, W, 3) RGB
        as array, tensor or list, or a list of PIL images.
    references: optional list; a row is a str, a list of str, or None.
    prompt: words put before every text. Default "" (the paper's: "A photo depicts "). prefix is its earlier name.
    weight: factor of the cosine. Default 2.5. resize: "auto", "torchvision" or "pil".
    reference_bank: a file of `vqe bank build`: adds the share of other captions that fit a row's video less.
    preset: "clipscore", or "pac-s" with its checkpoint: values of options that are not given.
    sampler: which frames, for example "scene:threshold=10", or a sampler; default 10 uniform. every_n_seconds,
        every_n_frames, frame_sampling_method, frame_num are shorthand for it. max_frames: most of one video.
    video_stream, audio_stream: of a file with several, its index or language.
    clip_model_path, or encoder: hub id (id@revision), local folder, OpenAI name, "toy" (a teaching model), or an
        encoder. Default "openai/clip-vit-base-patch32".
    long_text: "windows", "truncate" or "error".
    batch_size, device, dtype, backend, quantize, reader (or decoder), isolate, row_timeout, row_memory: how to run.
    cache_dir: folder of embeddings. per_sample: return 'samples' too.
    on_error: "raise", "warn" or "skip" rows that cannot be scored. progress: True, False, None (on a terminal).
Returns:
    Means of clip_score, in [0, 2.5], and of ref_clip_score where there are references; num_rows, num_failed, signature.
Examples:
    >>> import evaluate
    >>> import vqe_core
    >>> from vqe_core.toy.clips import make_clip
    >>> clip = make_clip(seed=0)
    >>> clip_score = evaluate.load(vqe_core.metrics_path("clip_score"))
    >>> result = clip_score.compute(predictions=clip.captions(1), videos=[clip.frames], clip_model_path="toy")
    >>> 0 <= result["clip_score"] <= 2.5
    True
"""


class CLIPScore(vqe_core.evaluate_inputs.OptionalInputs, evaluate.Metric):
    scorer = vqe_core.CLIPScore

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=self.input_features(),
            homepage="https://github.com/jmhessel/clipscore",
            reference_urls=["https://arxiv.org/abs/2104.08718"],
        )
