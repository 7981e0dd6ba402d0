"""Which client a test of both uses, where one shows what is to be shown.

Both build requests and parse responses with the same functions, and `test_parity.py` compares their methods.
"""

from __future__ import annotations

import pytest

#: The sync client alone, in place of both in turn.
IN_SYNC = pytest.mark.parametrize("runner", ["sync"], indirect=True)
#: Both clients in turn, in folders where tests have one of them otherwise.
IN_BOTH = pytest.mark.parametrize("runner", ["sync", "async"], indirect=True)
