"""EMScore as an `evaluate` metric: does a caption fit a video, its reference captions, or both?"""

import evaluate

import vqe_core  # From: vqe-core

_DESCRIPTION = """\
EMScore compares a caption with a video, with reference captions, or with both. A CLIP-type model embeds the caption's
tokens and sampled frames; they are matched both ways (fine-grained precision, recall, F1) and compared as wholes.
"""

_CITATION = """\
@inproceedings{shi2022emscore,
    title = {EMScore: Evaluating Video Captioning via Coarse-Grained and Fine-Grained Embedding Matching},
    author = {Shi, Yaya and Yang, Xu and Xu, Haiyang and Yuan, Chunfeng and Li, Bing and Hu, Weiming
        and Zha, Zheng-Jun},
    booktitle = {CVPR},
    year = {2022}
}
"""

_INPUTS = """
Args:
    predictions: list of str, one caption a row.
    videos: optional list; a row is a path, bytes, {"path", "bytes", "start", "end"} (seconds), uint8 frames
        (N, H, W, 3) RGB as array, tensor or list, a list of PIL images, or None.
    references: optional list; a row is a str, a list of str, or None.
    sampler: which frames, for example "scene:threshold=10", or a sampler; default 10 uniform. every_n_seconds,
        every_n_frames, frame_sampling_method, frame_num are shorthand for it. max_frames: most of one video.
    video_stream, audio_stream: of a file with several, its index or language.
    clip_model_path, or encoder: hub id (id@revision), local folder, OpenAI name, "toy" (a teaching model), or an
        encoder. Default "openai/clip-vit-base-patch32".
    score_types: among EMScore(X,V), EMScore(X,X*), EMScore(X,V,X*). Default: all the inputs allow.
    metrics: among figr_P, figr_R, figr_F, cogr, full_P, full_R, full_F. Default: all.
    idf: False, True, a list of captions, a saved idf file, or {token id: weight}.
    idf_eos: weight of the end token, "mean" (the paper's) or "own" (FactVC). Default: as a given idf says, else mean.
    cogr_weight: share of cogr in full_P, full_R, full_F. Default 0.5. reference_weight: share of the references in
        EMScore(X,V,X*). Default 0.5. prompt: words put before every text. Default "".
    preset: "emscore", "factvc", "clipscore", or "pac-s" with its checkpoint: values of options that are not given.
    resize: "auto", "torchvision", or "pil", as published code shrinks images.
    against_chance: True, or a metric: set each caption against the videos of the other rows. baseline: a file of
        vqe_core.fit_baseline; scores s become (s - b) / (1 - b). reference_bank: a file of `vqe bank build`: adds the
        share of other captions that fit a row's video less.
    frame_aggregation: "video" (the paper's), "mean_of_frames", or "in_order": each clause of "a, then b" with its own
        part of the frames.
    long_text: "windows", "truncate" or "error". multi_reference: "max_component" (the paper's) or "best_reference".
    batch_size, device, dtype, backend, quantize, reader (or decoder), isolate, row_timeout, row_memory: how to run.
    cache_dir: folder of embeddings.
    per_sample, return_all_frames: return more.
    on_error: "raise", "warn" or "skip" rows that cannot be scored. progress: True, False, None (on a terminal).
Returns:
    Means by "<score type>_<metric>", num_rows, num_failed, signature; with per_sample also samples, with
    return_all_frames also frame_details, with against_chance also auc, r1_t2v, p_value and others.
Examples:
    >>> import evaluate
    >>> import vqe_core
    >>> from vqe_core.toy.clips import make_clip
    >>> clip = make_clip(seed=0)
    >>> emscore = evaluate.load(vqe_core.metrics_path("emscore"))
    >>> result = emscore.compute(predictions=clip.captions(1), videos=[clip.frames], clip_model_path="toy")
    >>> result["num_rows"], result["num_failed"]
    (1, 0)
"""


class EMScore(vqe_core.evaluate_inputs.OptionalInputs, evaluate.Metric):
    scorer = vqe_core.EMScore

    def _info(self):
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=self.input_features(),
            homepage="https://github.com/ShiYaya/emscore",
            reference_urls=["https://arxiv.org/abs/2111.08919"],
        )
