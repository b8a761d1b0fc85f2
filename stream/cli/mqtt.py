"""`l1chain mqtt serve|send`: run control and telemetry over MQTT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli.output import JsonOption

if TYPE_CHECKING:
    from stream.mqtt.settings import MqttSettings

app = typer.Typer(no_args_is_help=True, help="Tell of runs, and command them, over MQTT.")

BrokerOption = Annotated[str, typer.Option("--broker", metavar="HOST:PORT", help="Where the broker is.")]
ChainOption = Annotated[str | None, typer.Option("--chain", help="Name of the chain. [default: this host's]")]
PrefixOption = Annotated[str, typer.Option("--prefix", help="First level of all topics.")]
UserOption = Annotated[str | None, typer.Option("--username", help="For brokers that ask for one.")]
PasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="A file, yours alone, that holds the password.")
]
CaOption = Annotated[Path | None, typer.Option("--ca", help="Certificate authority of the broker: TLS.")]
CertificateOption = Annotated[Path | None, typer.Option("--cert", help="Certificate of this client.")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Key of that certificate.")]
OperatorsOption = Annotated[
    Path | None, typer.Option("--operators", help="A file, yours alone: `operators: {NAME: SECRET}`.")
]


@app.command("serve")
def serve(
    broker: BrokerOption = "127.0.0.1:1883",
    runs: Annotated[Path, typer.Option("--runs", help="Folder of run folders.")] = Path("runs"),
    configurations: Annotated[
        Path | None, typer.Option("--configurations", help="Folder of configurations that `start` may name.")
    ] = None,
    operators: OperatorsOption = None,
    chain: ChainOption = None,
    prefix: PrefixOption = "l1chain",
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca: CaOption = None,
    cert: CertificateOption = None,
    key: KeyOption = None,
    embedded_broker: Annotated[
        bool, typer.Option("--embedded-broker", help="Serve a broker too, on loopback, without passwords.")
    ] = False,
) -> None:
    """Tell of the runs of this host and obey operators, until interrupted."""
    import asyncio
    import signal
    import sys

    from stream.mqtt.bridge import GOODBYE_S, Bridge, ended
    from stream.mqtt.broker import embedded_broker as broker_of_our_own

    settings = _settings(broker, chain, prefix, username, password_file, ca, cert, key, operators)

    def connected() -> None:
        sys.stderr.write(f"connected to {settings.host}:{settings.port}, topics {settings.prefix}/{settings.chain}/#\n")

    async def serve_until_cancelled() -> None:
        bridge = Bridge(settings, runs, configurations, connected)
        if not embedded_broker:
            await bridge.serve()
            return
        async with broker_of_our_own(settings.port):
            await bridge.serve()

    async def until_interrupted() -> None:
        serving, interrupted = asyncio.create_task(serve_until_cancelled()), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
        waiting = asyncio.create_task(interrupted.wait())
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        await ended(serving, waiting, again_after_s=2 * GOODBYE_S)
        if not serving.cancelled():
            serving.result()

    asyncio.run(until_interrupted())


@app.command("send")
def send(
    command: Annotated[str, typer.Argument(help="`start`, or a command of `l1chain ctl`.")],
    who: Annotated[str, typer.Option("--as", help="The operator.")],
    operators: OperatorsOption,
    arguments: Annotated[
        str, typer.Argument(metavar="[ARGUMENTS]", help='JSON, e.g. \'{"column": "physics"}\'.')
    ] = "{}",
    broker: BrokerOption = "127.0.0.1:1883",
    chain: ChainOption = None,
    prefix: PrefixOption = "l1chain",
    username: UserOption = None,
    password_file: PasswordOption = None,
    ca: CaOption = None,
    cert: CertificateOption = None,
    key: KeyOption = None,
    patience_s: Annotated[float, typer.Option("--patience", help="Seconds to wait for the answer.")] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Command a chain, as an operator, and print its answer."""
    import asyncio
    import json

    from stream.cli.output import console, print_json
    from stream.mqtt.operator import send_order
    from stream.mqtt.settings import read_operators
    from triggers.errors import BadValue, UnknownName

    settings = _settings(broker, chain, prefix, username, password_file, ca, cert, key, operators)
    secrets = read_operators(operators)
    if who not in secrets:
        raise UnknownName(str(operators), "operator", who, secrets)
    try:
        asked = json.loads(arguments)
    except ValueError:
        asked = None
    if not isinstance(asked, dict):
        raise BadValue("arguments", "are no JSON object", 'write for example \'{"column": "physics"}\'')
    result = asyncio.run(send_order(settings, who, secrets[who], command, asked, patience_s))
    if as_json:
        print_json({"result": result})
    else:
        console().print(result, soft_wrap=True)


def _settings(
    broker: str,
    chain: str | None,
    prefix: str,
    username: str | None,
    password_file: Path | None,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    operators: Path | None,
) -> MqttSettings:
    try:
        import aiomqtt  # noqa: F401 (told now, in one sentence, if it is not there)
    except ModuleNotFoundError:
        from stream.mqtt.errors import MqttMissing

        raise MqttMissing("aiomqtt") from None
    from stream.mqtt.settings import MqttSettings
    from triggers.errors import BadValue
    from triggers.strict_yaml import validated

    host, colon, port = broker.rpartition(":")
    if not colon or not host or not port.isdigit():
        raise BadValue("broker", f"'{broker}' is not HOST:PORT", "write for example 127.0.0.1:1883")
    given = {
        "host": host,
        "port": int(port),
        "prefix": prefix,
        "username": username,
        "password_file": password_file,
        "ca_file": ca,
        "certificate_file": cert,
        "key_file": key,
        "operators_file": operators,
    }
    return validated(given | ({"chain": chain} if chain else {}), "MQTT", MqttSettings)
