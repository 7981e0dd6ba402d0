"""The server's end of one WebSocket: uvicorn's protocol over `websockets`, kept from talking.

Its logger would write every header, and so keys, to whoever asks for debug records. This module must not
know of sessions.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import State

from realtime_simulator.outgoing import SILENT
from realtime_simulator.resets import with_reset


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol without its log.

    Args:
        config: The server's configuration.
        server_state: What its connections share.
        app_state: The application's state.
        _loop: The event loop; the running one if None.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app = with_reset(self.app, lambda: self.transport)
        self.logger = SILENT
        self.conn.logger = SILENT
        self.conn.debug = False

    def shutdown(self) -> None:
        """Close with 1012; for one that is closing already, which uvicorn would stumble over, just go."""
        if self.handshake_complete and self.conn.state is not State.OPEN:
            self.stop_keepalive()
            self.transport.close()
        else:
            super().shutdown()
