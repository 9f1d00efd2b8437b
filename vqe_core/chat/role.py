"""What a chat model is asked for: the words of messages and status words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """A role that a model plays.

    Attributes:
        name: ``describer`` or ``judge``; status words and fields of signatures begin with it.
        doing: what it does, for a progress bar.
        item: what it is asked about.
        bad_answer: status word of an answer that is not what was asked for.
        needs: what the model must be able to take, for messages.
    """

    name: str
    doing: str
    item: str
    bad_answer: str
    needs: str

    def code(self, what: str) -> str:
        """The status word of a failure: ``timeout``, ``unreachable``, ``refused`` or ``failed``."""
        return f"{self.name}_{what}"


DESCRIBER = Role("describer", "describing", "sound", "bad_description", "input_audio")
JUDGE = Role("judge", "judging", "clip", "bad_judgement", "image_url and input_audio")
