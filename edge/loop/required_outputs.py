"""Refuse outputs that cannot be opened, before networks are loaded."""

from __future__ import annotations

from edge.capture.source import Source
from edge.contract.files import require_writable
from edge.loop.config import RunConfig
from edge.sinks.mqtt import new_client
from edge.sinks.page_server import parse_page_address, require_port


def require_outputs(config: RunConfig, source: Source) -> None:
    """Raise what opening the outputs would: files, video codec, page's port, MQTT client. Creates no file."""
    # Imports OpenCV, which would slow down `--help`.
    from edge.sinks.video import require_encoder

    sinks = config.sinks
    require_writable(*config.files.values())
    if sinks.video is not None:
        require_encoder(sinks.video, source.fps, source.size, sinks.codec)
    if sinks.page is not None:
        require_port(parse_page_address(sinks.page, sinks.page_token))
    if sinks.mqtt is not None:
        new_client()
