"""Pure ASGI middleware: none of them buffers a response, so event streams pass."""
