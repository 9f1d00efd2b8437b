"""The metrics as operators of DataFlow, in place of DataFlow-MM's ``EMScoreEval`` and ``VideoAudioSimilarity``.

Needs the package open-dataflow where an operator is made; importing this does not. The operators are in
``OPERATOR_REGISTRY`` as ``VqeEMScoreEval`` and ``VqeVideoAudioSimilarity``: the registry silently keeps the first
class of a name, so that under their own names an import would decide whose operator a pipeline gets. ``register()``
enters them under their own names.
"""

from __future__ import annotations

from vqe_core.integrations.dataflow.emscore_eval import EMScoreEval
from vqe_core.integrations.dataflow.score_operator import register_plain, register_prefixed
from vqe_core.integrations.dataflow.video_audio import VideoAudioSimilarity

__all__ = ["EMScoreEval", "VideoAudioSimilarity", "register"]

OPERATORS = (EMScoreEval, VideoAudioSimilarity)

register_prefixed(OPERATORS)


def register(*, replace: bool = False) -> list[str]:
    """Enter the operators into ``OPERATOR_REGISTRY`` as ``EMScoreEval`` and ``VideoAudioSimilarity``.

    Args:
        replace: also where another class, such as DataFlow-MM's, has the name.

    Returns:
        The names.

    Raises:
        MissingPackageError: open-dataflow is not installed.
        InputError: another class has one of the names, and ``replace`` is False; then nothing is entered.
    """
    return register_plain(OPERATORS, replace=replace)
