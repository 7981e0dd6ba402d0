"""Record the session descriptions beside this file anew, from Chromium and from aiortc.

    .venv/bin/python tests/samples/sdp/record.py

Needs a Chromium on PATH. Everything runs on this machine: no STUN server is asked, the page comes from a
loopback server. What is written is what the two programs made, byte for byte, but for the machine's own
addresses, which are replaced by those reserved for documentation (RFC 5737, RFC 3849). README.md tells what
each file is.
"""

from __future__ import annotations

import asyncio
import http.server
import ipaddress
import re
import shutil
import tempfile
import threading
import uuid
from pathlib import Path

import aioice.ice
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
]

# For the page: `offer` makes an offer and gathers its candidates, `connect` joins two connections.
PRELUDE = """
const restart = async pc => {
  const gathered = new Promise(
    done => pc.addEventListener("icecandidate", event => event.candidate || done()));
  await pc.setLocalDescription(await pc.createOffer({iceRestart: true}));
  await gathered;
  return pc.localDescription.sdp;
};
const offer = async pc => {
  await pc.setLocalDescription(await pc.createOffer());
  if (pc.iceGatheringState !== "complete")
    await new Promise(done => pc.addEventListener("icegatheringstatechange",
      () => pc.iceGatheringState === "complete" && done()));
  return pc.localDescription.sdp;
};
const connect = async (pc, far) => {
  await far.setRemoteDescription({type: "offer", sdp: await offer(pc)});
  await far.setLocalDescription(await far.createAnswer());
  if (far.iceGatheringState !== "complete")
    await new Promise(done => far.addEventListener("icegatheringstatechange",
      () => far.iceGatheringState === "complete" && done()));
  await pc.setRemoteDescription(far.localDescription);
  return far.localDescription.sdp;
};
const mic = async pc => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true});
  return pc.addTrack(stream.getTracks()[0], stream);
};
const camera = async pc => {
  const stream = await navigator.mediaDevices.getUserMedia({audio: true, video: true});
  stream.getTracks().forEach(track => pc.addTrack(track, stream));
};
const prefer = (pc, type) => {
  const all = RTCRtpReceiver.getCapabilities("audio").codecs;
  const first = all.filter(codec => codec.mimeType === type);
  pc.getTransceivers()[0].setCodecPreferences(first.concat(all.filter(codec => codec.mimeType !== type)));
};
"""

CHROMIUM = {
    "offer-chromium-audio": "await mic(pc); return offer(pc)",
    "offer-chromium-audio-datachannel": "await mic(pc); pc.createDataChannel('oai-events'); return offer(pc)",
    "offer-chromium-datachannel-first": (
        "pc.createDataChannel('oai-events'); await connect(pc, new RTCPeerConnection()); await mic(pc);"
        " return offer(pc)"
    ),
    "offer-chromium-video": "await camera(pc); pc.createDataChannel('oai-events'); return offer(pc)",
    "offer-chromium-recvonly": (
        "pc.addTransceiver('audio', {direction: 'recvonly'}); pc.createDataChannel('oai-events');"
        " return offer(pc)"
    ),
    "offer-chromium-sendonly": (
        "const sender = await mic(pc); pc.getTransceivers()[0].direction = 'sendonly'; return offer(pc)"
    ),
    "offer-chromium-pcmu": (
        "await mic(pc); pc.createDataChannel('oai-events'); prefer(pc, 'audio/PCMU'); return offer(pc)"
    ),
    "offer-chromium-pcma": "await mic(pc); prefer(pc, 'audio/PCMA'); return offer(pc)",
    "offer-chromium-trickle": (
        "await mic(pc); pc.createDataChannel('oai-events'); return (await pc.createOffer()).sdp"
    ),
    "offer-chromium-max-bundle": (
        "pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'}); await camera(pc);"
        " pc.createDataChannel('oai-events'); return offer(pc)"
    ),
    "offer-chromium-max-compat": (
        "pc = new RTCPeerConnection({bundlePolicy: 'max-compat'}); await mic(pc);"
        " pc.createDataChannel('oai-events'); return offer(pc)"
    ),
    "offer-chromium-balanced": (
        "pc = new RTCPeerConnection({bundlePolicy: 'balanced'}); await camera(pc);"
        " pc.createDataChannel('oai-events'); return offer(pc)"
    ),
    "offer-chromium-ice-restart": (
        "await mic(pc); pc.createDataChannel('oai-events'); await connect(pc, new RTCPeerConnection());"
        " return restart(pc)"
    ),
    "answer-chromium-audio-datachannel": (
        "await mic(pc); pc.createDataChannel('oai-events'); const far = new RTCPeerConnection();"
        " await mic(far); return connect(pc, far)"
    ),
    "refused-chromium-inactive": (
        "pc.addTransceiver('audio', {direction: 'inactive'}); pc.createDataChannel('oai-events');"
        " return offer(pc)"
    ),
    "refused-chromium-datachannel-only": "pc.createDataChannel('oai-events'); return offer(pc)",
    "refused-chromium-stopped": (
        "await mic(pc); pc.createDataChannel('oai-events'); await connect(pc, new RTCPeerConnection());"
        " pc.getTransceivers()[0].stop(); return offer(pc)"
    ),
}


