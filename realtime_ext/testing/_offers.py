"""An SDP offer for tests that need one, but no peer behind it."""

from __future__ import annotations

# As Chromium writes it for one microphone and a data channel; the address is one for documentation (RFC
# 5737), which has no host.
_TRANSPORT = """\
c=IN IP4 192.0.2.17
a=candidate:404552435 1 udp 2122194687 192.0.2.17 52254 typ host generation 0
a=ice-ufrag:test
a=ice-pwd:notasecretnotasecretno
a=ice-options:trickle
a=fingerprint:sha-256 FF:9F:60:57:BC:29:BF:50:54:3A:B4:25:4B:AE:48:23:\
0E:7B:0B:DF:64:A2:75:84:69:33:C5:15:11:9D:AE:43
a=setup:actpass
"""
_OFFER = f"""\
v=0
o=- 4060128980531232689 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS 9dc097fc-5de7-48aa-b350-04e2f10f6569
m=audio 52254 UDP/TLS/RTP/SAVPF 111 0 8
{_TRANSPORT}a=rtcp:9 IN IP4 0.0.0.0
a=mid:0
a=sendrecv
a=msid:9dc097fc-5de7-48aa-b350-04e2f10f6569 d9233987-6366-4a2d-b5b2-499f1e35c4c0
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=ssrc:3663431873 cname:8dVKCeJ4/NHPkOH1
m=application 52254 UDP/DTLS/SCTP webrtc-datachannel
{_TRANSPORT}a=mid:1
a=sctp-port:5000
a=max-message-size:262144
"""


def sample_offer() -> str:
    """Return an SDP offer that the API accepts: audio in both directions and a data channel for events.

    It is the same each time, so recordings of requests match. No peer is behind it: a call that is created
    with it never connects.

    Example:
        ```python
        call = client.calls.create(sample_offer())
        ```
    """
    return _OFFER.replace("\n", "\r\n")
