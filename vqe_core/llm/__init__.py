"""Models behind an endpoint, a serving of DataFlow or a function: describers of audio, judges of clips and captions."""

from vqe_core.llm.caption_judge import (
    CaptionJudge,
    EndpointCaptionJudge,
    FunctionCaptionJudge,
    as_caption_judge,
)
from vqe_core.llm.describer import Describer, EndpointDescriber, FunctionDescriber, as_describer
from vqe_core.llm.judge import EndpointJudge, FunctionJudge, Judge, as_judge
from vqe_core.llm.judge_prompt import JudgedCaption, JudgedClip, Judgement

__all__ = [
    "Describer",
    "EndpointDescriber",
    "FunctionDescriber",
    "as_describer",
    "Judge",
    "EndpointJudge",
    "FunctionJudge",
    "as_judge",
    "CaptionJudge",
    "EndpointCaptionJudge",
    "FunctionCaptionJudge",
    "as_caption_judge",
    "JudgedCaption",
    "JudgedClip",
    "Judgement",
]
