from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cnnexp.errors import TrackingError
from cnnexp.tracking import ui


@pytest.fixture
def healthy_server() -> Iterator[str]:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_ui_serves_the_very_store_with_the_running_python() -> None:
    command = ui.ui_command("sqlite:////there/mlflow.db", "127.0.0.1", 5070)
    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert command[command.index("--backend-store-uri") + 1] == "sqlite:////there/mlflow.db"
    assert command[command.index("--port") + 1] == "5070"


def test_users_choice_on_usage_reporting_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DISABLE_TELEMETRY")
    assert ui.ui_environment()["MLFLOW_DISABLE_TELEMETRY"] == "true"
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    assert ui.ui_environment()["MLFLOW_DISABLE_TELEMETRY"] == "false"


def test_page_opens_the_saved_view() -> None:
    assert ui.ui_page("http://127.0.0.1:5000/", "3") == (
        "http://127.0.0.1:5000/#/experiments/3/runs?workflowType=machine_learning&viewStateShareKey=cnnexp-best"
    )


def test_taken_ports_and_ports_that_browsers_refuse_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "_is_free", lambda _host, port: port != 5059)
    with ui.reserved_port(preferred=5059) as port:
        assert port == 5062


def test_port_that_another_process_listens_on_is_not_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with ui.reserved_port(preferred=taken) as port:
            assert port != taken


def test_port_of_a_server_that_has_not_taken_it_yet_is_not_given_away() -> None:
    with ui.reserved_port(preferred=5900) as first, ui.reserved_port(preferred=first) as second:
        assert second != first
    with ui.reserved_port(preferred=first) as again:
        assert again == first


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("::1", "http://[::1]:5000"),
        ("::", "http://[::1]:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000"),
    ],
)
def test_address_is_one_that_a_browser_can_open(host: str, address: str) -> None:
    assert ui.ui_address(host, 5000) == address


def test_foreign_address_is_said() -> None:
    with (
        pytest.raises(TrackingError, match=r"--host 192\.0\.2\.1: this machine cannot listen"),
        ui.reserved_port("192.0.2.1"),  # an address for documentation: nobody's
    ):
        pass


def test_waiting_ends_when_the_page_answers(healthy_server: str) -> None:
    assert ui.wait_for_ui(healthy_server, 5)


def test_waiting_ends_with_the_time_and_with_the_server() -> None:
    with ui.reserved_port(preferred=5300) as port:
        nobody = f"http://127.0.0.1:{port}"
        assert not ui.wait_for_ui(nobody, 0.3)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert not ui.wait_for_ui(nobody, 60, process)


def test_only_http_addresses_are_servers() -> None:
    assert ui.is_server("https://mlflow.example")
    assert not ui.is_server("sqlite:///mlflow.db")
