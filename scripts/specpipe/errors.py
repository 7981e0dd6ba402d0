"""What a failing step says: which step, which JSON pointer, what to do."""

from __future__ import annotations


class SpecError(Exception):
    """A description, a patch or a name that cannot be worked with.

    Args:
        message: What is wrong, in one sentence.
        pointer: JSON pointer of the place in the document, or "" for the whole of it.
        hint: What the maintainer can do about it.
        step: The pipeline step that found it; `pipeline.run` fills it in.
    """

    def __init__(self, message: str, *, pointer: str = "", hint: str = "", step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer
        self.hint = hint
        self.step = step

    def __str__(self) -> str:
        lines = [f"{self.step}: {self.message}" if self.step else self.message]
        if self.pointer:
            lines.append(f"  at    {self.pointer}")
        if self.hint:
            lines.append(f"  do    {self.hint}")
        return "\n".join(lines)
