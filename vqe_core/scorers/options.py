"""Options of the metrics, grouped by concern, by the names users know. Imports no torch: ``--help`` reads this file.

An option that chooses a component takes an object or its spec. Names that came before stay as shorthand:
``frame_sampling_method``, ``every_n_seconds``, ``every_n_frames`` and ``frame_num`` for ``sampler``, ``decoder`` for
``reader``.
"""

from __future__ import annotations

import dataclasses
import os
import typing
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vqe_core import registry
from vqe_core.errors import InputError, InputTypeError
from vqe_core.options import (
    Backend,
    LongText,
    OnError,
    Quantize,
    Resize,
    check_choice,
    check_count,
    check_number,
    check_positive,
    option,
    plain_numbers,
)
from vqe_core.samplers import FrameSampler, UniformSampler
from vqe_core.samplers.base import choose_sampler, sampler_from_options
from vqe_core.types import check_stream

if TYPE_CHECKING:
    from vqe_core.media import VideoReader

DEFAULT_MODEL = "openai/clip-vit-base-patch32"


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """Options of which frames of a video are looked at."""

    default_frame_num: ClassVar[int] = 10  # of uniform sampling

    sampler: Any = option(
        None,
        "which frames: {samplers}, with options as in scene:threshold=10, or a sampler; the next four are shorthand",
        kind="sampler",
    )
    frame_sampling_method: str | None = option(None, "name of a sampler (default: uniform)")
    every_n_seconds: float | None = option(None, "sample a frame every so many seconds, by presentation time")
    every_n_frames: int | None = option(None, "sample every so many frames")
    frame_num: int | None = option(None, "frames of uniform sampling (default: {default_frame_num})")
    max_frames: int = option(
        512, "most distinct frames of one video; more are thinned evenly, and the row says so", rule="count"
    )

    @property
    def frame_sampler(self) -> FrameSampler:
        """The sampler that the options name.

        Raises:
            InputError: options that exclude each other, or that the sampler does not have.
        """
        shorthand = self._sampling_shorthand()
        if self.sampler is None:
            return sampler_from_options(**shorthand, default_frame_num=self.default_frame_num)
        given = [f"{name} ({value!r})" for name, value in shorthand.items() if value is not None]
        if given:
            raise InputError(f"sampler and {' and '.join(given)} exclude each other; give the sampler alone")
        return UniformSampler(self.default_frame_num) if self.sampler == "uniform" else choose_sampler(self.sampler)

    @property
    def chooses_frames(self) -> bool:
        """True where any option says which frames."""
        return self.sampler is not None or any(value is not None for value in self._sampling_shorthand().values())

    def _sampling_shorthand(self) -> dict[str, Any]:
        names = ("frame_sampling_method", "every_n_seconds", "every_n_frames", "frame_num")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Options of which streams of a file are read, where it has several."""

    video_stream: int | str | None = option(
        None,
        "video stream of a file with several: index in it (as ffprobe counts) or language (default: FFmpeg's choice)",
        rule="stream",
    )
    audio_stream: int | str | None = option(
        None,
        "audio stream, likewise: index or language such as eng (default: FFmpeg's choice in the video's programme)",
        rule="stream",
    )


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options of how models compute."""

    device: str = option("auto", "auto (cuda, mps or cpu) or a torch device", changes_scores=False)
    dtype: str = option("auto", "auto (float32), float32, bfloat16 or float16")
    backend: Backend = option(
        "auto", "what encodes images: auto (torch), torch, compile (torch.compile), or openvino (on the CPU)"
    )
    quantize: Quantize | None = option(
        None, "int8: images by products of 8-bit integers, on a CPU in float32; faster, for filtering (default: none)"
    )
    batch_size: int | None = option(
        None,
        "most images or texts a forward pass (default: 8 images on a CPU, on a GPU measured; 32 texts); changes speed "
        "and memory, scores by rounding only",
        rule="count",
        changes_scores=False,
    )


