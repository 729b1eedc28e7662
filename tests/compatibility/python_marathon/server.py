"""The binary under test, with a data directory and ports of its own."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

START_SECONDS = 30
STOP_SECONDS = 30
AGENTS = 3
SHOWN_BYTES = 20_000
PORTS = 300
"""How many the agents give out in all."""
FIRST_PORT = 28_000
RANGES = 15
"""Every process has one of so many ranges, all below the ports of outgoing connections."""


class Server:
    """`marathon up`, from when it answers until `marathon down` took every task with it."""

    def __init__(self, binary):
        self._binary = binary
        self._home = pathlib.Path(tempfile.mkdtemp(prefix='marathon-compatibility-'))
        http, master, dns, dns_http = free_ports(4)
        first = FIRST_PORT + os.getpid() % RANGES * PORTS
        self.url = f'http://127.0.0.1:{http}'
        self._master = f'http://127.0.0.1:{master}'
        self._log = open(self._home / 'up.log', 'wb')
        arguments = {
            '--data-dir': self._data_dir,
            '--http-address': f'127.0.0.1:{http}',
            '--master-address': f'127.0.0.1:{master}',
            '--dns-address': f'127.0.0.1:{dns}',
            '--dns-http-address': f'127.0.0.1:{dns_http}',
            '--agents': AGENTS,
            '--agent-port': 0,
            '--resources': f'cpus:4;mem:4096;disk:4096;ports:[{first}-{first + PORTS - 1}]',
        }
        self._process = self._start('up', *(str(part) for pair in arguments.items() for part in pair))

    def wait_until_ready(self):
        """Returns when the scheduler leads and every agent is registered."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f'{self._binary} did not come up (exit: {self._process.poll()})')
            time.sleep(0.05)

    def end(self):
        """Asks `up` to end as an operator does; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def down(self):
        """Stops the tasks that are left; the exit code."""
        return self._start('down', '--data-dir', str(self._data_dir)).wait(STOP_SECONDS)

    def log(self):
        """The last that was written."""
        return (self._home / 'up.log').read_bytes()[-SHOWN_BYTES:].decode(errors='replace')

    def remove(self):
        self._log.close()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _data_dir(self):
        return self._home / 'data'

    def _start(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(('MARATHON_', 'MESOS_'))}
        return subprocess.Popen(
            [self._binary, *arguments], cwd=self._home, env=environment,
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def _is_ready(self):
        try:
            for path in ('/v2/leader', '/v2/apps'):
                urllib.request.urlopen(self.url + path, timeout=1).close()
            with urllib.request.urlopen(self._master + '/state', timeout=1) as answer:
                return len(json.load(answer)['slaves']) == AGENTS
        except (urllib.error.URLError, OSError):
            return False


def free_ports(count):
    """Ports that were free a moment ago."""
    sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
