"""Anything a row may hold for a video -> `MediaSource`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vqe_core.errors import InputError, InputTypeError, MediaError, MediaNotFoundError
from vqe_core.media.video.sizes import gathered
from vqe_core.types import BAD_SEGMENT, Frames, MediaSource


def is_tensor(value: Any) -> bool:
    """Recognise a torch tensor, told by its methods, so that torch is not imported."""
    return hasattr(value, "detach") and hasattr(value, "cpu")


def is_image(value: Any) -> bool:
    """Recognise a PIL image, told by its methods, so that PIL is not imported."""
    return hasattr(value, "convert") and hasattr(value, "mode") and hasattr(value, "size")


def stack_frames(value: Any) -> Frames:
    """Turn an array, a tensor, or a list of arrays, tensors or PIL images into frames.

    Args:
        value: uint8 (N, H, W, 3) RGB, or a list of N uint8 (H, W, 3) arrays or tensors, or of PIL images
            (converted to RGB), of any sizes.

    Returns:
        uint8 (N, H, W, 3), contiguous; a tuple of images, uint8 (H, W, 3), where their sizes differ.

    Raises:
        InputTypeError: the items are of other types.
        InputError: wrong dtype or shape.
        MediaError: code ``no_frames``, there are none.
    """
    if isinstance(value, np.ndarray) and value.dtype == object and value.ndim == 1:
        value = list(value)  # as a table keeps a list
    if isinstance(value, (list, tuple)):
        if not value:
            raise InputTypeError("videos: an empty list is not a video; give frames, a path or bytes")
        value = _nested_numbers(value) if isinstance(value[0], (list, tuple)) else _stack_list(value)
    if isinstance(value, tuple):
        for image in value:
            _check_frames(image[None])
        return tuple(map(np.ascontiguousarray, value))
    frames = _as_array(value)
    _check_frames(frames)
    return np.ascontiguousarray(frames)


def _stack_list(items: list[Any] | tuple[Any, ...]) -> Frames:
    arrays = []
    for number, item in enumerate(items):
        if is_image(item):
            arrays.append(np.asarray(item.convert("RGB")))
        elif isinstance(item, np.ndarray) or is_tensor(item):
            arrays.append(_as_array(item))
        else:
            raise InputTypeError(
                f"videos: item {number} of a list of frames is a {type(item).__name__}; "
                "use uint8 (H, W, 3) arrays or tensors, or PIL images"
            )
    kinds = {array.dtype.name for array in arrays}
    if len(kinds) > 1:
        raise InputError(f"videos: the frames of one list must be of one dtype, got {', '.join(sorted(kinds))}")
    wrong = next((array.shape for array in arrays if array.ndim != 3), None)
    if wrong is not None:
        raise InputError(f"videos: each frame of a list must have shape (H, W, 3), got {wrong}")
    return gathered(arrays)


def _nested_numbers(value: Any) -> Frames:
    """Nested lists of whole numbers in 0..255, as tables keep arrays, to uint8."""
    try:
        return _whole_numbers(np.asarray(value))
    except ValueError:  # of several sizes, or no images at all
        pass
    try:
        return _stack_list([_whole_numbers(np.asarray(image)) for image in value])
    except ValueError as error:
        raise InputError(f"videos: the nested lists of each frame must be of one shape ({error})") from error


def _whole_numbers(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return array


def _as_array(value: Any) -> np.ndarray:
    if not is_tensor(value):
        return np.asarray(value)
    try:
        return value.detach().cpu().numpy()
    except TypeError as error:  # numpy has no bfloat16
        raise InputError(f"videos: frames must be uint8 in 0..255, got a tensor of {value.dtype}") from error


def _check_frames(frames: np.ndarray) -> None:
    shape = frames.shape
    if frames.dtype != np.uint8:
        raise InputError(
            f"videos: frames must be uint8 in 0..255, got {frames.dtype}; "
            "convert frames in 0..1 with (frames * 255).round().astype('uint8')"
        )
    if frames.ndim == 4 and shape[-1] != 3 and shape[1] == 3:
        raise InputError(
            f"videos: frames must be (N, H, W, 3), got (N, 3, H, W) {shape}; "
            "use frames.permute(0, 2, 3, 1) or frames.transpose(0, 2, 3, 1)"
        )
    if frames.ndim == 3 and shape[-1] == 3:
        raise InputError(f"videos: frames must be (N, H, W, 3), got one image {shape}; use frames[None]")
    if frames.ndim != 4 or shape[-1] != 3:
        raise InputError(f"videos: frames must be (N, H, W, 3) RGB, got {shape}; repeat or drop channels to have 3")
    if 0 in shape:
        raise MediaError(f"videos: no frames in an array of shape {shape}", code="no_frames")


_KEYS = ("path", "bytes", "frames", "fps", "start", "end", "video_stream", "audio_stream")

# FFmpeg reads these prefixes of a path as commands.
_PROTOCOLS = re.compile(
    r"^(async|bluray|cache|concat|concatf|crypto|data|dtls|fd|file|ftp|gopher|hls|http|https|icecast|ipfs|ipns|"
    r"mmsh|mmst|pipe|prompeg|rtmp\w*|rtp|rtsp|sctp|smb|srt|srtp|subfile|tcp|tee|tls|udp|udplite|unix|ffrtmp\w*|"
    r"android_content|zmq|libssh|sftp|amqp|rist)[:,]",
    re.IGNORECASE,
)

_ACCEPTED = (
    "a path, bytes, a dict with 'path' or 'bytes', uint8 frames (N, H, W, 3), a list of PIL images "
    "or a torchcodec VideoDecoder"
)


def as_media_source(value: Any, *, base_dir: str | None = None) -> MediaSource:
    """Turn one item of a ``videos`` column into a source. Opens no file.

    Args:
        value: a path (str, Path); encoded bytes or a binary file object; a dict with ``path`` or ``bytes`` (bytes
            win) or ``frames`` (with ``fps``, frames per second, if they have a clock), and optional ``start``,
            ``end`` (s), ``video_stream``, ``audio_stream`` (see `MediaSource`); uint8 frames (N, H, W, 3) as
            array, tensor or list; PIL images; a ``VideoDecoder``, as columns of `datasets.Video` give; or a
            `MediaSource`.
        base_dir: folder that relative paths start from. Default: the working directory.

    Returns:
        The source. Whether a path exists is only looked up where it could be a URL.

    Raises:
        InputTypeError: code ``bad_type``, the value is none of these.
        InputError: a value inside breaks a rule.
        MediaError: code ``remote_path``, ``bad_path``, ``empty_file`` or ``no_frames``.
    """
    if isinstance(value, MediaSource):
        return value
    if isinstance(value, (str, os.PathLike)):
        return MediaSource(path=_local_path(value, base_dir))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _encoded(bytes(value))
    if isinstance(value, Mapping):
        return _from_mapping(value, base_dir)
    if isinstance(value, (np.ndarray, list, tuple)) or is_tensor(value):
        return MediaSource(frames=stack_frames(value))
    if hasattr(value, "get_frames_at") and hasattr(value, "metadata"):
        return _from_decoder(value, base_dir)
    if callable(getattr(value, "read", None)):
        return _from_file(value)
    hint = "; put a single image into a list" if is_image(value) else ""
    raise InputTypeError(
        f"videos: cannot read a {type(value).__name__} ({_short(value)}) as a video; use {_ACCEPTED}{hint}"
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _local_path(value: str | os.PathLike[str], base_dir: str | None) -> str:
    path = os.fspath(value)
    if not isinstance(path, str):
        path = os.fsdecode(path)
    if not path.strip():
        raise MediaNotFoundError("videos: an empty path; give the path of a video file")
    if "\0" in path:
        raise MediaError(f"videos: the path {path!r} holds a NUL character", code="bad_path")
    joined = os.path.join(base_dir, path) if base_dir is not None else path
    if ("://" in path or _PROTOCOLS.match(path)) and not os.path.lexists(joined):
        raise MediaError(
            f"videos: {path!r} is a URL or an FFmpeg protocol, and only local files are read; download it first, pass "
            "its bytes, or read what fsspec knows by remote=True (--remote)",
            code="remote_path",
        )
    return joined


def _encoded(data: bytes) -> MediaSource:
    if not data:
        raise MediaError("videos: 0 bytes; the download was probably cut off", code="empty_file")
    return MediaSource(data=data)


def _from_file(file: Any) -> MediaSource:
    data = file.read()
    if not isinstance(data, (bytes, bytearray)):
        raise InputTypeError(f"videos: the file object {_short(file)} is not binary; open it with mode 'rb'")
    return _encoded(bytes(data))


def _from_mapping(value: Mapping[str, Any], base_dir: str | None) -> MediaSource:
    unknown = [key for key in value if key not in _KEYS]
    if unknown:
        raise InputError(f"videos: unknown keys {unknown} of a dict; use {', '.join(_KEYS)}")
    if value.get("bytes") is not None:
        source = as_media_source(value["bytes"])
    elif value.get("path") is not None:
        source = as_media_source(value["path"], base_dir=base_dir)
    elif value.get("frames") is not None:
        fps = _number(value, "fps")
        if fps is not None and not 0 < fps < float("inf"):
            raise InputError(f"videos: fps ({fps}) must be positive and finite")
        source = MediaSource(frames=stack_frames(value["frames"]), fps=fps)
    else:
        raise InputTypeError("videos: a dict needs 'path', 'bytes' or 'frames', and all of them are missing or None")
    streams = {name: value.get(name) for name in ("video_stream", "audio_stream")}
    return replace(source, start=_number(value, "start"), end=_number(value, "end"), **streams)


def _number(value: Mapping[str, Any], key: str) -> float | None:
    number = value.get(key)
    if number is None or (isinstance(number, (float, np.floating)) and np.isnan(number)):
        return None  # tables put NaN where there is no number
    if isinstance(number, bool) or not isinstance(number, (int, float, np.number)):
        code = None if key == "fps" else BAD_SEGMENT
        raise InputTypeError(f"videos: {key} ({number!r}) must be a number", code=code)
    return float(number)


def _from_decoder(decoder: Any, base_dir: str | None) -> MediaSource:
    # `datasets` keeps the encoded form beside the decoder; reading it ourselves gives checked frame times.
    encoded = getattr(decoder, "_hf_encoded", None)
    if isinstance(encoded, Mapping):
        if encoded.get("bytes") is not None:
            return _encoded(bytes(encoded["bytes"]))
        path = encoded.get("path")
        if isinstance(path, (str, Path)) and os.path.isfile(os.path.join(base_dir or "", path)):
            return MediaSource(path=_local_path(path, base_dir))
    return MediaSource(decoder=decoder)
