"""Captions by a judge that sees: sampled frames and the caption to a model, a function or a serving, one number a row.

``vqe_core.llm`` asks and reads; here rows become what is shown, each distinct video is read once a call, and equal
questions are asked once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from vqe_core.errors import InputError, Result, VqeError, attempt
from vqe_core.options import check_positive, option
from vqe_core.scorers.base import Scorer
from vqe_core.scorers.call import Call, Input
from vqe_core.scorers.fingerprint import environment
from vqe_core.scorers.report import ResultNames, RowOutcome, ScoreReport, as_outcome, assemble_report
from vqe_core.scorers.row_errors import FaultWatch, report_failures
from vqe_core.scorers.rows import CaptionRow, check_references, check_text, read_video

if TYPE_CHECKING:
    import numpy as np

    from vqe_core.llm.caption_judge import CaptionJudge
    from vqe_core.media import Video
    from vqe_core.types import Frames, MediaSource
    from vqe_core.workers import DecodeWorker, WorkerPool

CHUNK_ROWS = 32  # whose images are held at one time
MOST_FRAMES = 32  # of one video: each is paid for, by whoever runs the model
# Qwen2.5-VL makes a token of 28 x 28 pixels; others count otherwise, so that tokens are an order of magnitude.
TOKEN_EDGE = 28
LETTERS_A_TOKEN = 4
ANSWER_TOKENS = 40


@dataclass(frozen=True)
class JudgingCost:
    """Cost of judging rows, before anything is asked; kept answers would lower it.

    Attributes:
        rows: that can be asked about, as far as can be told before a frame is decoded.
        requests: distinct questions: rows of one video, one caption and the same references are one.
        images: shown in all requests.
        tokens: read and written by the model, roughly: images of at most 512 pixels as squares of 28, four letters a
            token.
    """

    rows: int
    requests: int
    images: int
    tokens: int

    def __str__(self) -> str:
        return f"{self.rows} rows: {self.requests} requests, {self.images} images, about {self.tokens:,} tokens"


@dataclass(frozen=True, kw_only=True)
class CaptionJudgeScore(Scorer):
    """Caption judge: does a caption fit a video, by a model that is shown both?

    ``caption_judge`` is the judge's number, from 0 to 1, and ``caption_judge_reason`` its reason, on one line.
    References are shown where a row has some. The numbers of two judges, or of two prompts, are not comparable.

    Source:
        Zero-shot judging, and the check of objects and actions in the manner of Dipta et al., "Advancing Reference-free
        Evaluation of Video Captions with Factual Analysis" (VC-Inspector), arXiv 2509.16538; the words are our own.

    Example:
        >>> import numpy as np
        >>> red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 40, 40], np.uint8)
        >>> def judge(frames, timestamps, caption, references):
        ...     return float("red" in caption), f"{len(frames)} frames seen"
        >>> result = CaptionJudgeScore(judge=judge, per_sample=True).compute(predictions=["a red square"], videos=[red])
        >>> result["caption_judge"], result["samples"]["caption_judge_reason"]
        (1.0, ['4 frames seen'])
    """

    name: ClassVar[str] = "caption_judge"
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("predictions", "candidate_key", "text", required=True),
        Input("references", "reference_key", "texts"),
        Input("videos", "video_key", "video"),
    )
    words: ClassVar[tuple[str, ...]] = ("caption_judge_reason",)

    judge: Any = option(
        None, "what judges: {caption_judges}, or a function, a judge or a serving in Python", kind="caption_judge"
    )
    api_url: str | None = option(None, "OpenAI-compatible endpoint of a model that sees pictures (default: none)")
    model_name: str | None = option(None, "model at api_url")
    judge_prompt: str = option(
        "zero-shot", "what the model is told: zero-shot, vc-inspector (object by object, action by action), or a text"
    )
    show_references: bool = option(True, "show the judge the reference captions where a row has some")
    max_workers: int = option(8, "most requests to api_url at a time", rule="count", changes_scores=False)
    timeout: float = option(60.0, "seconds for one request to api_url", rule="seconds", changes_scores=False)
    retries: int = option(3, "how often a request that failed in passing is sent again", changes_scores=False)
    max_tokens: int = option(300, "longest answer of the model at api_url", rule="count")
    keep_answers: bool = option(
        True,
        "keep answers of a model behind an endpoint or a serving in cache_dir, else where the command caches, so that "
        "none is paid for twice",
        changes_scores=False,
    )
    candidate_key: str = option("candidate", "column of the captions")
    reference_key: str = option("reference", "column of the reference captions")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("timeout", self.timeout, "seconds")
        if self.judge is not None or self.api_url is not None:  # `evaluate.load` makes one before options are known
            _ = self._judge()

    def _judge(self) -> CaptionJudge:
        from vqe_core.scorers.llm_calls import caption_judge_for

        return caption_judge_for(self)

    def compute(self, *, predictions: Any, videos: Any = None, references: Any = None) -> dict[str, Any]:
        """Judge captions and return plain Python values, as the ``evaluate`` module does.

        Args:
            predictions: list of captions.
            videos: list of videos (path, bytes, ``{"path", "bytes", "start", "end"}``, uint8 frames (N, H, W, 3),
                PIL images, decoder).
            references: list of a string or a list of strings a row, None for a row without.

        Returns:
            Mean of ``caption_judge``, ``num_rows``, ``num_failed``, ``warnings`` (rows by code), ``signature``;
            ``samples``, with ``caption_judge_reason``, where asked for.

        Raises:
            VqeError: see ``score``.
        """
        result: dict[str, Any] = super().compute(predictions=predictions, videos=videos, references=references)
        return result

    def score(self, *, predictions: Any, videos: Any = None, references: Any = None) -> ScoreReport:
        """Judge captions; arguments as ``compute``.

        Raises:
            InputError: columns that cannot be judged at all.
            MediaError, InputError, ModelError, RowsFailedError: rows that cannot be judged, with ``on_error="raise"``.
        """
        report: ScoreReport = super().score(predictions=predictions, videos=videos, references=references)
        return report

    def estimate(self, *, predictions: Any, videos: Any, references: Any = None) -> JudgingCost:
        """Say what ``compute`` would ask for. Looks at each distinct video, decodes a frame of it and asks nobody.

        Args: as ``compute``. Rows that cannot be judged do not count, whatever ``on_error`` says.
        """
        call = replace(self, on_error="skip").call(
            whole=True, predictions=predictions, videos=videos, references=references
        )
        return _Judging(self, call, self._judge()).cost()

    def result_names(self, given: Collection[str]) -> ResultNames:
        """Return the names of the columns."""
        if "videos" not in given:
            raise InputError("caption_judge shows videos to a judge; give videos")
        return ResultNames(("caption_judge",), texts=("caption_judge_reason",))

    def writes_score(self, name: str) -> bool:
        """Tell whether a score is called ``name``."""
        return name == "caption_judge"

    def read_row(self, cells: Mapping[str, Any], given: Collection[str]) -> CaptionRow:
        """Check one row; see ``Scorer.read_row``."""
        caption, video = check_text(cells["predictions"], "predictions"), read_video(cells["videos"])
        if video is None:
            raise InputError("videos (None) must hold a video; leave the row out", code="no_input")
        return CaptionRow(caption, check_references(cells["references"]) if self.show_references else (), video)

    def prepare(self, call: Call) -> _Judging:
        """Choose the judge; see ``Scorer.prepare``."""
        return _Judging(self, call, self._judge())

    def own_signature(self) -> dict[str, Any]:
        """Return the options that can change a score and are not the judge's; see ``Scorer.own_signature``."""
        from vqe_core.llm.judge_prompt import LONGEST_SIDE

        return {
            "pictures": f"{LONGEST_SIDE} pixels",
            "show_references": self.show_references,
        }


