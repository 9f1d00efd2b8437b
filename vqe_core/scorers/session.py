"""The options that say how a call runs, not what it scores."""

from __future__ import annotations

import os

from vqe_core.cache import open_cache
from vqe_core.choices import Backend, Decoder, check_choice
from vqe_core.embed import EmbedSettings, FrameViews
from vqe_core.errors import InputTypeError
from vqe_core.media.nvdec_reader import check_nvdec
from vqe_core.samplers import check_count
from vqe_core.samplers.protocol import check_positive
from vqe_core.scorers.options import SharedOptions


def check_running(options: SharedOptions) -> None:
    """Check the options that every metric takes on how to run.

    Raises:
        InputError: one breaks its rule.
    """
    check_count("max_frames", options.max_frames)
    if options.batch_size is not None:
        check_count("batch_size", options.batch_size)
    check_choice("backend", options.backend, Backend)
    check_choice("decoder", options.decoder, Decoder)
    check_positive("row_timeout", options.row_timeout, "seconds")
    if options.cache_dir is not None and not isinstance(options.cache_dir, str | os.PathLike):
        raise InputTypeError(f"cache_dir ({options.cache_dir!r}) must be the path of a folder, or None for no cache")


def embed_settings(options: SharedOptions, views: FrameViews | None = None) -> EmbedSettings:
    """What the embedding code needs of the options.

    Raises:
        InputError: ``cache_dir`` is a file, or ``decoder`` cannot work here.
        MissingPackageError: ``decoder`` needs a package.
    """
    if options.decoder == "nvdec":
        check_nvdec()
    return EmbedSettings(
        max_frames=options.max_frames,
        batch_size=options.batch_size,
        views=views or FrameViews(),
        cache=open_cache(options.cache_dir),
        isolate=options.isolate,
        row_timeout=options.row_timeout,
        decoder=options.decoder,
    )
