"""What a model is asked about pictures and sound."""

from __future__ import annotations

from vqe_core.chat.parts import Content, picture_part, sound_part, text_part
from vqe_core.judges.exhibit import Exhibit

# In signatures: to show pictures and sound, or to read answers, in another way changes numbers, as another prompt does.
VERSION = "1"
DEFAULT_PROMPT = (
    "You have seen pictures of a video, each with its time, and heard a sound of the same seconds. The sound may be "
    "the video's own, or another that was put in its place. How well does the sound fit what is seen? "
    "10: what is heard comes from what is seen. 5: it could be heard in such a place, from something out of view, or "
    "it is music or speech that suits the picture. 0: it cannot belong to this video. "
    'Answer with one line of JSON and nothing else: {"reason": "<at most 20 words>", "score": <number from 0 to 10>}'
)


def question_about(exhibit: Exhibit, prompt: str) -> Content:
    """The parts of a message: each picture after its time, the sound, the prompt."""
    parts: Content = []
    for time, pixels in zip(exhibit.timestamps, exhibit.frames, strict=True):
        parts += [text_part(f"Picture at {time:.2f} s:"), picture_part(pixels)]
    parts += [text_part(f"Sound from 0.00 s to {exhibit.duration:.2f} s:")]
    parts += [sound_part((exhibit.waveform, exhibit.sampling_rate), "sound"), text_part(prompt)]
    return parts
