"""One peer at work, in its own environment, which holds neither this package nor its requirements.

``benchmarks.peers`` starts ``python -m benchmarks.inside_peers --child JOB`` there, and reads the line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.usage import measured


def data_juicer(job: dict[str, Any]) -> Callable[[str, str], float]:
    """Return the cosine of a video and a caption by ``video_frames_text_similarity_filter``, as pipelines call it.

    It divides logits by 100, the scale of OpenAI's weights; the cosine is the logit over the model's own scale.
    """
    from data_juicer.ops.filter.video_frames_text_similarity_filter import VideoFramesTextSimilarityFilter
    from data_juicer.utils.constant import Fields, StatsKeys
    from data_juicer.utils.mm_utils import SpecialTokens
    from data_juicer.utils.model_utils import get_model

    operator = VideoFramesTextSimilarityFilter(
        hf_clip=job["model"], frame_sampling_method="uniform", frame_num=job["frames"]
    )
    scale = float(get_model(operator.model_key, None, False)[0].logit_scale.exp())

    def score(video: str, caption: str) -> float:
        sample = {operator.video_key: [video], operator.text_key: f"{SpecialTokens.video} {caption}", Fields.stats: {}}
        found = operator.compute_stats_single(sample)[Fields.stats][StatsKeys.video_frames_text_similarity]
        return float(found[0]) * 100.0 / scale

    return score


def torchmetrics(job: dict[str, Any]) -> Callable[[str, str], float]:
    """Return the cosine of a video and a caption by ``CLIPScore``, over frames decoded one after the other."""
    import av
    import torch
    from torchmetrics.multimodal.clip_score import CLIPScore
    from transformers import CLIPModel, CLIPProcessor

    class Plain(CLIPModel):  # type: ignore[misc]
        """Gives bare embeddings, as transformers did before 5, and as torchmetrics takes them."""

        def get_image_features(self, *given: Any, **how: Any) -> Any:
            found = super().get_image_features(*given, **how)
            return getattr(found, "pooler_output", found)

        def get_text_features(self, *given: Any, **how: Any) -> Any:
            found = super().get_text_features(*given, **how)
            return getattr(found, "pooler_output", found)

    def loaded() -> tuple[Any, Any]:  # by name it takes those of its makers alone
        return Plain.from_pretrained(job["model"]).eval(), CLIPProcessor.from_pretrained(job["model"])

    metric = CLIPScore(model_name_or_path=loaded)

    def score(video: str, caption: str) -> float:
        wanted = job["positions"][video]
        frames = []
        with av.open(video) as container:
            for i, frame in enumerate(container.decode(video=0)):
                if i in wanted:
                    frames.append(torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1))
                if i == max(wanted):
                    break
        with torch.inference_mode():
            found = metric(frames, [caption] * len(frames))
        metric.reset()
        return float(found) / 100.0

    return score


PEERS = {"Data-Juicer": data_juicer, "torchmetrics": torchmetrics}


def main() -> None:
    """Score all rows of a job, one by one, and print cost and cosines."""
    job = json.loads(sys.argv[sys.argv.index("--child") + 1])
    score = PEERS[job["peer"]](job)
    rows = list(zip(job["videos"], job["captions"], strict=True))
    score(*rows[0])
    cosines, cost = measured(lambda: [score(*row) for row in rows])
    print(json.dumps({**cost, "cosines": cosines}))


if __name__ == "__main__":
    main()
