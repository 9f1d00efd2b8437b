"""Components by name, resolved on first use, and the text form of a component with its options.

A component is a frozen dataclass: its fields are its options. It is registered as ``"package.module:attribute"``, so
that listing names imports nothing heavy; the built-in ones are the lines at the end of this file. Other packages
register through entry points of the group ``vqe_core.<kind>``.

Its spec is its text form, ``"scene:threshold=10"``: the name, then the options that are not at their default. Wherever
a component is chosen, an object and its spec mean the same.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import types
import typing
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal

from vqe_core.errors import InputError, InputTypeError
from vqe_core.options import did_you_mean

_TARGETS: dict[str, dict[str, str]] = {}


def register(kind: str, name: str, target: str) -> None:
    """Register ``target`` (``"module:attribute"``) as the ``kind`` component called ``name``.

    Raises:
        InputError: the name is taken by another target.
    """
    known = _TARGETS.setdefault(kind, {})
    if known.get(name, target) != target:
        raise InputError(f"{kind} {name!r} is registered as {known[name]!r} already, got {target!r}")
    known[name] = target


def kinds() -> tuple[str, ...]:
    """Return the kinds of components, in order of registration."""
    return tuple(_TARGETS)


def names(kind: str) -> tuple[str, ...]:
    """Return the names registered for ``kind``: those of installed packages first, then our own, in order."""
    return tuple(_known(kind))


def load(kind: str, name: str) -> Any:
    """Import and return the component class called ``name``.

    Raises:
        InputError: no such name.
    """
    known = _known(kind)
    if name not in known:
        near = did_you_mean(name, known)
        raise InputError(f"{kind} {name!r} is not known; use one of {', '.join(sorted(known))}{near}")
    module, _, attribute = known[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def is_own(kind: str, name: str) -> bool:
    """Tell whether a component was registered here, not by an installed package."""
    return name in _TARGETS.get(kind, {})


def _known(kind: str) -> dict[str, str]:
    return {**_plugins(kind), **_TARGETS.get(kind, {})}


@cache  # looking through all installed packages takes a tenth of a second
def _plugins(kind: str) -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=f"vqe_core.{kind}")}


def create(kind: str, spec: str) -> Any:
    """Build the component that a spec names.

    Args:
        kind: for example ``"sampler"``.
        spec: ``"name"`` or ``"name:option=value,option=value"``. Values are read by the type of the option;
            ``none`` is None where the option may be that.

    Raises:
        InputError: no such name or option, a value that cannot be read, or one that breaks the component's own rule.

    Example:
        >>> create("sampler", "scene:threshold=10")
        SceneSampler(threshold=10.0)
    """
    name, _, written = spec.partition(":")
    component = load(kind, name)
    options = {field.name: field for field in option_fields(component)}
    values = {}
    for entry in _entries(written, options):
        option, equals, text = entry.partition("=")
        if option not in options or not equals:
            takes = ", ".join(options) or "no option"
            raise InputError(f"{kind} {spec!r}: {entry!r} must be option=value; {kind} {name!r} takes {takes}")
        values[option] = _read(f"{kind} {name!r}: {option}", text, _types(component)[option])
    absent = [option for option, field in options.items() if _is_required(field) and option not in values]
    if absent:
        raise InputError(f"{kind} {spec!r} needs {absent[0]}: write {name}:{absent[0]}=..., or give an object")
    return component(**values)


def _entries(written: str, options: typing.Collection[str]) -> list[str]:
    """Split at the commas that stand before another option, so that an address or a sentence may hold some.

    A text in double quotes, as JSON has it, is taken whole.
    """
    entries, rest = [], written
    another = re.compile(rf",(?=(?:{'|'.join(map(re.escape, options))})=)") if options else None
    while rest:
        start = rest.find('="') + 1
        quoted = 0 < start <= len(rest.partition("=")[0]) + 1
        begin = start + _length_of_quoted(rest[start:]) if quoted else 0
        comma = another.search(rest, begin) if another else None
        entries.append(rest if comma is None else rest[: comma.start()])
        rest = "" if comma is None else rest[comma.end() :]
    return entries


def _length_of_quoted(text: str) -> int:
    try:
        return json.JSONDecoder().raw_decode(text)[1]
    except ValueError:
        return 0  # a text that only begins so


def spec_of(component: Any) -> str:
    """Return the text form of a component: ``create(kind, spec_of(component)) == component``.

    Raises:
        InputTypeError: an option holds what no text stands for, for example a function.

    Example:
        >>> from vqe_core.samplers import SceneSampler
        >>> spec_of(SceneSampler()), spec_of(SceneSampler(threshold=10))
        ('scene', 'scene:threshold=10.0')
    """
    options = {field.name for field in option_fields(type(component))}
    written = [
        f"{field.name}={_written(component, field.name, options)}"
        for field in option_fields(type(component))
        if _is_required(field) or getattr(component, field.name) != _default(field)
    ]
    name: str = component.name
    return name + (f":{','.join(written)}" if written else "")


def choose(kind: str, value: Any, *, option: str, methods: tuple[str, ...]) -> Any:
    """Return the component that a user gave: an object as it is, a spec as the object that it names.

    Args:
        kind: for example ``"sampler"``.
        value: an object or a spec.
        option: that it was given for, for messages.
        methods: that an object of this kind must have.

    Raises:
        InputError: a spec that names nothing.
        InputTypeError: neither a spec nor an object with these methods; a class, for example.
    """
    if isinstance(value, str):
        return create(kind, value)
    if isinstance(value, type) or not all(callable(getattr(value, method, None)) for method in methods):
        given = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise InputTypeError(
            f"{option} must be the name of a {kind} ({', '.join(names(kind))}), alone or with options as in "
            f"'name:option=value', or an object with {' and '.join(methods)}, got {given}"
        )
    return value


def option_fields(component: Any) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a component that are options of it, in order; none of what is no dataclass."""
    if not dataclasses.is_dataclass(component):
        return ()
    return tuple(field for field in dataclasses.fields(component) if field.init and field.metadata.get("option", True))