@dataclass(frozen=True, eq=False)
class _SeenVideo:
    """Images of one video as a judge is shown them; ``digest`` is equal for equal images and times."""

    frames: Frames
    timestamps: np.ndarray | None
    notes: tuple[str, ...]
    reader: str
    digest: bytes


@dataclass(eq=False)
class _Judging:
    """One call at work."""

    scorer: CaptionJudgeScore
    call: Call
    judge: CaptionJudge

    def outcomes(self) -> list[RowOutcome]:
        """Judge the rows, those of one video together; one that fails gives its error and is not asked about."""
        outcomes = [as_outcome(row) if isinstance(row, VqeError) else RowOutcome() for row in self.call.rows]
        watch = FaultWatch()
        for numbers, seen in self._chunks(watch):
            for i, outcome in zip(numbers, self._judged(numbers, seen), strict=True):
                outcomes[i] = outcome
        return outcomes

    def _chunks(self, watch: FaultWatch) -> Iterator[tuple[list[int], list[_SeenVideo | VqeError]]]:
        """Yield numbers of rows, and of each what is seen; the rows of one video come together and read it once."""
        from vqe_core.embed import EmbedSettings, progress_bar
        from vqe_core.workers import WorkerPool

        keys = self._keys()
        order = _grouped(keys)
        sources = [self.call.rows[i].video for i in order]
        held: dict[Hashable, _SeenVideo | VqeError] = {}
        with (
            WorkerPool.of(EmbedSettings.of(self.scorer), sources) as pool,
            progress_bar("captions", len(order), self.scorer.progress) as bar,
        ):
            for start in range(0, len(order), CHUNK_ROWS):
                numbers = order[start : start + CHUNK_ROWS]
                held = {keys[i]: held[keys[i]] for i in numbers if keys[i] in held}
                for i in numbers:
                    if keys[i] not in held:
                        held[keys[i]] = self._seen(i, keys[i], pool, watch)
                yield numbers, [held[keys[i]] for i in numbers]
                bar.update(len(numbers))

    def _keys(self) -> dict[int, Hashable]:
        """Return what tells the videos of the good rows apart, by the number of the row."""
        from vqe_core.media import source_identity

        good = {i: row for i, row in enumerate(self.call.rows) if isinstance(row, CaptionRow)}
        keys = {i: attempt(source_identity, row.video) for i, row in good.items()}
        # What cannot even be told apart is told when it is read.
        return {i: ("row", i) if isinstance(key, VqeError) else key for i, key in keys.items()}

    def _seen(self, row: int, key: Hashable, pool: WorkerPool, watch: FaultWatch) -> _SeenVideo | VqeError:
        with pool.worker() as worker:
            seen = watch.attempt(self._look_at, self.call.rows[row].video, key, pool, worker, self._sampled)
        if isinstance(seen, VqeError) and self.scorer.on_error == "raise":
            report_failures({row: seen}, len(self.call.rows), "raise")  # before the others are paid for
        return seen

    def _look_at(
        self,
        source: MediaSource,
        key: Hashable,
        pool: WorkerPool,
        worker: DecodeWorker | None,
        use: Callable[[Video], Result],
    ) -> Result:
        from vqe_core.workers import one_row, open_video_in

        with one_row(worker, pool.clock(key)):
            return open_video_in(worker, source, reader=self.scorer.video_reader).read(use)

    def _sampled(self, video: Video) -> _SeenVideo:
        import numpy as np

        from vqe_core.llm.judge_prompt import LONGEST_SIDE
        from vqe_core.media import gathered, shrunk
        from vqe_core.types import shape_of

        video, positions, note = self._positions(video)
        table = video.table
        frames = gathered([shrunk(frame.pixels, LONGEST_SIDE) for frame in video.frames(positions)])
        # The frame on display when a segment begins may have come before it.
        times = np.maximum(table.timestamps[positions] - table.start, 0.0) if table.has_clock else None
        about = f"{shape_of(frames)}:{None if times is None else times.tolist()}:"
        digest = hashlib.sha256(about.encode() + b"".join(image.tobytes() for image in frames)).digest()
        return _SeenVideo(frames, times, (*table.warnings, *([note] if note else [])), video.read_by, digest)

    def _positions(self, video: Video) -> tuple[Video, np.ndarray, str | None]:
        """Return the video, with differences if the sampler needs them, and the distinct frames that are shown."""
        import numpy as np

        from vqe_core.samplers import cap_positions

        sampler = self.scorer.frame_sampler
        if sampler.needs_differences:
            video = video.with_differences()
        positions, note = cap_positions(sampler.select(video.table), min(self.scorer.max_frames, MOST_FRAMES))
        return video, np.unique(positions), note

    def _judged(self, numbers: Sequence[int], seen: Sequence[_SeenVideo | VqeError]) -> Iterator[RowOutcome]:
        """Yield the outcome of each row of a chunk; equal questions are asked once."""
        from vqe_core.llm.client import CAPTION_JUDGE
        from vqe_core.llm.judge_prompt import JudgedCaption, as_judgement
        from vqe_core.scorers.llm_calls import ask_once

        rows: list[CaptionRow] = [self.call.rows[i] for i in numbers]
        asked = [(row, video) for row, video in zip(rows, seen, strict=True) if isinstance(video, _SeenVideo)]
        keys = [(video.digest, row.candidate, row.references) for row, video in asked]
        items = [JudgedCaption(v.frames, v.timestamps, row.candidate, row.references) for row, v in asked]
        answers = iter(ask_once(CAPTION_JUDGE, keys, items, self.judge.judge, as_judgement) if asked else [])
        for video in seen:
            if isinstance(video, VqeError):
                yield as_outcome(video)
                continue
            answer = next(answers)
            if isinstance(answer, VqeError):
                yield as_outcome(answer)
                continue
            scores, details = {"caption_judge": answer.score}, {"caption_judge_reason": answer.reason}
            yield RowOutcome(scores, video.notes, details, video.reader)

    def report(self, outcomes: Sequence[RowOutcome]) -> ScoreReport:
        """Make the report of the call."""
        readers = {outcome.reader for outcome in outcomes if outcome.reader}
        signature = self.scorer.signed({"judge": self.judge.signature()}, self.call.given)
        names = self.scorer.result_names(self.call.given)
        return assemble_report(outcomes, names, signature, environment=environment(readers=readers))

    def cost(self) -> JudgingCost:
        """Return what the call would ask for; see ``CaptionJudgeScore.estimate``."""
        from vqe_core.embed import EmbedSettings
        from vqe_core.workers import WorkerPool

        keys = self._keys()
        asked: dict[Hashable, int] = {}
        shown: dict[Hashable, tuple[int, int]] = {}
        sources = [self.call.rows[i].video for i in keys]
        with WorkerPool.of(EmbedSettings.of(self.scorer), sources) as pool, pool.worker() as worker:
            for i in _grouped(keys):
                row, key = self.call.rows[i], keys[i]
                if key not in shown:
                    counted = attempt(self._look_at, row.video, key, pool, worker, self._counted)
                    shown[key] = (0, 0) if isinstance(counted, VqeError) else counted
                if shown[key][0]:
                    asked[key, row.candidate, row.references] = i
        prompt = _tokens([str(self.judge.signature().get("judge_prompt", ""))])
        words = (_tokens([row.candidate, *row.references]) for row in (self.call.rows[i] for i in asked.values()))
        images = [shown[keys[i]] for i in asked.values()]
        tokens = sum(words) + sum(tokens for _, tokens in images) + len(asked) * (prompt + ANSWER_TOKENS)
        rows = sum(shown[key][0] > 0 for key in keys.values())
        return JudgingCost(rows, len(asked), sum(count for count, _ in images), tokens)

    def _counted(self, video: Video) -> tuple[int, int]:
        """Return how many images of a video would be shown, and about how many tokens they are."""
        import numpy as np

        from vqe_core.llm.judge_prompt import LONGEST_SIDE
        from vqe_core.media import shrunk

        video, positions, _ = self._positions(video)
        first = next(iter(video.frames(np.asarray(positions[:1]))))
        height, width = shrunk(first.pixels, LONGEST_SIDE).shape[:2]
        each = math.ceil(height / TOKEN_EDGE) * math.ceil(width / TOKEN_EDGE)
        return len(positions), len(positions) * each


def _grouped(keys: Mapping[int, Hashable]) -> list[int]:
    """Return the numbers of rows in the order in which their videos first appear."""
    first: dict[Hashable, int] = {}
    for i, key in keys.items():
        first.setdefault(key, i)
    return sorted(keys, key=lambda i: (first[keys[i]], i))


def _tokens(texts: Iterable[str]) -> int:
    return sum(math.ceil(len(text) / LETTERS_A_TOKEN) for text in texts)
