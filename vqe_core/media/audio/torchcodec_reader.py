"""Read an open torchcodec ``AudioDecoder``. torchcodec is not imported: the object brings its methods."""

from __future__ import annotations

from typing import Any

from vqe_core.errors import MediaError
from vqe_core.media.audio.signal import slice_seconds
from vqe_core.media.audio.source import samples_from_mapping
from vqe_core.media.limits import AudioLimits
from vqe_core.media.video.torchcodec_reader import DECODER_ERRORS
from vqe_core.types import AudioSamples, MediaSource, RowWarning


def read_decoder(source: MediaSource, limits: AudioLimits) -> AudioSamples:
    """Return all samples of a decoder, limited to the source's segment. Its clock is that of the file.

    Args:
        source: with ``decoder``.
        limits: held against what the decoder states of itself before it decodes.

    Returns:
        float32 (C, T), with a warning if the decoder mixes channels: torchcodec then adds 3 dB to the mean of two.

    Raises:
        MediaError: code ``no_audio`` for a decoder without sound, or as for files.
    """
    decoder, name = source.decoder, source.name
    if not hasattr(decoder, "get_all_samples"):
        raise MediaError(
            f"{name} gives images only; pass the video's path or bytes, or its sound in audios", code="no_audio"
        )
    stated = _check_stated(decoder, source, limits)
    try:
        if source.start is None and source.end is None:
            decoded = decoder.get_all_samples()
        else:
            decoded = decoder.get_samples_played_in_range(source.start or 0.0, source.end)
    except DECODER_ERRORS as error:
        raise MediaError(f"{name} cannot be decoded: {type(error).__name__}: {error}") from error
    samples = samples_from_mapping({"array": decoded.data, "sampling_rate": decoded.sample_rate})
    channels = samples.waveform.shape[0]
    mixed = stated is not None and stated != channels
    words = f"the decoder mixes {stated} channels to {channels} in its own way; make it without num_channels"
    warnings = (RowWarning(words, code="mixed_channels"),) if mixed else ()
    made = AudioSamples(samples.waveform, samples.sampling_rate, float(decoded.pts_seconds), warnings)
    return slice_seconds(made, source.start, source.end)


def _check_stated(decoder: Any, source: MediaSource, limits: AudioLimits) -> int | None:
    """Check what the decoder says of its file; returns the number of channels, if it says so."""
    metadata = getattr(decoder, "metadata", None)
    rate = getattr(metadata, "sample_rate", None)
    channels = getattr(metadata, "num_channels", None)
    seconds = getattr(metadata, "duration_seconds", None) or getattr(metadata, "duration_seconds_from_header", None)
    if rate is not None:
        limits.check_rate(rate, source.name)
    if channels is not None:
        limits.check_channels(channels, source.name)
    if rate is not None and seconds is not None:
        last = seconds if source.end is None else min(seconds, source.end)
        limits.check_length(max(last - (source.start or 0.0), 0.0) * rate, channels or 1, rate, source.name)
    return channels
