"""Choose the video and the audio stream of a file, together."""

from __future__ import annotations

from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vqe_core.errors import MediaError
from vqe_core.types import MediaSource

NO_SUCH_STREAM = "no_such_stream"


def choose_streams(container: InputContainer, source: MediaSource) -> tuple[VideoStream | None, AudioStream | None]:
    """Return the video and the audio stream of an open file, None where it has none that can be decoded.

    Named streams are taken; else the audio of the programme that the video is in, and within it the streams that
    FFmpeg prefers. Cover art is no video.

    Args:
        container: just opened.
        source: may name streams by ``video_stream`` and ``audio_stream``.

    Raises:
        MediaError: code ``no_such_stream``, a named one is not there.
    """
    video = _named(container, source, "video") or (
        None if source.audio_stream is None else _best(container, "video", _named(container, source, "audio"))
    )
    video = video or _best(container, "video", None)
    audio = _named(container, source, "audio")
    if audio is None:
        audio = _best(container, "audio", video)
        if source.video_stream is None and video is not None and audio is not None:
            audio = audio if _same_programme(container, video, audio) else None
    return video, audio


def _best(container: InputContainer, kind: Any, related: Any) -> Any:
    """Return the stream of a kind that FFmpeg prefers, of the programme of ``related`` if that has one."""
    best = container.streams.best(kind, related)
    for stream in [best, *getattr(container.streams, kind)]:
        if stream is not None and _is_readable(stream):
            return stream
    return None


def _is_readable(stream: Any) -> bool:
    return stream.codec_context is not None and not stream.disposition & Disposition.attached_pic


def _same_programme(container: InputContainer, video: VideoStream, audio: AudioStream) -> bool:
    """Tell False if the audio stream has a video of its own, in another programme."""
    if container.format.name != "mpegts":
        return True
    own = container.streams.best("video", audio)
    return own is None or own.index == video.index


def _named(container: InputContainer, source: MediaSource, kind: str) -> Any:
    """Return the stream that the source names, None if it names none.

    Raises:
        MediaError: there is none.
    """
    wanted = getattr(source, f"{kind}_stream")
    if wanted is None:
        return None
    streams = [stream for stream in getattr(container.streams, kind) if _is_readable(stream)]
    for stream in streams:
        if wanted in (stream.index, stream.language):
            return stream
    there = ", ".join(f"{stream.index} ({stream.language or 'no language'})" for stream in streams)
    raise MediaError(
        f"{source.name!r} has no {kind} stream {wanted!r}; its {kind} streams are: {there or 'none'} (index in the "
        "file, language)",
        code=NO_SUCH_STREAM,
    )