def not_an_option(default: Any = dataclasses.MISSING, *, factory: Any = dataclasses.MISSING) -> Any:
    """Return a dataclass field that is no option of a component: what it was opened with, or a bound on resources."""
    return dataclasses.field(default=default, default_factory=factory, metadata={"option": False})


def qualified_name(function: Any) -> str:
    """Return module and name of a user's function, which stand for it in signatures."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{getattr(function, '__module__', named.__module__)}.{named.__qualname__}"


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


@cache
def _types(component: Any) -> dict[str, Any]:
    return typing.get_type_hints(component)


def _written(component: Any, option: str, options: set[str]) -> str:
    value = getattr(component, option)
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise InputTypeError(f"{option} ({value!r}) of {component.name!r} has no text form; give the object itself")
    text = str(value)
    ambiguous = text.lower() == "none" or text.startswith('"') or len(_entries(text, options)) > 1
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) and ambiguous else text


def _read(what: str, text: str, kind: Any) -> Any:
    """Read the value of an option by its type; what is neither number nor truth value stays text."""
    allowed = typing.get_args(kind) if isinstance(kind, types.UnionType) or _is_optional(kind) else (kind,)
    if type(None) in allowed and text.lower() == "none":
        return None
    if bool in allowed:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{what} ({text!r}) must be true or false")
        return text.lower() == "true"
    for number in (int, float):
        if number in allowed:
            try:
                return number(text)
            except ValueError:
                if float in allowed and number is int:
                    continue
                must = "a whole number" if number is int else "a number"
                raise InputError(f"{what} ({text!r}) must be {must}") from None
    for choice in (item for item in allowed if typing.get_origin(item) is Literal):
        if text not in typing.get_args(choice):
            raise InputError(f"{what} ({text!r}) must be one of {', '.join(map(str, typing.get_args(choice)))}")
    quoted = text.startswith('"') and _length_of_quoted(text) == len(text)
    return json.loads(text) if quoted else text


def _is_optional(kind: Any) -> bool:
    return typing.get_origin(kind) is typing.Union


register("sampler", "uniform", "vqe_core.samplers.index_based:UniformSampler")
register("sampler", "middle", "vqe_core.samplers.index_based:MiddleSampler")
register("sampler", "every_n_seconds", "vqe_core.samplers.time_based:EveryNSecondsSampler")
register("sampler", "every_n_frames", "vqe_core.samplers.index_based:EveryNFramesSampler")
register("sampler", "all_keyframes", "vqe_core.samplers.content_based:AllKeyframesSampler")
register("sampler", "scene", "vqe_core.samplers.content_based:SceneSampler")
register("sampler", "all", "vqe_core.samplers.index_based:AllFramesSampler")

register("reader", "pyav", "vqe_core.media.video.pyav_reader:PyAVReader")
register("reader", "nvdec", "vqe_core.media.video.nvdec_reader:NvdecReader")
# Chosen by the source, not by a user.
register("source_reader", "frames", "vqe_core.media.video.reader:FramesReader")
register("source_reader", "torchcodec", "vqe_core.media.video.torchcodec_reader:TorchcodecReader")

# Families of checkpoints: the name is the checkpoint's `model_type`.
register("encoder", "clip", "vqe_core.encoders.clip:ClipEncoder")
register("encoder", "metaclip_2", "vqe_core.encoders.clip:ClipEncoder")
register("encoder", "chinese_clip", "vqe_core.encoders.clip:ChineseClipEncoder")
register("encoder", "altclip", "vqe_core.encoders.clip:AltClipEncoder")
register("encoder", "siglip", "vqe_core.encoders.clip:SiglipEncoder")
register("encoder", "siglip2", "vqe_core.encoders.clip:SiglipEncoder")
# These embed whole clips, not single images.
register("encoder", "xclip", "vqe_core.encoders.x_clip:XClipEncoder")
register("encoder", "videoprism", "vqe_core.encoders.videoprism:VideoPrismEncoder")
register("encoder", "pe_video", "vqe_core.encoders.pe_video:PeVideoEncoder")
register("encoder", "pe_audio_video", "vqe_core.encoders.pe_video:PeAvVideoEncoder")

register("audio_encoder", "clap", "vqe_core.encoders.clap:ClapEncoder")
register("tagger", "clap", "vqe_core.encoders.clap:ClapEncoder")
register("tagger", "audio-spectrogram-transformer", "vqe_core.encoders.ast:AstTagger")
register("joint_encoder", "pe_audio_video", "vqe_core.encoders.pe_av:PeAvEncoder")
register("joint_encoder", "embedding_gemma2", "vqe_core.encoders.embedding_gemma2:EmbeddingGemma2Encoder")
register("joint_encoder", "clip", "vqe_core.encoders.clip_clap:ClipClapJoint")

register("describer", "function", "vqe_core.llm.describer:FunctionDescriber")
register("describer", "endpoint", "vqe_core.llm.describer:EndpointDescriber")

register("judge", "function", "vqe_core.llm.judge:FunctionJudge")
register("judge", "endpoint", "vqe_core.llm.judge:EndpointJudge")

register("caption_judge", "function", "vqe_core.llm.caption_judge:FunctionCaptionJudge")
register("caption_judge", "endpoint", "vqe_core.llm.caption_judge:EndpointCaptionJudge")
register("caption_judge", "toy", "vqe_core.toy.judge:ToyCaptionJudge")

register("scorer", "emscore", "vqe_core.scorers.emscore.scorer:EMScore")
register("scorer", "clip_score", "vqe_core.scorers.clip_score:CLIPScore")
register("scorer", "caption_judge", "vqe_core.scorers.caption_judge:CaptionJudgeScore")
register("scorer", "video_audio_similarity", "vqe_core.scorers.video_audio.scorer:VideoAudioSimilarity")

register("engine", "local", "vqe_core.run.engines.local:LocalEngine")
register("engine", "ray", "vqe_core.run.engines.ray:RayEngine")
register("benchmark", "vatex-eval", "vqe_core.meta_eval.vatex_eval:VatexEval")
register("benchmark", "activitynet-foil", "vqe_core.meta_eval.activitynet_foil:ActivityNetFoil")
register("benchmark", "activitynet-fact", "vqe_core.meta_eval.factvc:ActivityNetFact")
register("benchmark", "youcook2-fact", "vqe_core.meta_eval.factvc:YouCook2Fact")
register("benchmark", "flickr8k-expert", "vqe_core.meta_eval.flickr8k:Flickr8kExpert")
register("benchmark", "flickr8k-cf", "vqe_core.meta_eval.flickr8k:Flickr8kCF")
register("benchmark", "msvd-eval", "vqe_core.meta_eval.msvd_eval:MsvdEval")
