"""The peer connection of a call: ICE, DTLS, SRTP and SCTP by aiortc. Loaded when the first call comes."""
