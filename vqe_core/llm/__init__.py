"""Models behind an endpoint, a serving object of DataFlow or a function: describers of audio, and judges of clips."""

from vqe_core.llm.describer import Describer, EndpointDescriber, FunctionDescriber, as_describer
from vqe_core.llm.judge import EndpointJudge, FunctionJudge, Judge, as_judge
from vqe_core.llm.judge_prompt import JudgedClip, Judgement

__all__ = [
    "Describer",
    "EndpointDescriber",
    "FunctionDescriber",
    "as_describer",
    "Judge",
    "EndpointJudge",
    "FunctionJudge",
    "as_judge",
    "JudgedClip",
    "Judgement",
]