@dataclass(frozen=True, kw_only=True)
class RunningOptions:
    """Options of how files are decoded, and of rows that cannot be scored."""

    reader: Any = option(None, "what decodes video files: {readers}, or a reader (default: pyav)", kind="reader")
    decoder: Any = option("auto", "shorthand for reader: auto (pyav), pyav, or nvdec (an NVIDIA GPU, by torchcodec)")
    cache_dir: Any = option(
        None,
        "folder of stored embeddings, or an address that fsspec knows, shared by metrics, processes and machines "
        "(default: none; of the command: what vqe cache info shows)",
        changes_scores=False,
    )
    remote: bool = option(
        False,
        "read videos and sounds at addresses (s3://, gs://, https:// ...) by fsspec, each into memory",
        changes_scores=False,
    )
    on_error: OnError = option("raise", "rows that cannot be scored: raise, warn or skip")
    per_sample: bool = option(False, "add 'samples': one list a column, an entry a row", python_only=True)
    progress: bool | None = option(
        None, "progress bars: true, false, or on a terminal only (default)", changes_scores=False
    )

    @property
    def video_reader(self) -> VideoReader | None:
        """The reader of files that the options name, None for the usual one.

        Raises:
            InputError: no such reader, or two.
        """
        from vqe_core.media import choose_reader

        decoder = choose_reader(self.decoder, option="decoder")
        if self.reader is None:
            return decoder
        if self.decoder != "auto":
            raise InputError(f"reader and decoder ({self.decoder!r}) exclude each other; give one")
        return choose_reader(self.reader)


def warnings_column(status_key: str) -> str:
    """Return the name of the column of warnings that stands beside a column of status words.

    Example:
        >>> warnings_column("status"), warnings_column("sound_status"), warnings_column("state")
        ('warnings', 'sound_warnings', 'state_warnings')
    """
    return status_key.replace("status", "warnings") if "status" in status_key else f"{status_key}_warnings"


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """Options of what a file may cost, and who pays."""

    isolate: bool | Literal["auto"] | None = option(
        "auto",
        "decode files in worker processes, which a bad one cannot take along: true; auto, and in this process where "
        "there can be none; or false",
    )
    row_timeout: float | None = option(
        None,
        "seconds that worker processes may decode for one row, video and sound together (default: 120)",
        rule="seconds",
    )
    row_memory: int | None = option(
        None, "MiB that decoding may take in a worker process (default: 2048)", rule="count"
    )


@dataclass(frozen=True, kw_only=True)
class ColumnOptions:
    """Names of the columns that are read from a table, and written to it."""

    video_key: str = option("video_path", "column of the videos")
    start_key: str | None = option(None, "column of where each row's segment starts, in seconds (default: none)")
    end_key: str | None = option(None, "column of where each row's segment ends, in seconds (default: none)")
    status_key: str = option("status", "column to write what became of each row to", written=True)
    message_key: str = option("message", "column to write warnings and reasons to", written=True)
    warnings_key: str | None = option(
        None,
        "column to write the codes of warnings to, with counts (default: warnings, or as status_key is called, with "
        "warnings for status)",
        written=True,
    )

    @property
    def warnings_column(self) -> str:
        """Name of the column of warnings: as ``warnings_key`` says, or after ``status_key``."""
        if self.warnings_key is not None:
            return self.warnings_key
        return warnings_column(self.status_key)


@dataclass(frozen=True, kw_only=True)
class SharedOptions(ColumnOptions, LimitOptions, RunningOptions, ModelOptions, StreamOptions, SamplingOptions):
    """Options of every metric."""


@dataclass(frozen=True, kw_only=True)
class CaptionOptions(SharedOptions):
    """Options of every metric of captions whose texts and images one model embeds."""

    clip_model_path: Any = option(
        DEFAULT_MODEL,
        "image-text model: hub id (id@revision), local folder, OpenAI name such as ViT-B/32, or toy",
        names="model",
    )
    encoder: Any = option(
        None, "an encoder, or its spec, in place of clip_model_path: {encoders}", names="model", kind="encoder"
    )
    preset: str | None = option(
        None,
        "option values of a published metric, for what is not given: emscore, factvc, pac-s or clipscore; a scorer "
        "takes those that suit it",
        changes_scores=False,  # the values themselves do
    )
    prompt: str = option("", "words put before every caption and reference (CLIPScore's: 'A photo depicts ')")
    resize: Resize = option(
        "auto", "what shrinks images: auto (torchvision where it loads), torchvision, or pil, as published code does"
    )
    long_text: LongText = option("windows", "captions beyond the model's context: windows, truncate or error")
    reference_bank: Any = option(
        None,
        "file of other captions, written by vqe bank build: adds caption_percentile, the share of them that fit a "
        "row's video less than its own caption (default: none)",
        names="file",
    )
    candidate_key: str = option("candidate", "column of the captions")
    reference_key: str = option("reference", "column of the reference captions")

    @property
    def model(self) -> Any:
        """The model that the options name.

        Raises:
            InputError: two models.
        """
        if self.encoder is not None and self.clip_model_path != DEFAULT_MODEL:
            raise InputError(f"encoder and clip_model_path ({self.clip_model_path!r}) exclude each other; give one")
        return self.clip_model_path if self.encoder is None else self.encoder

    def sampler_for(self, encoder: Any) -> FrameSampler:
        """Return the sampler that the options name; else, of an encoder of clips, as many frames as a clip has."""
        frames = getattr(encoder, "clip_frames", None)
        return self.frame_sampler if frames is None or self.chooses_frames else UniformSampler(frames)


