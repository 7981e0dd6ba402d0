"""Answers that come bit by bit: text by the sentence, to be spoken while the next one is still generated."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing

from realtime_simulator._engine.plan import Utterance
from realtime_simulator._engine.turn import Action
from realtime_simulator._scenario.rules import Answer, actions

_LEAST = 12
"""The fewest characters of a sentence: "Mr." or "1." is not one."""
MOST = 400
"""A sentence without an end is cut at a blank after this many characters."""
# The blanks distinguish the end of a sentence from the point in "3.5", and belong to the next one.
_END = re.compile(r"""[.!?…]+["'”’»)\]]*\s+|[。！？]+["'”’»）」]*\s*|\n\s*""")


class Sentences:
    """Cuts a text that comes in pieces into sentences, which join to it again."""

    def __init__(self) -> None:
        self._rest = ""

    def push(self, piece: str) -> list[str]:
        """Return the sentences that are whole now."""
        self._rest += piece
        cut, start = [], 0
        for end in _END.finditer(self._rest):
            sentence = self._rest[start : end.end()].rstrip()
            # A closing quotation mark may still come.
            if end.end() < len(self._rest) and len(sentence.lstrip()) >= _LEAST:
                cut.append(sentence)
                start += len(sentence)
        self._rest = self._rest[start:]
        while len(self._rest) > MOST:
            blank = self._rest.rfind(" ", 1, MOST)
            end_of_part = blank if blank > 0 else MOST
            cut.append(self._rest[:end_of_part])
            self._rest = self._rest[end_of_part:]
        return cut

    def flush(self) -> list[str]:
        """Return the rest, without trailing blanks."""
        rest, self._rest = self._rest.rstrip(), ""
        return [rest] if rest else []


async def streamed(answer: AsyncIterator[Answer], *, by_sentence: bool) -> AsyncGenerator[Action]:
    """Yield the actions of an answer as soon as they are known.

    Args:
        answer: Pieces of text, which make one message until something else comes, and further actions.
        by_sentence: Whether text is yielded by the sentence, to be spoken; otherwise at once.
    """
    sentences, joins = Sentences(), False
    async with AsyncExitStack() as stack:
        if isinstance(answer, AsyncGenerator):
            await stack.enter_async_context(aclosing(answer))
        async for one in answer:
            if isinstance(one, str):
                for text in sentences.push(one) if by_sentence else filter(None, [one]):
                    yield Utterance(text, joins=joins)
                    joins = True
                continue
            for text in sentences.flush():
                yield Utterance(text, joins=joins)
            joins = False
            for action in actions(one):
                yield action
        for text in sentences.flush():
            yield Utterance(text, joins=joins)
