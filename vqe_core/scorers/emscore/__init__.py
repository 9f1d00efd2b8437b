"""EMScore: a caption against a video, its reference captions, or both."""

from vqe_core.scorers.emscore.scorer import EMScore

__all__ = ["EMScore"]