GROUPS: tuple[tuple[str, type], ...] = (
    ("which frames", SamplingOptions),
    ("which streams", StreamOptions),
    ("models", ModelOptions),
    ("how to run", RunningOptions),
    ("what a file may cost", LimitOptions),
    ("columns of the table", ColumnOptions),
)


def group_of(name: str) -> str | None:
    """Return the title of the group that an option belongs to, None for one of a single metric."""
    return next((title for title, group in GROUPS if name in {field.name for field in dataclasses.fields(group)}), None)


def help_of(field: dataclasses.Field[Any], scorer: Any) -> str:
    """Return the help of an option, the components that it may choose by the names that are registered."""
    text: str = field.metadata["help"]
    kinds = ("sampler", "reader", "encoder", "describer", "judge", "caption_judge")
    known = {f"{kind}s": ", ".join(registry.names(kind)) for kind in kinds}
    return text.format(**known, default_frame_num=scorer.default_frame_num) if "{" in text else text


def check_options(options: SharedOptions) -> None:
    """Check the options of a scorer by the types and rules of its fields, and build its components once.

    Raises:
        InputError, InputTypeError: one breaks its rule.
    """
    for field in dataclasses.fields(options):
        if field.metadata.get("rule") == "stream":
            object.__setattr__(options, field.name, stream_named(field.name, getattr(options, field.name)))
        else:
            _check_option(field, getattr(options, field.name), _types(type(options))[field.name])  # type: ignore[arg-type]
    if options.cache_dir is not None and not isinstance(options.cache_dir, str | os.PathLike):
        raise InputTypeError(f"cache_dir ({options.cache_dir!r}) must be the path of a folder, or None for no cache")
    _check_isolation(options)
    reader, sampler = options.video_reader, options.frame_sampler
    if options.sampler is not None:  # a spec and its object are the same, also for whoever compares two scorers
        object.__setattr__(options, "sampler", sampler)
    if options.reader is not None:
        object.__setattr__(options, "reader", reader)
    plain_numbers(options)


def stream_named(name: str, value: Any) -> int | str | None:
    """Return an option that names a stream, an index in digits as a number: that is how a command line gives it.

    Raises:
        InputError: it names none.
    """
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    check_stream(name, value)
    return value  # type: ignore[no-any-return]


def _check_isolation(options: SharedOptions) -> None:
    """Refuse a limit on decoding that cannot hold: it holds in worker processes alone."""
    isolate = "auto" if options.isolate is None else options.isolate
    if not isinstance(isolate, bool) and isolate != "auto":
        raise InputError(f"isolate ({isolate!r}) must be 'auto', True or False")
    object.__setattr__(options, "isolate", isolate)
    limits = {"row_timeout": options.row_timeout, "row_memory": options.row_memory}
    given = " and ".join(f"{name} ({value!r})" for name, value in limits.items() if value is not None)
    if not given:
        return
    if isolate is False:
        raise InputError(f"{given} cannot hold with isolate=False: only a worker process can be ended; leave one out")
    if os.name != "posix":
        raise InputError(f"{given} cannot hold on this system, which has no worker processes; leave it out")


def literal_of(field: dataclasses.Field[Any], scorer: Any) -> tuple[str, ...]:
    """Return the words that an option of a scorer may be by its type; none where it is no closed set."""
    choice = _closed_set(_types(scorer)[field.name])
    return () if choice is None else typing.get_args(choice)


def _closed_set(kind: Any) -> Any:
    kinds = [each for each in typing.get_args(kind) if each is not type(None)]
    choice = kinds[0] if len(kinds) == 1 and typing.get_origin(kinds[0]) is Literal else kind  # of Literal[...] | None
    return choice if typing.get_origin(choice) is Literal else None


def _check_option(field: dataclasses.Field[Any], value: Any, kind: Any) -> None:
    choice = _closed_set(kind)
    if choice is not None and (value is not None or choice is kind):
        check_choice(field.name, value, choice)
    rule = field.metadata.get("rule")
    if rule is None or (value is None and field.default is None):
        return
    if rule == "count":
        check_count(field.name, value)
    elif rule == "seconds":
        check_positive(field.name, value, "seconds")
    else:
        check_number(field.name, value)
        if rule == "share" and not 0 <= value <= 1:
            raise InputError(f"{field.name} ({value!r}) must be between 0 and 1")


@cache
def _types(options: type[SharedOptions]) -> dict[str, Any]:
    return typing.get_type_hints(options)
