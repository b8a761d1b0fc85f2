"""What travels between services: messages, columns, sockets (`docs/protocol.md`)."""
