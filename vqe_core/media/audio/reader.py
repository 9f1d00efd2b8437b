"""Read any sound source: soundfile for plain sound files, PyAV for the rest and for a video's own track."""

from __future__ import annotations

from dataclasses import replace

import av
import soundfile
import soxr

from vqe_core.errors import MediaError
from vqe_core.media.audio.chain_reader import read_chain
from vqe_core.media.audio.errors import no_sound_there
from vqe_core.media.audio.ogg_links import link_bounds
from vqe_core.media.audio.pyav_reader import read_track
from vqe_core.media.audio.signal import check_finite
from vqe_core.media.audio.soundfile_reader import is_plain_sound, opened_file, read_plain_sound
from vqe_core.media.audio.source import sound_wording
from vqe_core.media.audio.stated_rate import stated_rate
from vqe_core.media.audio.torchcodec_reader import read_decoder
from vqe_core.media.container import media_errors
from vqe_core.media.file_checks import check_file, check_head
from vqe_core.media.limits import DEFAULT_AUDIO_LIMITS, AudioLimits
from vqe_core.types import AudioSamples, MediaSource, RowWarning

_HEAD_BYTES = 1024

_ONE_LINK = 2  # bounds of an Ogg file that is not chained: where it begins and ends

# 30 dB above full scale: louder samples were probably integers made floats without scaling.
_LOUDEST = 32.0


def read_audio(
    source: MediaSource | AudioSamples,
    *,
    limits: AudioLimits = DEFAULT_AUDIO_LIMITS,
    within: tuple[float | None, float | None] = (None, None),
) -> AudioSamples:
    """Decode a sound file, or the track that a player would choose of a video, as it was recorded.

    Rate and channels stay native; see `to_mono` and `resample`. The clock is that of the video's frames, so a track
    that starts late has a ``start`` above 0; without images the first sample of the file is at 0 s.

    Args:
        source: from `as_audio_source`, or from `as_media_source` for a video's own track. Of its segment ``start``,
            ``end`` only that part is decoded and held to the limits. Samples are checked and passed on.
        limits: what a sound may ask for.
        within: seconds, start and end, on the same clock: only what is heard then is decoded, and held to the limits.
            Open decoders and samples are read whole.

    Returns:
        float32 (C, T), at least one sample, all finite. ``warnings`` tell of damage within the segment.

    Raises:
        MediaError: ``code`` says why: ``no_audio``, ``bad_sample_rate``, ``bad_channels``, ``too_long``,
            ``non_finite_audio``, ``decode_error``, or a code of `check_file`.
    """
    if isinstance(source, AudioSamples):
        return _checked(source, f"<array {source.waveform.shape}>", limits)
    if source.frames is not None:
        raise MediaError(f"{source.name} are images without sound; give it in audios", code="no_audio")
    if source.decoder is not None:
        return _checked(read_decoder(source, limits), source.name, limits)
    start, end = _later(source.start, within[0]), _earlier(source.end, within[1])
    if start is not None and end is not None and end <= start:
        raise no_sound_there(source.name, None)
    part = replace(source, start=start, end=end)
    with sound_wording(source.name), media_errors(source.name):
        return _checked(_read_encoded(part, limits, exact=source.start is None), source.name, limits)


def ffmpeg_version() -> str:
    """Return the version of the FFmpeg that decodes."""
    return str(av.ffmpeg_version_info)


def audio_versions() -> dict[str, str]:
    """Return versions of what decodes and resamples sound, for the signature: another one may give other samples."""
    return {
        "soundfile": f"{soundfile.__version__} (libsndfile {soundfile.__libsndfile_version__})",
        "pyav": f"{av.__version__} (FFmpeg {av.ffmpeg_version_info})",
        "soxr": f"{soxr.__version__} ({soxr.__libsoxr_version__})",
    }


def _later(*times: float | None) -> float | None:
    return max((time for time in times if time is not None), default=None)


def _earlier(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _read_encoded(source: MediaSource, limits: AudioLimits, *, exact: bool) -> AudioSamples:
    if source.path is not None:
        check_file(source.path)
        with open(source.path, "rb") as opened:
            head = opened.read(_HEAD_BYTES)
    else:
        head = (source.data or b"")[:_HEAD_BYTES]
        check_head(head, source.name)
    rate = stated_rate(source)
    if rate is not None:
        limits.check_rate(rate, source.name)
    if is_plain_sound(head):
        with opened_file(source) as file:
            bounds = link_bounds(file) if head.startswith(b"OggS") else []
            if len(bounds) > _ONE_LINK:
                return read_chain(file, bounds, source, limits)
            samples = read_plain_sound(file, source, limits)
        if samples is not None:
            return samples
    return read_track(source, limits, exact=exact)


def _checked(samples: AudioSamples, name: str, limits: AudioLimits) -> AudioSamples:
    channels, length = samples.waveform.shape
    if length == 0:
        raise MediaError(f"{name!r} holds no sound, or none within the segment asked for", code="no_audio")
    limits.check_rate(samples.sampling_rate, name)
    limits.check_channels(channels, name)
    limits.check_length(length, channels, samples.sampling_rate, name)
    check_finite(samples.waveform, name)
    peak = max(float(samples.waveform.max()), -float(samples.waveform.min()))
    if peak <= _LOUDEST:
        return samples
    words = f"samples reach {peak:g}, and full scale is 1; were integers turned into floats without scaling?"
    return replace(samples, warnings=(*samples.warnings, RowWarning(words, code="loud_samples")))
