"""What every test of commands gets: patience."""

from __future__ import annotations

from tests.support.waiting import be_patient

be_patient()
