"""`overscan bridge`: the helper process between a host's plugin and the service.

It speaks gRPC to the service and JSON-RPC 2.0, one message a line, to the half of Overscan that runs in the
host (`overscan_host`), which cannot load gRPC itself. docs/bridge.md has the messages.
"""

from overscan.client.bridge._serve import PROTOCOL, serve_bridge

__all__ = ["PROTOCOL", "serve_bridge"]