class Blank(http.server.BaseHTTPRequestHandler):
    """One blank page; a microphone is given only to pages of a secure origin, as loopback is."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>SDP</title>")

    def log_message(self, format: str, *args: object) -> None:
        return


def record_chromium() -> dict[str, str]:
    """Let Chromium make each description, in a page of its own."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("no chromium on PATH; on Debian: apt-get install chromium")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = {}
    with sync_playwright() as playwright:
        for name, body in CHROMIUM.items():
            # A profile of its own each, so that none depends on those before.
            with tempfile.TemporaryDirectory() as profile:
                browser = playwright.chromium.launch_persistent_context(
                    profile, executable_path=path, headless=True, args=FLAGS
                )
                page = browser.new_page()
                page.goto(f"http://127.0.0.1:{server.server_port}/")
                script = f"async () => {{ {PRELUDE} let pc = new RTCPeerConnection(); {body} }}"
                found[name] = page.evaluate(script)
                browser.close()
    server.shutdown()
    return found


async def record_aiortc() -> dict[str, str]:
    """Let aiortc make each description; its ICE gathers from 127.0.0.1 alone."""
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    found = {}

    def peer(policy: RTCBundlePolicy = RTCBundlePolicy.BALANCED) -> RTCPeerConnection:
        return RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=policy))

    async def join(pc: RTCPeerConnection, far: RTCPeerConnection) -> None:
        await pc.setLocalDescription(await pc.createOffer())
        await far.setRemoteDescription(RTCSessionDescription(pc.localDescription.sdp, "offer"))
        await far.setLocalDescription(await far.createAnswer())
        await pc.setRemoteDescription(RTCSessionDescription(far.localDescription.sdp, "answer"))

    async def offer(name: str, pc: RTCPeerConnection) -> None:
        await pc.setLocalDescription(await pc.createOffer())
        found[name] = pc.localDescription.sdp
        await pc.close()

    pc = peer()
    pc.addTrack(AudioStreamTrack())
    await offer("offer-aiortc-audio", pc)

    pc = peer()
    pc.addTrack(AudioStreamTrack())
    pc.createDataChannel("oai-events")
    found["offer-aiortc-trickle"] = (await pc.createOffer()).sdp
    await offer("offer-aiortc-audio-datachannel", pc)

    pc, far = peer(), peer()
    pc.createDataChannel("oai-events")
    await join(pc, far)
    pc.addTrack(AudioStreamTrack())
    await offer("offer-aiortc-datachannel-first", pc)
    await far.close()

    pc = peer()
    pc.addTrack(AudioStreamTrack())
    pc.addTrack(VideoStreamTrack())
    await offer("offer-aiortc-video", pc)

    pc = peer()
    pc.addTransceiver("audio", direction="recvonly")
    pc.createDataChannel("oai-events")
    await offer("offer-aiortc-recvonly", pc)

    pc = peer()
    pc.addTrack(AudioStreamTrack())
    codecs = RTCRtpSender.getCapabilities("audio").codecs
    pc.getTransceivers()[0].setCodecPreferences([c for c in codecs if c.mimeType == "audio/PCMU"])
    await offer("offer-aiortc-pcmu", pc)

    for policy in (RTCBundlePolicy.MAX_BUNDLE, RTCBundlePolicy.MAX_COMPAT):
        pc = peer(policy)
        pc.addTrack(AudioStreamTrack())
        pc.createDataChannel("oai-events")
        await offer(f"offer-aiortc-{policy.value}", pc)

    pc, far = peer(), peer()
    pc.addTrack(AudioStreamTrack())
    pc.createDataChannel("oai-events")
    far.addTrack(AudioStreamTrack())
    await join(pc, far)
    found["answer-aiortc-audio-datachannel"] = far.localDescription.sdp
    await asyncio.gather(pc.close(), far.close())
    return found


def without_addresses(text: str) -> str:
    """Replace this machine's addresses; 0.0.0.0 and ::, Chromium's fixed 127.0.0.1 in o=, and names stay."""

    def replace(match: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(match[2])
        except ValueError:
            return match[0]
        if address.is_unspecified:
            return match[0]
        return match[1] + ("192.0.2.17" if address.version == 4 else "2001:db8::17")

    text = re.sub(r"(a=candidate:\S+ \d+ \S+ \d+ )(\S+)", replace, text)
    text = re.sub(r"( raddr )(\S+)", replace, text)
    return re.sub(r"((?:c=|a=rtcp:\d+ )IN IP[46] )(\S+)", replace, text)


def behind_mdns(text: str) -> str:
    """Hide the addresses as browsers do until a microphone is allowed.

    This one is derived, not recorded: a browser announces such names to its network, and this stays on the
    machine.
    """

    names: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        name = f"{uuid.uuid5(uuid.NAMESPACE_DNS, f'address {len(names)}')}.local"
        return match[1] + names.setdefault(match[2], name)

    text = re.sub(r"(a=candidate:\S+ \d+ \S+ \d+ )(\S+)", hide, text)
    text = re.sub(r"(m=\S+ )\d+", r"\g<1>9", text)
    return re.sub(r"(c=IN IP4 )\S+", r"\g<1>0.0.0.0", text)


def main() -> None:
    found = record_chromium() | asyncio.run(record_aiortc())
    found["offer-chromium-mdns"] = behind_mdns(found["offer-chromium-audio-datachannel"])
    for name, text in found.items():
        (HERE / f"{name}.sdp").write_bytes(without_addresses(text).encode())
        print(name, len(text))


if __name__ == "__main__":
    main()
