"""What is known of models beyond their names.

Names are an open set; only whole families are listed here, so that a dated release needs no change. This
module must not refuse anything.

Source: https://platform.openai.com/docs/models
"""

from __future__ import annotations

import re

__all__ = ["reasons"]

_DATE = r"(-\d{4}-\d\d-\d\d)?"
_WITH = re.compile(rf"gpt-realtime-2(\.\d+)?(-mini)?{_DATE}")
_WITHOUT = re.compile(
    rf"(gpt-realtime(-1\.5)?(-mini)?|gpt-4o(-mini)?-realtime-preview|gpt-audio(-1\.5)?(-mini)?){_DATE}"
)


def reasons(model: str) -> bool | None:
    """Whether a model reasons, and so takes `reasoning` and `parallel_tool_calls`.

    Args:
        model: Its name.

    Returns:
        None if nothing is known of it.
    """
    if _WITH.fullmatch(model):
        return True
    return False if _WITHOUT.fullmatch(model) else None
