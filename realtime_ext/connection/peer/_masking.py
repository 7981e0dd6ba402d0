"""What must not be seen in the log of the library below."""

from __future__ import annotations

import logging
import re

__all__ = ["mask_ice_passwords"]


class _MaskIcePasswords(logging.Filter):
    """aiortc logs whole descriptions at DEBUG; whoever has the ICE password could join the call."""

    _password = re.compile(r"(a=ice-pwd:)\S+")

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "a=ice-pwd:" in message:
            record.msg, record.args = self._password.sub(r"\1***", message), ()
        return True


_FILTER = _MaskIcePasswords()


def mask_ice_passwords() -> None:
    """Have ICE passwords masked from now on; once is enough, and more does no harm."""
    logging.getLogger("aiortc.rtcpeerconnection").addFilter(_FILTER)
