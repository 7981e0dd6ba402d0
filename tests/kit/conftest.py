"""What every test of integrations gets: patience."""

from __future__ import annotations

from tests.support.waiting import be_patient

be_patient()
