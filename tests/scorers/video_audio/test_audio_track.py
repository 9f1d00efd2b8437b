"""Sound files are decoded by worker processes where that is asked for, also beside images that need no decoding."""

from __future__ import annotations

import pytest
import soundfile

from vqe_core.scorers.video_audio.scorer import VideoAudioSimilarity
from vqe_core.toy.clips import make_clip
from vqe_core.workers import DecodeWorker


@pytest.mark.parametrize("method", ["tags", "joint", "judge"])
@pytest.mark.parametrize("isolate", [True, False])
def test_a_sound_file_beside_frames(tmp_path, monkeypatch, method, isolate):
    started = []
    really_start = DecodeWorker.start

    def start(worker):
        started.append(worker)
        really_start(worker)

    monkeypatch.setattr(DecodeWorker, "start", start)
    clip = make_clip(0)
    soundfile.write(tmp_path / "a.wav", clip.waveform, clip.sampling_rate)
    judge = (lambda *shown: 0.5) if method == "judge" else None
    result = VideoAudioSimilarity(hf_clip="toy", method=method, judge=judge, isolate=isolate).compute(
        videos=[clip.frames], audios=[str(tmp_path / "a.wav")]
    )
    assert result["num_failed"] == 0
    assert bool(started) is isolate
