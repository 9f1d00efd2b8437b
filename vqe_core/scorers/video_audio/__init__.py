"""Video-audio similarity: the audio against the images, by words, by tags, in a joint space, or by a judge."""

from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity

__all__ = ["VideoAudioSimilarity"]
