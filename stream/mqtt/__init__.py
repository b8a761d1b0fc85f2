"""Run control and telemetry over MQTT."""
