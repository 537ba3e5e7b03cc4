# SPDX-License-Identifier: Apache-2.0
"""Prometheus, Alertmanager and a receiver of alerts, on loopback, ports from the kernel."""
import contextlib
import http.server
import json
import os
import subprocess
import threading
import urllib.parse

import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
RULES = os.path.join(ROOT, "deploy", "prometheus", "turnstone.rules.yaml")


class Receiver(http.server.ThreadingHTTPServer):
    """What Alertmanager sends last: {(alert, instance): alert}."""

    def __init__(self):
        self.alerts = {}
        alerts = self.alerts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    alerts[alert["labels"]["alertname"], alert["labels"].get("instance")] = alert
                self.send_response(200)
                self.end_headers()

            def log_message(self, *unused):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@contextlib.contextmanager
def daemon(folder, *command):
    with open(os.path.join(folder, os.path.basename(command[0]) + ".log"), "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def write(folder, name, value):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file)  # JSON is YAML
    return path


class Prometheus:
    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"

    def query(self, expression):
        """(series, error)"""
        status, text = harness.get(f"{self.base}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        if status != 200:  # while it starts, 503 and a line of text
            return [], f"{status} {text.strip()[:200]}"
        return json.loads(text)["data"]["result"], ""


def prometheus_config(targets, alertmanager, rules=RULES):
    """Scrapes {pod: server} each second."""
    return {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [rules],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]} if alertmanager else {},
            "scrape_configs": [{"job_name": "turnstone", "static_configs": [
                {"targets": [f"127.0.0.1:{server.http_port}"],
                 "labels": {"cluster": "test", "namespace": "rtc", "pod": pod}} for pod, server in targets.items()]}]}


def alertmanager_config(receiver):
    """Sends each alert by itself, at once."""
    return {"route": {"receiver": "test", "group_wait": "1s", "group_interval": "1s", "group_by": ["..."]},
            "receivers": [{"name": "test", "webhook_configs": [{"url": f"http://127.0.0.1:{receiver.server_port}/"}]}]}


@contextlib.contextmanager
def alertmanager(folder, receiver):
    """Its port, while it runs."""
    port = harness.free_port()
    config = write(folder, "alertmanager.yml", alertmanager_config(receiver))
    with daemon(folder, "prometheus-alertmanager", f"--config.file={config}", "--cluster.listen-address=",
                f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={folder}/alertmanager"):
        yield port


@contextlib.contextmanager
def prometheus(folder, config):
    port = harness.free_port()
    path = write(folder, "prometheus.yml", config)
    with daemon(folder, "prometheus", f"--config.file={path}", f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}/tsdb",
                "--log.level=warn"):
        yield Prometheus(port)
